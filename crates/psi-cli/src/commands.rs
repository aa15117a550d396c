//! The commands, one a file: arguments, help, and what it does.

pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod experiments;
pub(crate) mod fields;
pub(crate) mod governance;
pub(crate) mod man;
pub(crate) mod security;
pub(crate) mod steps;

mod arguments;
mod progress;
mod watcher;
