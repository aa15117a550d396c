//! Drift of a champion's inputs, as this node knows it, and what would be in the way of a rollout.

use psi_replica::FieldName;
use psi_rollout::{DriftEpisode, Model, ModelName, VersionName};
use psi_state::{DriftStatus, DriftView};

use crate::node::context::NodeContext;

/// Drift that the field of the champion shows now.
pub(crate) fn episode_of(context: &NodeContext, model: &Model) -> Option<DriftEpisode> {
    let champion = model.champion()?;
    let drift = context.read(|replica| replica.view(&field_of(model.name(), champion)?).map(|view| view.drift))?;
    episode(champion, &drift)
}

/// How severe that is, 0 to 1; 0 where nothing is known.
pub(crate) fn severity_of(context: &NodeContext, model: &Model) -> f64 {
    let episode = episode_of(context, model);
    episode.map_or(0.0, |episode| f64::from(episode.severity) / 1_000.0)
}

/// Why there is no verdict on the champion's inputs, in words; `None` if there is one.
pub(crate) fn no_verdict(context: &NodeContext, model: &Model) -> Option<String> {
    let field = field_of(model.name(), model.champion()?)?;
    let status = context.read(|replica| replica.view(&field).map(|view| view.drift.status))?;
    let why = match status {
        DriftStatus::Off => "it is not watched",
        DriftStatus::NoBaseline => "it has no baseline",
        DriftStatus::Learning => "its baseline is not complete",
        DriftStatus::InsufficientData => "the latest windows hold too few inputs",
        DriftStatus::Stable | DriftStatus::Warning | DriftStatus::Drift => return None,
    };
    Some(format!("there is no verdict on {field}: {why}; see psi-field drift show {field}"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1,000")]
fn episode(champion: &VersionName, drift: &DriftView) -> Option<DriftEpisode> {
    let since_second = drift.since_second.filter(|_| drift.is_drift())?;
    // Not rounded up, so that nothing follows from less than the least.
    let severity = (drift.severity().clamp(0.0, 1.0) * 1_000.0) as u16;
    Some(DriftEpisode { version: champion.clone(), since_second, severity })
}

fn field_of(model: &ModelName, version: &VersionName) -> Option<FieldName> {
    FieldName::new(&format!("{model}@{version}")).ok()
}

/// Why a version could not answer: steps would be lost that go to it.
pub(crate) fn field_obstacle(context: &NodeContext, model: &ModelName, version: &VersionName) -> Option<String> {
    let (versions, has_plain) = context.read(|replica| {
        let plain = FieldName::new(model.as_str()).ok();
        (replica.versions(model), plain.is_some_and(|plain| replica.field_names().any(|field| field == plain)))
    });
    if versions.iter().all(|(known, _)| known != version) {
        Some(format!("{model}@{version} has no field; make it: psi-field field create {model}@{version} --width WIDTH"))
    } else if has_plain {
        Some(format!("field {model} exists, and its steps would go to a version; drop it, or name the model otherwise"))
    } else {
        None
    }
}
