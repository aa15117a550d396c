//! What ran, what it was asked to do, and whether both are what they were when a baseline was set.

use std::fmt;

use prost::Message;
use serde::{Deserialize, Serialize};

use crate::{
    hash::{SettingsHash, SpecHash, WorkHash, of_baseline},
    proto,
    text::list,
};

/// Longest name of a build, in bytes.
pub const BUILD_BYTES_MAX: usize = 128;

/// How much a drift matters. It depends on the phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Recorded.
    Low,
    /// Recorded, where a spec says nothing else.
    #[default]
    Medium,
    /// Blocks, unless the spec says `attestation = "warn"`.
    High,
}

/// What a node runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeAttestation {
    /// Version and commit of the program.
    pub build: String,
    /// Version of the link protocol.
    pub protocol: u32,
    /// The settings in effect.
    pub settings: SettingsHash,
    /// The spec that the node holds.
    pub spec: SpecHash,
}

/// What work was asked to be. Transitions carry its hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkOrder {
    /// What must be true in the end.
    pub requirements: String,
    /// Names of the gates that judge it.
    pub gates: Vec<String>,
    /// Names of what it must bring.
    pub artifacts: Vec<String>,
    /// What does the work.
    pub model: String,
    /// As whom.
    pub persona: String,
}

/// What a transition attests: where it ran, and the work that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attestation {
    /// The node.
    pub node: Option<NodeAttestation>,
    /// The work.
    pub work: Option<WorkHash>,
}

/// What attestations are compared with. Only a transition sets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// What nodes should run.
    pub node: Option<NodeAttestation>,
    /// What the work should be.
    pub work: Option<WorkHash>,
}

/// A baseline as it was found. That it can't be read is not that it is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BaselineState {
    /// None was set.
    #[default]
    Missing,
    /// One was set and can't be read: why.
    Corrupt(String),
    /// One was set.
    Set(Baseline),
}

/// Bytes that are no baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {bytes} bytes are no baseline, or are cut or changed; set the baseline again")]
pub struct BaselineError {
    /// How many there are.
    pub bytes: usize,
}

/// What a comparison with a baseline shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum AttestationStatus {
    /// What was attested is what the baseline says.
    Same,
    /// It is not.
    Drift {
        /// How much that matters.
        severity: Severity,
        /// What differs, in words.
        differences: Vec<String>,
    },
    /// The baseline says something that was not attested: what.
    Unattested(&'static str),
    /// There is nothing to compare with. That is not "no drift".
    MissingBaseline,
    /// What there was to compare with can't be read. That is not "no drift".
    CorruptBaseline(String),
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

impl WorkOrder {
    /// Its hash: another one for any other requirement, gate, artifact, model or persona, and for another order.
    #[must_use]
    pub fn hash(&self) -> WorkHash {
        let Self { requirements, gates, artifacts, model, persona } = self.clone();
        WorkHash::of(&proto::WorkOrder { requirements, gates, artifacts, model, persona }.encode_to_vec())
    }
}

impl NodeAttestation {
    /// Whether it fits into a record.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        (1..=BUILD_BYTES_MAX).contains(&self.build.len()) && !self.build.chars().any(char::is_control)
    }

    pub(crate) fn message(&self) -> proto::NodeAttestation {
        let (settings, spec) = (self.settings.as_bytes().to_vec(), self.spec.as_bytes().to_vec());
        proto::NodeAttestation { build: self.build.clone(), protocol: self.protocol, settings, spec }
    }

    pub(crate) fn read(message: proto::NodeAttestation) -> Option<Self> {
        let proto::NodeAttestation { build, protocol, settings, spec } = message;
        let (settings, spec) = (SettingsHash::from_slice(&settings)?, SpecHash::from_slice(&spec)?);
        Some(Self { build, protocol, settings, spec }).filter(Self::is_sound)
    }

    /// What differs from another, in words.
    fn differences(&self, baseline: &Self) -> Vec<String> {
        let pairs = [
            ("build", self.build.clone(), baseline.build.clone()),
            ("protocol", self.protocol.to_string(), baseline.protocol.to_string()),
            ("settings", self.settings.to_string(), baseline.settings.to_string()),
            ("spec", self.spec.to_string(), baseline.spec.to_string()),
        ];
        let differs = pairs.into_iter().filter(|(_, is, was)| is != was);
        differs.map(|(what, is, was)| format!("{what} is {is}, and was {was}")).collect()
    }
}

