//! The settings as the program uses them.

use super::machine;
use crate::process::logs::LogSettings;

/// All settings of `psi-field node`, all of them valid.
#[derive(Clone, Debug)]
pub(crate) struct AllSettings {
    pub(crate) node: psi_node::Settings,
    pub(crate) log: LogSettings,
}

impl AllSettings {
    /// The defaults, for a node whose name is still to be chosen.
    pub(super) fn default() -> Self {
        let node = psi_node::Settings {
            commit: env!("BUILT_FROM_COMMIT"),
            ..psi_node::Settings::new(machine::node_id("", 0))
        };
        Self { node, log: LogSettings::default() }
    }
}
