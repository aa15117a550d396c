//! What commands print: answers on standard output, failures on standard error, pictures in files.

pub(crate) mod canvas;
pub(crate) mod numbers;
pub(crate) mod suggest;

mod failure;
mod format;
mod print;
mod refusal;
mod table;

pub(crate) use failure::{Exit, Failure};
pub(crate) use format::Output;
pub(crate) use print::{line, write_failure};
pub(crate) use psi_bench::pluralize;
pub(crate) use refusal::{broke_off, may_go_elsewhere};
pub(crate) use table::table;
