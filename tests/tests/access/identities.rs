//! Everyone who may try, and nodes of a cluster with a key.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use psi_node::{Node, Security, Settings};
use psi_security::{
    certificate::Authority,
    key::{ClusterKey, KeyRing},
    token::{Role, TokenClaims, TokenId},
};
use psi_tests::{eventually, settings};
use tempfile::TempDir;
use tonic::Code;

pub(crate) const CLUSTER: &str = "psi-field";
/// A field that some tokens are for, and no call of these tests names.
const OTHER_FIELD: &str = "other";

/// Someone who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Shows nothing.
    Nobody,
    /// Holds an operator's token of another key.
    WrongKey,
    /// Holds an operator's token that is over.
    Expired,
    /// Holds an operator's token that is revoked.
    Revoked,
    Reader,
    /// Reads one field, which calls do not name.
    OtherReader,
    Stepper,
    /// Steps one field, which calls do not name.
    OtherStepper,
    Operator,
    /// Shows a node's certificate.
    Peer,
    /// Shows a certificate of another key.
    WrongPeer,
}

/// Why someone is not to get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpectedRefusal {
    /// Who it is remains unknown: 401.
    Unknown,
    /// It is known, and may not: 403.
    Forbidden,
}

impl ExpectedRefusal {
    /// Over gRPC.
    pub(crate) fn code(self) -> Code {
        match self {
            Self::Unknown => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
        }
    }

    /// Over HTTP.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Unknown => 401,
            Self::Forbidden => 403,
        }
    }
}

impl Identity {
    pub(crate) const ALL: [Self; 11] = [
        Self::Nobody,
        Self::WrongKey,
        Self::Expired,
        Self::Revoked,
        Self::Reader,
        Self::OtherReader,
        Self::Stepper,
        Self::OtherStepper,
        Self::Operator,
        Self::Peer,
        Self::WrongPeer,
    ];

    /// Why it is not to get through, by what the table says; `None` if it is.
    pub(crate) fn refusal(self, need: &str) -> Option<ExpectedRefusal> {
        match (need.split(' ').next(), self) {
            _ if self.may(need) => None,
            (_, Self::WrongKey | Self::Expired | Self::Revoked) => Some(ExpectedRefusal::Unknown),
            // That nothing was shown is no matter where no token would do.
            (Some(role), Self::Nobody) if role != "node" => Some(ExpectedRefusal::Unknown),
            _ => Some(ExpectedRefusal::Forbidden),
        }
    }

    /// Whether it is to get through, by what the table says.
    fn may(self, need: &str) -> bool {
        let rank = |role: &str| ["read", "step", "operator"].iter().position(|known| *known == role);
        // What a call needs that names no field is for `default`; "all" is for all fields, "none" for no field.
        let (role, scope) = need.split_once(' ').unwrap_or((need, "default"));
        match (role, self) {
            ("open", _) => true,
            ("node", identity) => identity == Self::Peer,
            (_, Self::Nobody | Self::WrongKey | Self::Expired | Self::Revoked | Self::WrongPeer) => false,
            (_, Self::Peer | Self::Operator) => true,
            (_, Self::Reader) => role == "read",
            (_, Self::Stepper) => rank(role) <= rank("step"),
            (_, Self::OtherReader | Self::OtherStepper) => role == "read" && scope == "none",
        }
    }

    /// The token that it shows.
    pub(crate) fn token(self, keys: &KeyRing) -> Option<String> {
        let now_s = now_s();
        let (role, fields) = match self {
            Self::Reader => (Role::Read, None),
            Self::OtherReader => (Role::Read, Some(OTHER_FIELD)),
            Self::Stepper => (Role::Step, None),
            Self::OtherStepper => (Role::Step, Some(OTHER_FIELD)),
            _ => (Role::Operator, None),
        };
        let ring = match self {
            Self::Nobody | Self::Peer | Self::WrongPeer => return None,
            Self::WrongKey => KeyRing::from(ClusterKey::from_random([9; 32])),
            _ => keys.clone(),
        };
        let claims = TokenClaims {
            id: TokenId::from_random([self as u8; 8]),
            name: format!("{self:?}"),
            role,
            fields: fields.into_iter().map(str::to_owned).collect(),
            not_after_s: if self == Self::Expired { now_s - 1 } else { now_s + 3_600 },
            authorities: vec![Authority::derive(ring.first(), CLUSTER).hash()],
            cluster: CLUSTER.to_owned(),
        };
        Some(claims.issue(&ring).expect("a token"))
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The keys of a cluster, in a file.
pub(crate) struct Keys {
    pub(crate) ring: KeyRing,
    folder: TempDir,
}

impl Keys {
    pub(crate) fn new(seeds: &[u8]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut keys = Self { ring: ClusterKey::from_random([1; 32]).into(), folder };
        keys.write(seeds)?;
        std::fs::write(keys.revoked_path(), "Revoked\n")?;
        Ok(keys)
    }

    /// Where revoked tokens are listed.
    pub(crate) fn revoked_path(&self) -> PathBuf {
        self.folder.path().join("revoked")
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("cluster.key")
    }

    /// Writes other keys, the first of which seals and signs.
    pub(crate) fn write(&mut self, seeds: &[u8]) -> Result<()> {
        let lines: Vec<String> = seeds.iter().map(|seed| ClusterKey::from_random([*seed; 32]).to_string()).collect();
        let text = lines.join("\n");
        self.ring = KeyRing::parse(text.as_bytes())?;
        // As a mounted secret changes: by another file in its place.
        let aside = self.folder.path().join("aside");
        std::fs::write(&aside, text)?;
        Ok(std::fs::rename(&aside, self.path())?)
    }

    pub(crate) fn settings(&self, name: &str, seeds: &[std::net::SocketAddr]) -> Settings {
        let revoked_file = Some(self.revoked_path());
        let security = Security { key_file: Some(self.path()), revoked_file, ..Security::default() };
        Settings { security, gossip_interval: Duration::from_millis(50), ..settings(name, seeds) }
    }

    /// A node that accepts steps.
    pub(crate) async fn start(&self, name: &str, seeds: &[std::net::SocketAddr]) -> Result<Node> {
        let node = Node::start(self.settings(name, seeds)).await?;
        eventually("the node is ready", async || Ok(node.is_ready())).await?;
        Ok(node)
    }
}
