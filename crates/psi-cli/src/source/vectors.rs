//! What every source does.

use super::error::SourceError;

/// A sequence of input vectors of one width.
///
/// `Send`, because most sources block and so belong on a thread of their own.
pub(crate) trait Source: Send {
    /// Numbers a vector, or `None` as long as the source can't know it.
    fn width(&self) -> Option<usize>;

    /// The next vector, or `None` once the source is exhausted. May block until there is one.
    ///
    /// # Errors
    /// The one vector that could not be read. The source has moved past it: a caller may go on.
    fn next(&mut self) -> Result<Option<Vec<f64>>, SourceError>;

    /// One line for people: what is read.
    fn describe(&self) -> String;

    /// What people should know of how it is read, a line each: what is left out, and what was guessed.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// What the numbers of a vector are called, in their order, if the source says so; known once a vector was read.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    /// Vectors that were left out so far because the user wants it so.
    fn skipped(&self) -> u64 {
        0
    }

    /// When the latest vector was, in seconds since any instant, if the source says so.
    fn time(&self) -> Option<f64> {
        None
    }

    /// The share that has been read, 0 to 1, if that can be known.
    fn share(&self) -> Option<f64> {
        None
    }
}

/// The first of these names, and how many more there are.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    /// Names that a description lists.
    const NAMES_MAX: usize = 12;
    let names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
