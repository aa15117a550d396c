//! Asking nodes: which ones, in what order, with what options, and what to say when none answers.

pub(crate) mod options;

mod access;
mod nodes;
mod token_file;

pub(crate) use access::AccessOptions;
pub(crate) use nodes::{Nodes, SILENCE, parse_address, parse_timeout, ping};
pub(crate) use psi_bench::client::{
    all_fields, cluster, drift, fields, leases, ledger, processes, rollouts, root_cause, versions,
};
pub(crate) use psi_client::{Connection, is_distrust};
