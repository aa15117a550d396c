//! Requests: understood strictly enough that nothing is guessed.

pub(super) mod address;
pub(super) mod body_params;
pub(super) mod field;
mod json;
pub(super) mod label;
pub(super) mod parameters;
pub(super) mod params;
mod parse;
pub(super) mod read;
pub(super) mod step;
