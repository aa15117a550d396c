//! Replication levels, and the reach of a write.

use psi_api::{Cause, v1};
use tonic::Code;

/// How many nodes a write must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The one that took it.
    Local,
    /// One other.
    One,
    /// More than half of all.
    Majority,
    /// All.
    All,
}

impl Level {
    const ALL: [Self; 4] = [Self::Local, Self::One, Self::Majority, Self::All];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::One => "one",
            Self::Majority => "majority",
            Self::All => "all",
        }
    }

    /// # Errors
    /// [`Cause`] if there is no level of that name.
    pub(crate) fn parse(name: &str) -> Result<Self, Cause> {
        Self::ALL.into_iter().find(|level| level.as_str() == name).ok_or_else(|| unknown(name))
    }

    /// From a message; `None` if it does not ask for any.
    ///
    /// # Errors
    /// [`Cause`] if there is no such level.
    pub(crate) fn from_proto(level: i32) -> Result<Option<Self>, Cause> {
        Ok(match v1::ReplicationLevel::try_from(level) {
            Ok(v1::ReplicationLevel::Unspecified) => None,
            Ok(v1::ReplicationLevel::Local) => Some(Self::Local),
            Ok(v1::ReplicationLevel::One) => Some(Self::One),
            Ok(v1::ReplicationLevel::Majority) => Some(Self::Majority),
            Ok(v1::ReplicationLevel::All) => Some(Self::All),
            Err(_) => return Err(unknown(&level.to_string())),
        })
    }

    pub(super) fn is_reached(self, nodes: usize, of: usize) -> bool {
        match self {
            Self::Local => true,
            Self::One => nodes > 1,
            Self::Majority => nodes > of / 2,
            Self::All => nodes >= of,
        }
    }

    /// The highest level up to this one that so many nodes make.
    pub(super) fn reached(self, nodes: usize, of: usize) -> Self {
        let up_to = Self::ALL.into_iter().filter(|level| *level <= self);
        up_to.filter(|level| level.is_reached(nodes, of)).max().unwrap_or(Self::Local)
    }
}

fn unknown(got: &str) -> Cause {
    let message = format!("no replication level is called `{got}`; there are local, one, majority and all");
    Cause::new(Code::InvalidArgument, "UNKNOWN_LEVEL", message).with("got", got)
}

/// How far a write had got when it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplicationReach {
    /// The level reached, up to the one asked for.
    pub(crate) level: Level,
    /// Nodes that hold the write and stay.
    pub(crate) nodes: usize,
    /// Nodes known that stay.
    pub(crate) of: usize,
}

impl From<ReplicationReach> for v1::ReplicationReach {
    fn from(replicated: ReplicationReach) -> Self {
        let level = match replicated.level {
            Level::Local => v1::ReplicationLevel::Local,
            Level::One => v1::ReplicationLevel::One,
            Level::Majority => v1::ReplicationLevel::Majority,
            Level::All => v1::ReplicationLevel::All,
        };
        let count = |nodes| u32::try_from(nodes).unwrap_or(u32::MAX);
        Self { level: level.into(), nodes: count(replicated.nodes), of: count(replicated.of) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_reached_by_so_many_nodes_of_all() {
        use Level::{All, Local, Majority, One};
        for (target, nodes, of, want) in [
            (Local, 1, 5, Local),
            (One, 1, 3, Local),
            (One, 2, 3, One),
            (One, 3, 3, One),
            (Majority, 1, 2, Local),
            (Majority, 2, 2, Majority),
            (Majority, 2, 3, Majority),
            (Majority, 2, 4, One),
            (Majority, 3, 4, Majority),
            (All, 2, 3, Majority),
            (All, 3, 3, All),
            (All, 1, 3, Local),
            // A node alone is all that there is, and still no other.
            (One, 1, 1, Local),
            (Majority, 1, 1, Majority),
            (All, 1, 1, All),
        ] {
            assert_eq!(target.reached(nodes, of), want, "{target:?} {nodes} of {of}");
        }
    }

    #[test]
    fn an_unknown_level_is_named() {
        for level in Level::ALL {
            assert_eq!(Level::parse(level.as_str()).unwrap(), level);
        }
        assert!(Level::parse("most").unwrap_err().message.contains("`most`"));
        assert_eq!(Level::from_proto(9).unwrap_err().reason, "UNKNOWN_LEVEL");
        assert_eq!(Level::from_proto(0).unwrap(), None);
    }
}
