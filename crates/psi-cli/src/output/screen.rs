//! How wide the screen is, and text that fits it.

use console::Term;

/// Where nothing is known of a screen: pipes and files.
const USUAL: usize = 80;
/// Narrower ones are not served.
const LEAST: usize = 40;
/// Longer lines of prose are hard to read.
const PROSE_MAX: usize = 100;

/// Columns of the screen: those of the terminal, or what the variable `COLUMNS` says where there is none, or 80.
pub(crate) fn width() -> usize {
    let of_terminal = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns)).filter(|width| *width > 0);
    let of_variable = || std::env::var("COLUMNS").ok()?.parse().ok();
    of_terminal.or_else(of_variable).unwrap_or(USUAL).max(LEAST)
}

/// Columns that prose takes.
pub(crate) fn prose_width() -> usize {
    width().min(PROSE_MAX)
}

/// Whether people look on, so that what is too long is better cut than broken.
pub(crate) fn is_watched() -> bool {
    Term::stdout().is_term()
}

/// The text with lines that are too long for the screen broken between words. What follows is indented as its line is.
pub(crate) fn fitted(text: &str) -> String {
    within(text, width(), prose_width())
}

/// `label`, filled up to a width, and text beside it in a column of its own.
pub(crate) fn labelled(label: &str, label_width: usize, text: &str) -> String {
    let indent = " ".repeat(label_width);
    let first = format!("{label:label_width$}");
    textwrap::fill(text, textwrap::Options::new(prose_width()).initial_indent(&first).subsequent_indent(&indent))
}

fn within(text: &str, width: usize, prose: usize) -> String {
    let lines = text.split('\n').map(|line| {
        if console::measure_text_width(line) <= width {
            return line.to_owned();
        }
        textwrap::fill(line, options(prose, &" ".repeat(hang(line))))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the rest of a line goes on: below its first word, or below what stands beside a label.
fn hang(line: &str) -> usize {
    /// Longer labels are none.
    const LABEL_MAX: usize = 24;
    let indent = line.chars().take_while(|letter| *letter == ' ').count();
    let label: String = line.chars().skip(indent).take(LABEL_MAX).collect();
    let beside = label.find("  ").map(|at| {
        let gap = label[at..].chars().take_while(|letter| *letter == ' ').count();
        label[..at].chars().count() + gap
    });
    indent + beside.unwrap_or(0)
}

/// Words that are longer than a line, such as addresses, stay whole.
fn options(width: usize, indent: &str) -> textwrap::Options<'_> {
    let options = textwrap::Options::new(width).subsequent_indent(indent);
    options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_are_too_long_are_broken() {
        let text = "a  b   c\n  one two three four five\n\nan-address-of-more-than-the-width:50051 ok";
        let want = "a  b   c\n  one two three\n  four five\n\nan-address-of-more-than-the-width:50051\nok";
        assert_eq!(within(text, 16, 16), want);
        assert_eq!(within("drift     none, none at all", 20, 20), "drift     none, none\n          at all");
        assert_eq!(within(text, 80, 80), text);
    }
}
