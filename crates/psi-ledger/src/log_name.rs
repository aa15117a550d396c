//! What a ledger is called: the origin line of its heads, and the name of the key that signs them.

use std::fmt;

use psi_replica::{ClusterName, NodeId, Origin};

/// What names of logs begin with. A node's key signs heads, which begin so, and nothing else that does.
const PREFIX: &str = "psi-field/ledger/";

/// The ledger of one run of a node: `psi-field/ledger/CLUSTER/NODE/RUN`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogName {
    /// The cluster.
    pub cluster: ClusterName,
    /// The run.
    pub run: Origin,
}

/// A text that is no name of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no name of a ledger, which is like {PREFIX}prod/node-1/1764468265123456", shown(.0))]
pub struct LogNameError(pub String);

/// The beginning of a text that nobody checked, fit for a line of a log.
fn shown(text: &str) -> String {
    text.chars().take(200).collect::<String>().escape_debug().to_string()
}

impl LogName {
    /// The name that a text is.
    ///
    /// # Errors
    /// It is none, or is written in another way than [`LogName`] writes it.
    pub fn parse(text: &str) -> Result<Self, LogNameError> {
        Self::read(text).filter(|name| name.to_string() == text).ok_or_else(|| LogNameError(text.to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('/');
        let cluster = ClusterName::new(parts.next()?).ok()?;
        let node = NodeId::new(parts.next()?).ok()?;
        let incarnation = parts.next()?.parse().ok().filter(|number| *number != 0)?;
        Some(Self { cluster, run: Origin { node, incarnation } })
    }

    /// Whether another ledger is of another run of the same node.
    #[must_use]
    pub fn is_of_same_node(&self, other: &Self) -> bool {
        self.cluster == other.cluster && self.run.node == other.run.node
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}/{}", self.cluster, self.run.node, self.run.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_only_as_they_are_written() {
        let name = LogName::parse("psi-field/ledger/prod/n-1/42").unwrap();
        assert_eq!((name.cluster.as_str(), name.run.node.as_str(), name.run.incarnation), ("prod", "n-1", 42));
        assert_eq!(name.to_string(), "psi-field/ledger/prod/n-1/42");
        for bad in [
            "",
            "psi-field/ledger/prod/n-1",
            "psi-field/ledger/prod/n-1/042",
            "psi-field/ledger/prod/n-1/+42",
            "psi-field/ledger/prod/n-1/0",
            "psi-field/ledger/prod/n-1/42/",
            "psi-field/ledger/prod/n-1/18446744073709551616",
            "psi-field/ledger/prod/.base/1",
            "psi-field/ledger/pr od/n-1/42",
            "psi-field/ledgers/prod/n-1/42",
            "psi-field/ledger/prod/n-1/42\n",
        ] {
            assert_eq!(LogName::parse(bad), Err(LogNameError(bad.to_owned())), "{bad:?}");
        }
        let error = LogNameError("\u{1b}[2J".repeat(1_000)).to_string();
        assert!(error.len() < 2_000 && !error.contains('\u{1b}'), "{error}");
    }
}
