//! What a node would hold that has known many origins: a snapshot, made in this process by as many replicas.

use std::time::{SystemTime, UNIX_EPOCH};

use psi_engine::Parameters;
use psi_replica::{ClusterName, Config, FieldName, NodeId, Now, Origin, TickMs, WallMs};
use psi_state::{Replica, Shape};

use super::{process::CLUSTER, rig};
use crate::error::BenchError;

/// Steps of each origin.
const STEPS: usize = 10;
/// Milliseconds from a replica's beginning to its steps: it has joined by then, and flushes after them.
const BETWEEN_MS: u64 = 20;

/// Bytes of a snapshot in which `count` origins have taken ten steps each in the field that is stepped.
///
/// # Errors
/// If it can't be made, which is a bug.
pub(crate) fn snapshot(count: u32) -> Result<Vec<u8>, BenchError> {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let begun_ms = u64::try_from(begun.as_millis()).unwrap_or(u64::MAX);
    let at = |tick: u64| Now { tick: TickMs(tick), wall: WallMs(begun_ms + tick) };
    let vectors = rig::vectors();
    let field = FieldName::new(rig::FIELD).map_err(|error| bug(&error))?;

    // Replicas take their first steps from what the first one holds: the field, and nothing else.
    let mut first = Replica::new(config(0)?, at(0));
    first.tick(at(0));
    let shape = Shape { width: rig::WIDTH, ..Shape::default() };
    first.create_field(at(0), &field, (shape, Parameters::default())).map_err(|error| bug(&error))?;
    first.flush();
    let beginning = first.snapshot();

    let mut origins = Vec::new();
    for number in 0..count {
        let mut replica = match number {
            0 => std::mem::replace(&mut first, Replica::new(config(0)?, at(0))),
            _ => Replica::restore(config(number)?, at(0), &beginning).map_err(|error| bug(&error))?,
        };
        replica.tick(at(BETWEEN_MS));
        let steps: Vec<&[f64]> = vectors.iter().cycle().skip(number as usize).take(STEPS).map(Vec::as_slice).collect();
        replica.step_batch(at(BETWEEN_MS), &field, &steps).map_err(|error| bug(&error))?;
        replica.flush();
        let origin = replica.origin().cloned().ok_or_else(|| bug(&"a replica did not join"))?;
        origins.push((origin, replica));
    }
    encode(origins)
}

/// What each replica holds of its own origin, in the order of origins.
fn encode(mut origins: Vec<(Origin, Replica)>) -> Result<Vec<u8>, BenchError> {
    origins.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (_, any) = origins.first().ok_or_else(|| bug(&"there are no origins"))?;
    let (mut encoder, mut bytes) = any.begin_snapshot();
    for (origin, replica) in &origins {
        let mut frozen = replica.freeze(origin).ok_or_else(|| bug(&"a replica wrote nothing"))?;
        while let Some(part) = encoder.origin_part(&mut frozen) {
            bytes.extend(part);
        }
    }
    bytes.extend(encoder.end());
    Ok(bytes)
}

fn config(number: u32) -> Result<Config, BenchError> {
    let cluster = ClusterName::new(CLUSTER).map_err(|error| bug(&error))?;
    let node = NodeId::new(&format!("origin-{number}")).map_err(|error| bug(&error))?;
    Ok(Config { join_ms: 0, ..Config::new(cluster, node) })
}

fn bug(error: &dyn std::fmt::Display) -> BenchError {
    BenchError::failed(format!("making a snapshot: {error}; this is a bug"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_the_steps_of_all_origins_in_one_field() {
        const COUNT: u32 = 12;
        let now = Now { tick: TickMs(0), wall: WallMs(1_750_000_000_000) };
        let restored = Replica::restore(config(COUNT).unwrap(), now, &snapshot(COUNT).unwrap()).unwrap();
        let view = restored.view(&FieldName::new(rig::FIELD).unwrap()).unwrap();
        assert_eq!((restored.frontier().iter().count(), view.moments.count), (12, 120));
    }
}
