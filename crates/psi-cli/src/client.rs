//! Asking nodes: which ones, in what order, with what options, and what to say when none answers.

pub(crate) mod options;

mod nodes;

pub(crate) use nodes::{Nodes, parse_address, parse_timeout};
pub(crate) use psi_bench::client::{cluster, fields, root_cause};
