//! `psi-field replay` as a process.

mod answers;
mod refusals;
mod support;
