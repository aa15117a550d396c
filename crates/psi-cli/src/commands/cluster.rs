//! Nodes and clusters: running one, and seeing whether all is well.

pub(crate) mod health;
pub(crate) mod members;
pub(crate) mod node;
pub(crate) mod probe;
