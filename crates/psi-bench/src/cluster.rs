//! The nodes that are measured, as processes on the loopback, and what they hold.

pub(crate) mod fields;
pub(crate) mod origins;
pub(crate) mod process;
pub(crate) mod relay;
pub(crate) mod rig;
pub(crate) mod usage;
