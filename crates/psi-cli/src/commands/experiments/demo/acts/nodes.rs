//! What the acts ask of the nodes.

use std::collections::BTreeMap;

use psi_api::v1::FieldState;
use tonic::Status;

use crate::{
    commands::experiments::demo::stage::{Actor, Stage, until},
    output::Failure,
};

pub(super) async fn step(actor: &Actor, field: &str, input: &[f64]) -> Result<(), Failure> {
    refused(actor, actor.step(field, input).await).map(|_| ())
}

pub(super) async fn state(actor: &Actor, field: &str) -> Result<FieldState, Failure> {
    refused(actor, actor.state(field).await)
}

pub(super) fn refused<T>(actor: &Actor, answer: Result<T, Status>) -> Result<T, Failure> {
    answer.map_err(|status| Failure::refused(&actor.name, &status))
}

pub(super) async fn prediction_errors(stage: &Stage, field: &str) -> Result<BTreeMap<String, f64>, Failure> {
    let mut errors = BTreeMap::new();
    for actor in &stage.actors {
        let last = state(actor, field).await?.last.unwrap_or_default();
        errors.insert(actor.name.clone(), last.prediction_error);
    }
    Ok(errors)
}

pub(super) fn spread(errors: &BTreeMap<String, f64>) -> f64 {
    let greatest = errors.values().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = errors.values().copied().fold(f64::INFINITY, f64::min);
    greatest - least
}

/// Waits until every node counts `k` steps.
pub(super) async fn settled(stage: &Stage, field: &str, k: u64) -> Result<(), Failure> {
    for actor in &stage.actors {
        until("every node has every step", async || Ok(state(actor, field).await?.k == k)).await?;
    }
    Ok(())
}

/// Waits until all frontiers are equal; returns whether the digests then are.
pub(super) async fn agree(stage: &Stage) -> Result<bool, Failure> {
    let all = async || {
        let mut agreements = Vec::new();
        for actor in &stage.actors {
            agreements.push(refused(actor, actor.agreement().await)?);
        }
        Ok::<_, Failure>(agreements)
    };
    until("all frontiers are equal", async || {
        let agreements = all().await?;
        Ok(agreements.iter().all(|(frontier, _)| *frontier == agreements[0].0))
    })
    .await?;
    let agreements = all().await?;
    Ok(agreements.iter().all(|agreement| *agreement == agreements[0]))
}
