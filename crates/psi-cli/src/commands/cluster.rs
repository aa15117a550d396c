//! Nodes and clusters: running one, and seeing whether all is well.

pub(crate) mod check_config;
pub(crate) mod clock;
pub(crate) mod health;
pub(crate) mod members;
pub(crate) mod node;
pub(crate) mod probe;
