//! Drift of a champion's inputs, as this node knows it, and what would be in the way of a rollout.

use psi_replica::FieldName;
use psi_rollout::{
    DriftComparison, DriftEpisode, DriftState, DriftVerdict, Model, ModelName, ModelVersion, Plan, Rollout, Subject,
    VersionName,
};
use psi_state::{DriftStatus, DriftView, FieldView};

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
    let why = obstacle_of(status)?;
    Some(format!("there is no verdict on {field}: {why}; see psi-field drift show {field}"))
}

/// Why there is no verdict, in words; `None` if there is one.
fn obstacle_of(status: DriftStatus) -> Option<&'static str> {
    match status {
        DriftStatus::Off => Some("it is not watched"),
        DriftStatus::NoBaseline => Some("it has no baseline"),
        DriftStatus::Learning => Some("its baseline is not complete"),
        DriftStatus::InsufficientData => Some("the latest windows hold too few inputs"),
        DriftStatus::Stable | DriftStatus::Warning | DriftStatus::Drift => None,
    }
}

/// What is known of drift of both versions' inputs.
pub(crate) fn comparison_of(context: &NodeContext, rollout: &Rollout) -> DriftComparison {
    // Most plans ask nothing of drift.
    if rollout.plan().drift_severity().is_none() {
        return DriftComparison::default();
    }
    let state = |version: &ModelVersion| {
        let field = field_of(version.model(), version.version());
        let view = field.and_then(|field| context.read(|replica| replica.view(&field)));
        view.map_or_else(
            || DriftState { verdict: Err("it has no field".to_owned()), baseline_ms: None },
            |view| state_of(&view),
        )
    };
    DriftComparison { canary: state(rollout.canary()), champion: state(rollout.champion()) }
}

fn state_of(view: &FieldView) -> DriftState {
    let (drift, baseline) = (&view.drift, view.baseline.set());
    let ms = |second: u64| second.saturating_mul(1_000);
    let verdict = obstacle_of(drift.status).map_or_else(
        || {
            // What is not called drift is none, however far single columns are off.
            let (severity, since) = if drift.is_drift() { (drift.severity(), drift.since_second) } else { (0.0, None) };
            let until_ms = ms(drift.until_second.unwrap_or_default());
            Ok(DriftVerdict { severity, until_ms, since_ms: since.map(ms), inputs: drift.inputs })
        },
        |why| Err(why.to_owned()),
    );
    DriftState { verdict, baseline_ms: baseline.map(|baseline| baseline.clock.wall_ms) }
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

/// Why a gate could never judge a column: a version does not have it.
pub(crate) fn column_obstacle(
    context: &NodeContext,
    plan: &Plan,
    versions: &[&VersionName],
    model: &ModelName,
) -> Option<String> {
    plan.measures().iter().find_map(|measure| {
        let Subject::Column(name) = measure.subject() else { return None };
        versions.iter().find_map(|version| {
            let field = field_of(model, version)?;
            let view = context.read(|replica| replica.view(&field))?;
            view.column(name).is_none().then(|| {
                let columns = view.names.as_ref().map_or_else(
                    || {
                        format!(
                            "it has columns 0 to {}, without names",
                            view.spec.spec.setup.shape.width.saturating_sub(1)
                        )
                    },
                    |names| format!("it has {}", names.iter().collect::<Vec<_>>().join(", ")),
                );
                format!("{field} has no column `{name}`: {columns}")
            })
        })
    })
}
