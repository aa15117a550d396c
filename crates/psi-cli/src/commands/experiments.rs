//! Commands that bring their own nodes, real or simulated: to show, to break, to measure.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod sim;
