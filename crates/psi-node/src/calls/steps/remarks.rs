//! What a call says of its steps: which version is to answer, about whom they are, and how they went.

use std::{collections::BTreeSet, sync::Arc};

use psi_api::Cause;
use psi_replica::FieldName;
use psi_rollout::{
    KeyError, KeyHash, Latency, Measure, ModelName, ModelVersion, NameError, Outcome, StepKey, VersionName, WindowTag,
};
use psi_state::OutcomeReport;
use tonic::Code;

use super::inputs::{Inputs, Remarks, RequestedOutcome, StepCall};
use crate::{calls::ops::Ops, governance::rollout::facts::window_of};

/// The steps of a call, checked as far as that can be done without the replica.
#[derive(Debug)]
pub(crate) struct CheckedSteps {
    pub(crate) inputs: Inputs,
    /// How each went; empty where nobody says so.
    pub(crate) reports: Vec<Option<OutcomeReport>>,
}

impl Ops {
    /// The field that is to answer, and how the steps went.
    pub(super) fn check_steps(&self, call: &StepCall) -> Result<(FieldName, Vec<Option<OutcomeReport>>), Cause> {
        let field = match &call.version {
            None => {
                let named = self.field_name(&call.field)?;
                self.assigned(&call.field, &call.remarks.keys)?
                    .map_or(Ok(named), |version| self.field_name(&version))?
            }
            Some(version) => self.field_name(&field_of(&call.field, version)?)?,
        };
        let reports = self.reports_of(&field, call)?;
        Ok((field, reports))
    }

    fn reports_of(&self, field: &FieldName, call: &StepCall) -> Result<Vec<Option<OutcomeReport>>, Cause> {
        let (Remarks { keys, outcomes }, inputs) = (&call.remarks, &call.inputs);
        let steps = inputs.len();
        for (what, got) in [("keys", keys.len()), ("outcomes", outcomes.len())] {
            if got != 0 && got != steps {
                return Err(wrong_number(what, got, steps));
            }
        }
        let checked: Result<Vec<StepKey<'_>>, _> = keys.iter().map(|key| StepKey::new(key)).collect();
        let keys = checked.map_err(|error| Cause::from(&error))?;
        if outcomes.is_empty() && keys.is_empty() {
            return Ok(Vec::new());
        }
        let version: Result<ModelVersion, NameError> = field.as_str().parse();
        let version = match version {
            Ok(version) => version,
            Err(_) if outcomes.is_empty() => return Ok(Vec::new()),
            Err(error) => return Err(without_version(field, &error)),
        };
        // What went to the champion for want of a key was not dealt by chance: it would be compared with what was.
        let is_dealt = !keys.is_empty() || call.version.is_some() || call.field.contains('@');
        let window = self.window_of(&version).filter(|_| is_dealt);
        let (window, measures) = window.map_or_else(|| (None, [].into()), |(tag, measures)| (Some(tag), measures));
        // What is stepped by a version's name alone, such as a backfill, counts in one version and not in the other.
        let measures = if keys.is_empty() { [].into() } else { measures };
        // Nobody says how steps went, and nothing is measured of them.
        if outcomes.is_empty() && measures.is_empty() {
            return Ok(Vec::new());
        }
        let keys = keys.into_iter().map(Some).chain(std::iter::repeat(None));
        let outcomes = outcomes.iter().map(Some).chain(std::iter::repeat(None));
        let given = inputs.iter().zip(keys.zip(outcomes));
        let report = |(input, (key, outcome)): (&Vec<f64>, (Option<StepKey<'_>>, Option<&RequestedOutcome>))| {
            let outcome = outcome.copied().map(outcome_of).transpose()?;
            let window =
                window.clone().map(|tag| (bucket_of(&tag, key, input), tag)).map(|(bucket, tag)| (tag, bucket));
            Ok(Some(OutcomeReport { outcome, window, measures: measures.clone() }))
        };
        given.map(report).collect()
    }

    /// The version that answers steps of a model that name none: by their keys, while one is rolled out. `None` where the
    /// name is that of a field, or of a model without a champion.
    fn assigned(&self, model: &str, keys: &[String]) -> Result<Option<String>, Cause> {
        let model = if model.is_empty() { psi_replica::DEFAULT_FIELD } else { model };
        let Some(known) = self.context.models.get(model) else { return Ok(None) };
        let led_to = |key: &String| Ok(known.model.version_for(Some(StepKey::new(key)?)));
        let versions: Result<BTreeSet<Option<&VersionName>>, KeyError> = keys.iter().map(led_to).collect();
        let mut versions = versions.map_err(|error| Cause::from(&error))?;
        if keys.is_empty() {
            versions.insert(known.model.version_for(None));
        }
        match (versions.pop_first().flatten(), versions.first()) {
            (Some(one), Some(Some(other))) => Err(several_versions(one, other)),
            (version, _) => Ok(version.map(|version| format!("{model}@{version}"))),
        }
    }

    /// The window of the rollout that a version takes part in, as champion or as canary, and what its gates measure.
    fn window_of(&self, version: &ModelVersion) -> Option<(WindowTag, Arc<[Measure]>)> {
        let known = self.context.models.get(version.model().as_str())?;
        let rollout = known.model.active()?;
        let takes_part = [rollout.champion(), rollout.canary()].contains(&version);
        let tag = window_of(&known.model, rollout).filter(|_| takes_part)?;
        Some((tag, rollout.plan().measures().clone()))
    }
}

/// The bucket that a step counts in. One without a key counts by its input, so that it does not matter where it was sent.
fn bucket_of(tag: &WindowTag, key: Option<StepKey<'_>>, input: &[f64]) -> u8 {
    key.map_or_else(
        || {
            let mut hasher = blake3::Hasher::new();
            for number in input {
                hasher.update(&number.to_le_bytes());
            }
            hasher.finalize().as_bytes()[0] % 64
        },
        |key| KeyHash::new(&tag.rollout, key).bucket(),
    )
}

fn several_versions(one: &VersionName, other: &VersionName) -> Cause {
    let message = format!(
        "the keys of the batch lead to versions {one} and {other}; name the version, or send steps of one version at a time"
    );
    Cause::new(Code::InvalidArgument, "BAD_KEY", message)
}

/// The field of a version of a model; of `default` where no model is named.
fn field_of(model: &str, version: &str) -> Result<String, Cause> {
    let model = if model.is_empty() { psi_replica::DEFAULT_FIELD } else { model };
    let named = || ModelVersion::new(ModelName::new(model)?, VersionName::new(version)?);
    named().map(|named| named.to_string()).map_err(|error| Cause::from(&error))
}

fn outcome_of(RequestedOutcome { error, latency_ms }: RequestedOutcome) -> Result<Outcome, Cause> {
    let latency = latency_ms.map(Latency::from_ms).transpose().map_err(|error| Cause::from(&error))?;
    Ok(Outcome { error, latency })
}

fn wrong_number(what: &'static str, got: usize, steps: usize) -> Cause {
    let message = format!("{got} {what} were given for {steps} steps; give one for each, or none");
    Cause::new(Code::InvalidArgument, "BAD_OUTCOME", message).with("what", what).with("got", got).with("want", steps)
}

fn without_version(field: &FieldName, error: &NameError) -> Cause {
    let message = format!("an outcome counts for a version, and {error}; name the version, or leave the outcome out");
    Cause::new(Code::InvalidArgument, "BAD_OUTCOME", message).with("field", field)
}