impl Attestation {
    pub(crate) fn message(&self) -> proto::Attestation {
        let (node, work) = messages(self.node.as_ref(), self.work.as_ref());
        proto::Attestation { node, work }
    }

    pub(crate) fn read(message: proto::Attestation) -> Option<Self> {
        let (node, work) = read(message.node, &message.work)?;
        Some(Self { node, work })
    }
}

impl Baseline {
    /// Its bytes, to keep: a hash, then what it says.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let message = self.message().encode_to_vec();
        [&of_baseline(&message)[..], &message].concat()
    }

    /// Reads a baseline.
    ///
    /// # Errors
    /// The bytes are none, were cut or changed, or say nothing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BaselineError> {
        let message = bytes.split_at_checked(32).and_then(|(_, message)| proto::Baseline::decode(message).ok());
        let is_whole = |baseline: &Self| baseline.to_bytes() == bytes;
        message.and_then(Self::read).filter(is_whole).ok_or(BaselineError { bytes: bytes.len() })
    }

    /// Compares what was attested with it.
    pub fn compare(&self, attested: &Attestation, severity: Severity) -> AttestationStatus {
        let mut differences = Vec::new();
        if let Some(baseline) = &self.node {
            let Some(node) = &attested.node else { return AttestationStatus::Unattested("what its node runs") };
            differences.extend(node.differences(baseline));
        }
        if let Some(baseline) = &self.work {
            let Some(work) = &attested.work else { return AttestationStatus::Unattested("what it was asked to do") };
            differences.extend((work != baseline).then(|| format!("work is {work}, and was {baseline}")));
        }
        match (differences.is_empty(), self.is_empty()) {
            (_, true) => AttestationStatus::MissingBaseline,
            (true, false) => AttestationStatus::Same,
            (false, false) => AttestationStatus::Drift { severity, differences },
        }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.node.is_none() && self.work.is_none()
    }

    pub(crate) fn message(&self) -> proto::Baseline {
        let (node, work) = messages(self.node.as_ref(), self.work.as_ref());
        proto::Baseline { node, work }
    }

    pub(crate) fn read(message: proto::Baseline) -> Option<Self> {
        let (node, work) = read(message.node, &message.work)?;
        Some(Self { node, work }).filter(|baseline| !baseline.is_empty())
    }
}

fn messages(node: Option<&NodeAttestation>, work: Option<&WorkHash>) -> (Option<proto::NodeAttestation>, Vec<u8>) {
    (node.map(NodeAttestation::message), work.map(|work| work.as_bytes().to_vec()).unwrap_or_default())
}

fn read(node: Option<proto::NodeAttestation>, work: &[u8]) -> Option<(Option<NodeAttestation>, Option<WorkHash>)> {
    let node = match node {
        None => None,
        Some(node) => Some(NodeAttestation::read(node)?),
    };
    let work = if work.is_empty() { None } else { Some(WorkHash::from_slice(work)?) };
    Some((node, work))
}

impl BaselineState {
    /// What is kept of a baseline, read: nothing is missing, and what can't be read is corrupt.
    #[must_use]
    pub fn read(kept: Option<&[u8]>) -> Self {
        match kept.map(Baseline::from_bytes) {
            None => Self::Missing,
            Some(Ok(baseline)) => Self::Set(baseline),
            Some(Err(error)) => Self::Corrupt(error.to_string()),
        }
    }

    /// Compares what was attested with it.
    pub fn compare(&self, attested: &Attestation, severity: Severity) -> AttestationStatus {
        match self {
            Self::Missing => AttestationStatus::MissingBaseline,
            Self::Corrupt(why) => AttestationStatus::CorruptBaseline(why.clone()),
            Self::Set(baseline) => baseline.compare(attested, severity),
        }
    }
}

impl fmt::Display for AttestationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("as the baseline"),
            Self::Drift { severity, differences } => write!(f, "drift of {severity} severity: {}", list(differences)),
            Self::Unattested(what) => write!(f, "the baseline says {what}, and that was not attested"),
            Self::MissingBaseline => f.write_str("no baseline was set, so drift can't be excluded; set one"),
            Self::CorruptBaseline(why) => write!(f, "the baseline can't be read: {why}"),
        }
    }
}
