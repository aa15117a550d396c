//! Where the vectors of `psi-field feed` and `psi-field replay` come from.
//!
//! A [`Source`] yields one input vector a call. Leaves out pacing, sending and guardian conditioning: a source says what
//! the next vector is, not when it is due, and passes numbers on as they are.

mod csv;
mod encoding;
mod error;
mod header;
mod host;
mod incident;
mod json_lines;
mod meter;
mod order;
mod path;
mod random_walk;
mod vectors;

pub(crate) use self::csv::{CsvFile, CsvOptions, Row, Rows, seconds};
pub(crate) use encoding::Text;
pub(crate) use error::SourceError;
pub(crate) use header::Header;
pub(crate) use host::Host;
pub(crate) use incident::Incident;
pub(crate) use json_lines::{JsonFile, JsonLines};
pub(crate) use path::{check_file, extension};
pub(crate) use psi_bench::RandomWalk;
pub(crate) use vectors::{Source, listed};
