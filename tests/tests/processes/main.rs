//! Processes over real sockets: decided by a majority, and the same on all nodes.

mod attestation;
mod nine_phases;
mod proposals;
mod rollouts;
mod rules;
mod support;
mod survival;
mod tasks;
mod voters;
mod web;
