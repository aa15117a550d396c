//! Standard error: remarks on what a command does.

use std::{
    fmt,
    io::{self, Write},
};

/// Prints a remark on standard error. Where nobody reads it any more, as in a terminal that was closed, it is lost:
/// `eprintln!` would panic, and end what the remark is about.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
