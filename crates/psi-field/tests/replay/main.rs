//! `psi-field replay` as a process.

mod answers;
mod drift;
mod refusals;
mod support;
