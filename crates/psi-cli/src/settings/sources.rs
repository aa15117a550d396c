//! Where settings are given, a file each; what is found there is checked by `load.rs`.

pub(super) mod file;
pub(super) mod flags;
pub(super) mod variables;
