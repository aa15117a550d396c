//! Processes over real sockets: decided by a majority, the same on all nodes, and there after a crash.

mod nine_phases;
mod rules;
mod support;
mod survival;
