//! Requests: understood strictly enough that nothing is guessed.

pub(super) mod address;
pub(super) mod attachments;
pub(super) mod baseline;
pub(super) mod body_params;
pub(super) mod field;
pub(super) mod json;
pub(super) mod parameters;
pub(super) mod params;
mod parse;
pub(super) mod read;
pub(super) mod rest;
pub(super) mod step;
