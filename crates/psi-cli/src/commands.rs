//! The commands, one a file: arguments, help, and what it does.

pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod feed;
pub(crate) mod field;
pub(crate) mod guardian;
pub(crate) mod health;
pub(crate) mod members;
pub(crate) mod node;
pub(crate) mod probe;
pub(crate) mod sim;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod terms;

use clap::Args;

/// The field that a command is about.
#[derive(Clone, Debug, Args)]
pub(crate) struct FieldArg {
    /// The field
    #[arg(long, short, value_name = "NAME", default_value = psi_replica::DEFAULT_FIELD)]
    pub(crate) field: String,
}
