//! Sessions: tokens, and what they cost to make.

pub(crate) mod cache;
pub(crate) mod token;
pub(crate) mod token_gap;
