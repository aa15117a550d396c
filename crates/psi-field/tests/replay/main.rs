//! `psi-field replay` and `psi-field rollout replay` as processes.

mod answers;
mod drift;
mod refusals;
mod rollouts;
mod support;
