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

    /// One line for people: what is read, and what is left out.
    fn describe(&self) -> String;
}
