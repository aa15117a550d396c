//! Asking nodes: which ones, in what order, with what options, and what to say when none answers.

pub(crate) mod address;
pub(crate) mod options;

mod nodes;
pub(crate) mod status;

pub(crate) use nodes::{Nodes, parse_address, parse_timeout};
pub(crate) use psi_bench::client::{cluster, fields, root_cause};
pub(crate) use status::{broke_off, may_go_elsewhere};
