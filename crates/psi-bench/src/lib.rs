//! What `psi-field bench` measures: what steps cost, each time against what doing nothing costs.
//!
//! [`run()`] measures [`Group`] after [`Group`] and answers with a [`Report`]. Start at `groups/`, one file for each group;
//! `cluster/` starts the nodes that are measured, `rounds/` gives every row its turns, `report/` holds the results.
//! Left out on purpose: arguments, tables and pictures. The command line has those.
//!
//! [`client`], [`page()`], [`pluralize`], [`RandomWalk`] and [`SplitMix64`] serve the command line too, which stands above this crate.

mod cluster;
mod error;
mod groups;
mod page;
mod plural;
mod random_walk;
mod report;
mod rounds;
mod run;

pub mod client;

pub use error::BenchError;
pub use groups::{
    Group,
    http::handlers::{COMMAND as HANDLERS_COMMAND, HandlerAddress, HandlerServer},
};
pub use page::page;
pub use plural::pluralize;
pub use random_walk::{RandomWalk, SplitMix64};
pub use report::{Answer, Build, Label, Machine, Report, Row, RunSettings, Spread, Target};
pub use rounds::{Plan, Progress};
pub use run::{run, threads};
