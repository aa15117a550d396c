//! What a line of text for people may not have.

/// Whether a character makes a terminal show a line otherwise than it is read.
pub(super) fn is_refused(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
