//! What commands print: answers on standard output, failures on standard error, pictures in files.

pub(crate) mod canvas;
pub(crate) mod numbers;
pub(crate) mod screen;
pub(crate) mod suggest;

mod confirm;
mod failure;
mod format;
mod note;
mod print;
mod refusal;
mod table;
mod tone;

pub(crate) use confirm::Confirmation;
pub(crate) use failure::{Exit, Failure};
pub(crate) use format::Output;
pub(crate) use note::note;
pub(crate) use print::{line, write_failure};
pub(crate) use psi_bench::pluralize;
pub(crate) use refusal::{broke_off, is_access_refusal, may_go_elsewhere};
pub(crate) use table::{Cell, table};
pub(crate) use tone::Tone;
