//! Colours: of what is well, what needs a look, and what is wrong. Only where a terminal wants them: not in pipes, with
//! `NO_COLOR`, or with `TERM=dumb`.

use comfy_table::Color;
use console::{StyledObject, style};

/// What is said of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Up, equal, met.
    Good,
    /// Mute, catching up, a warning.
    Doubtful,
    /// Dead, diverged, missed.
    Bad,
}

impl Tone {
    /// The text in its colour.
    pub(crate) fn paint(self, text: &str) -> StyledObject<&str> {
        let text = style(text);
        match self {
            Self::Good => text.green(),
            Self::Doubtful => text.yellow(),
            Self::Bad => text.red().bold(),
        }
    }

    pub(super) fn color(self) -> Color {
        match self {
            Self::Good => Color::Green,
            Self::Doubtful => Color::Yellow,
            Self::Bad => Color::Red,
        }
    }
}
