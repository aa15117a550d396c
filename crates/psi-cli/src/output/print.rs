//! Standard output: answers as text or as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::{failure::Failure, format::Output, screen::fitted};

impl Output {
    /// Prints an answer: `value` as one line of JSON, or what `text` makes of it, its lines broken to fit the screen.
    ///
    /// # Errors
    /// If nobody reads.
    pub(crate) fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        match self {
            Self::Text => line(&fitted(&text(value))),
            Self::Json => {
                let json = serde_json::to_string(value)
                    .map_err(|error| Failure::failed(format!("can't print the answer as JSON: {error}")))?;
                line(&json)
            }
        }
    }
}

/// Prints a line, or several.
///
/// # Errors
/// [`Failure::output_closed`] if standard output is closed, as by `head`; otherwise the system's.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) => Err(write_failure(&error)),
    }
}

/// What a failed write to standard output ends a command with.
pub(crate) fn write_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::output_closed(),
        _ => Failure::failed(format!("can't write to standard output: {error}")),
    }
}
