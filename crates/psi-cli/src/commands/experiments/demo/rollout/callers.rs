//! The callers of the model. They compute by themselves which version answers a key, and say how each step went.

use std::collections::BTreeMap;

use psi_api::v1;
use psi_rollout::{Arm, KeyHash, Percent, RolloutId, StepKey};

use super::desk::{ModelStatus, model_status, send};
use crate::{commands::experiments::demo::stage::Actor, output::Failure};

/// Of so many steps of a version in turn, so many fail.
const FAILURES: [(&str, u64, u64); 3] = [("v1", 10, 1), ("v2", 10, 3), ("v3", 40, 1)];

/// Who answers which key, as a caller computes it without a node.
#[derive(Clone, Debug, PartialEq)]
struct Assignment {
    /// The version that answers all other keys.
    champion: String,
    /// The rollout that is under way, its share of keys, and its version.
    canary: Option<(RolloutId, Percent, String)>,
}

/// Steps of a version, and those that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StepCount {
    pub(super) steps: u64,
    pub(super) errors: u64,
}

/// What was sent, and how it was answered.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// Keys so far.
    keys: u64,
    pub(super) sent: BTreeMap<String, StepCount>,
    /// Answers whose version was compared with that of the callers.
    pub(super) compared: u64,
    /// Those that were not, since the rollout went on between the question and the answer.
    pub(super) overtaken: u64,
    /// Answers by another version than the callers computed.
    pub(super) differences: Vec<String>,
}

impl Assignment {
    fn new(status: &ModelStatus) -> Result<Self, Failure> {
        let v1::Rollout { id, canary, percent, ended, .. } = &status.rollout;
        let failed = |error: &dyn ToString| Failure::failed(error.to_string());
        let canary = if id.is_empty() || ended.is_some() {
            None
        } else {
            let id = RolloutId::new(id).map_err(|error| failed(&error))?;
            Some((id, Percent::new(*percent).map_err(|error| failed(&error))?, canary.clone()))
        };
        Ok(Self { champion: status.champion.clone(), canary })
    }

    fn version(&self, key: &str) -> &str {
        let (Some((id, percent, canary)), Ok(key)) = (&self.canary, StepKey::new(key)) else { return &self.champion };
        match KeyHash::new(id, key).arm(*percent) {
            Arm::Canary => canary,
            Arm::Champion => &self.champion,
        }
    }
}

impl Callers {
    /// So many keys that nobody has used.
    pub(super) fn new_keys(&mut self, count: u64) -> Vec<String> {
        let first = self.keys;
        self.keys += count;
        (first..self.keys).map(|number| format!("user-{number}")).collect()
    }

    /// Sends a step for each key to one node, and compares who answered; returns the versions that did.
    ///
    /// # Errors
    /// The node takes no steps.
    pub(super) async fn send(&mut self, actor: &Actor, keys: &[String]) -> Result<Vec<String>, Failure> {
        let assignment = Assignment::new(&model_status(actor).await?)?;
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for key in keys {
            groups.entry(assignment.version(key)).or_default().push(key.clone());
        }
        let (mut versions, mut wrong) = (Vec::new(), Vec::new());
        for (want, keys) in groups {
            let outcomes = self.outcomes(want, keys.len());
            let inputs = keys.iter().map(|key| input(key)).collect();
            match send(actor, inputs, keys.clone(), outcomes.clone()).await {
                Ok(steps) => {
                    for ((key, step), outcome) in keys.iter().zip(steps).zip(outcomes) {
                        self.count(&step.version, outcome.error);
                        if step.version != want {
                            wrong.push(format!("{} let {} answer {key}, and not {want}", actor.name, step.version));
                        }
                        versions.push(step.version);
                    }
                }
                // Keys of a batch that lead to two versions there.
                Err(status) if super::desk::is_about(&status, "BAD_KEY") => {
                    wrong.push(format!("{} does not let {want} answer {} keys alone", actor.name, keys.len()));
                }
                Err(status) => return Err(Failure::refused(&actor.name, &status)),
            }
        }
        let is_as_before = Assignment::new(&model_status(actor).await?)? == assignment;
        if is_as_before {
            self.compared += versions.len() as u64;
            self.differences.extend(wrong);
        } else {
            self.overtaken += keys.len() as u64;
        }
        Ok(versions)
    }

    /// How the next steps of a version go.
    fn outcomes(&self, version: &str, steps: usize) -> Vec<v1::StepOutcome> {
        let first = self.steps(version);
        let (_, of, failures) = FAILURES.into_iter().find(|(name, ..)| *name == version).unwrap_or(("", 1, 0));
        let outcome = |step: u64| {
            let latency_ms = Some(40.0 + (step % 7) as f64);
            v1::StepOutcome { error: step % of < failures, latency_ms }
        };
        (first..first + steps as u64).map(outcome).collect()
    }

    fn count(&mut self, version: &str, is_error: bool) {
        let sent = self.sent.entry(version.to_owned()).or_default();
        sent.steps += 1;
        sent.errors += u64::from(is_error);
    }

    /// Steps that a version has answered.
    pub(super) fn steps(&self, version: &str) -> u64 {
        self.sent.get(version).map_or(0, |sent| sent.steps)
    }

    /// The same as [`super::desk::counts`] of a node that has seen all.
    pub(super) fn counts(&self) -> Vec<(String, u64, u64)> {
        self.sent.iter().map(|(version, sent)| (version.clone(), sent.steps, sent.errors)).collect()
    }
}

/// What the model is asked: three numbers that depend on the key.
fn input(key: &str) -> v1::Vector {
    let number: u32 = key.bytes().map(u32::from).sum();
    v1::Vector { values: [7, 11, 13].map(|of| f64::from(number % of) / f64::from(of)).to_vec() }
}
