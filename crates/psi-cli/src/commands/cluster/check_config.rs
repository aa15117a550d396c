//! `psi-field check-config`: whether a node would start with these settings, without starting one.

use std::path::PathBuf;

use clap::Args;

use super::node;
use crate::{
    output::{Failure, Output, Tone, pluralize},
    settings::{self, SettingFlags},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field check-config --config psi.toml
  psi-field check-config --config psi.toml && systemctl restart psi-field
  PSI_CONFIG=psi.toml psi-field check-config --output json

Reads settings as `psi-field node` does: flags, then variables, then the file. Nothing is started, bound or written. \
`psi-field node --print-config` prints the defaults too, as a file.

Exit codes: 0 all settings are right; 2 some are wrong, and every wrong one is reported.";

/// Check the settings of a node without starting it
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CheckConfig {
    /// Settings file, in TOML
    #[arg(long, value_name = "FILE", env = settings::CONFIG)]
    config: Option<PathBuf>,

    #[command(flatten)]
    flags: SettingFlags,
}

impl CheckConfig {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let loaded = node::load(self.config.as_deref(), &self.flags);
        let loaded = loaded.map_err(|problems| node::wrong_settings(&problems, "see `psi-field node --help`"))?;
        psi_node::check_security(&loaded.effective.node).map_err(|error| Failure::usage(error.to_string()))?;
        output.print(&settings::to_json(&loaded), |_| {
            let given = settings::given(&loaded);
            let count = match given.len() {
                0 => "none is given, all have their defaults".to_owned(),
                count => format!("{} given, the others have their defaults", pluralize(count as u64, "setting")),
            };
            let lines: String = given.iter().map(|line| format!("\n  {line}")).collect();
            format!("{}: {count}{lines}", Tone::Good.paint("all settings are right"))
        })
    }
}
