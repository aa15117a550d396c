//! Requests: understood strictly enough that nothing is guessed.

pub(super) mod address;
pub(super) mod asked;
pub(super) mod field;
pub(super) mod in_body;
mod json;
pub(super) mod parameters;
mod parse;
pub(super) mod read;
pub(super) mod step;
