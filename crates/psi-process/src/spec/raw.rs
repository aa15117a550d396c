//! A spec as it is written, and what is checked of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    definition::Spec,
    error::{self, PartResult, Path, PathStep, SpecFault, check_range},
    key::TrustedKey,
    limits::{GATES_MAX, KEYS_MAX, PHASES_MAX, RETAIN_DAYS},
    phase::Phase,
    terms::{Decision, DriftReaction, LeaseTerms, Mode},
};
use crate::{
    attestation::Severity,
    hash::{PhaseHash, SpecHash},
    name::Name,
};

mod gate;

use gate::RawGate;

/// A spec as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSpec {
    name: Name,
    #[serde(default)]
    decide: Decision,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    attestation: DriftReaction,
    #[serde(default = "retain_days")]
    retain_days: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseTerms>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    keys: BTreeMap<Name, TrustedKey>,
    phases: Vec<RawPhase>,
}

/// A phase as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPhase {
    name: Name,
    #[serde(default)]
    severity: Severity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_fail: Option<Name>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gates: Vec<RawGate>,
}

fn retain_days() -> u32 {
    RETAIN_DAYS
}

impl RawSpec {
    /// The spec, if nothing is wrong with it.
    pub(super) fn check(mut self) -> PartResult<Spec> {
        let at = |key| vec![PathStep::Key(key)];
        self.check_terms()?;
        match self.phases.len() {
            0 => return Err((Path::new(), SpecFault::NoPhases)),
            count if count > PHASES_MAX => return Err((at("phases"), SpecFault::PhaseCount(count))),
            _ => {}
        }
        let mut phases = Vec::new();
        for (index, raw) in self.phases.iter_mut().enumerate() {
            let path = [PathStep::Key("phases"), PathStep::Index(index)];
            let phase = raw.check(&phases, &self.keys);
            phases.push(phase.map_err(|(inner, fault)| ([&path[..], &inner].concat(), fault))?);
        }
        let canonical = serde_json::to_vec(&self).expect("names, numbers and texts can be written as JSON");
        let hash = SpecHash::of(&canonical);
        for phase in &mut phases {
            phase.hash = PhaseHash::of(&hash, phase.name.as_str());
        }
        let Self { name, decide, mode, attestation, retain_days, lease, keys, .. } = self;
        Ok(Spec { name, decide, mode, attestation, retain_days, lease, keys, phases, canonical, hash })
    }

    fn check_terms(&self) -> PartResult<()> {
        let at = |keys: &[&'static str]| keys.iter().copied().map(PathStep::Key).collect::<Path>();
        let range = |keys: &[&'static str], got: u32, (min, max)| {
            let member = keys.last().copied().unwrap_or_default();
            check_range(member, got.into(), min, max).map_err(|fault| (at(keys), fault))
        };
        range(&["retain_days"], self.retain_days, error::RETAIN)?;
        if self.keys.len() > KEYS_MAX {
            return Err((at(&["keys"]), SpecFault::KeyCount(self.keys.len())));
        }
        let Some(lease) = self.lease else { return Ok(()) };
        if self.decide == Decision::Fold {
            return Err((at(&["lease"]), SpecFault::LeaseWithoutQuorum));
        }
        range(&["lease", "seconds"], lease.seconds, error::LEASE_SECONDS)?;
        range(&["lease", "renewals_max"], lease.renewals_max, error::LEASE_RENEWALS)
    }
}

impl RawPhase {
    /// The phase, if nothing is wrong with it.
    fn check(&mut self, earlier: &[Phase], keys: &BTreeMap<Name, TrustedKey>) -> PartResult<Phase> {
        let at = |key| vec![PathStep::Key(key)];
        let name = self.name.clone();
        if earlier.iter().any(|phase| phase.name == name) {
            return Err((at("name"), SpecFault::DuplicatePhase(name)));
        }
        if let Some(to) = self.on_fail.as_ref().filter(|to| earlier.iter().all(|phase| phase.name != **to)) {
            let earlier = earlier.iter().map(|phase| phase.name.clone()).collect();
            return Err((at("on_fail"), SpecFault::OnFail { phase: name, to: to.clone(), earlier }));
        }
        if self.gates.len() > GATES_MAX {
            return Err((at("gates"), SpecFault::GateCount { phase: name, count: self.gates.len() }));
        }
        let (mut names, mut gates) = (BTreeSet::new(), Vec::new());
        for (index, raw) in self.gates.iter_mut().enumerate() {
            let path = |key| vec![PathStep::Key("gates"), PathStep::Index(index), PathStep::Key(key)];
            let gate = raw.check(keys).map_err(|(key, fault)| (path(key), fault))?;
            if !names.insert(gate.name.clone()) {
                return Err((path("name"), SpecFault::DuplicateGate(gate.name)));
            }
            gates.push(gate);
        }
        // The hash follows when that of the spec is known.
        let hash = PhaseHash::from_bytes([0; 32]);
        Ok(Phase { name, severity: self.severity, on_fail: self.on_fail.clone(), gates, hash })
    }
}
