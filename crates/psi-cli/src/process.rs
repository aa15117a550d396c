//! This process: where its log lines go, and how it learns that it is to stop.

pub(crate) mod logs;
pub(crate) mod signals;
