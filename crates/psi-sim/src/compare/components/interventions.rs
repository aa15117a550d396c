//! Interventions: ν, and what origins wrote of their own.

use prost::Message;
use psi_replica::{Origin, Version};
use psi_state::{Replica, lanes, proto as values};

use crate::compare::{
    same::{same, same_numbers},
    subject::{ShownField, Subject, SubjectWrites},
    words::oracle_origin,
};
use crate::oracle::{
    Oracle, OracleAction, OracleClock, OracleMoment, OracleThreat,
    components::interventions::{ExpectedNoise, Interventions},
};

impl Subject for Interventions {
    fn compare(expected: &ExpectedNoise, ShownField { view, .. }: ShownField<'_>) -> Result<(), String> {
        same_numbers("ν", Some(&[expected.noise]), Some(&[view.interventions.noise.value()]))?;
        same("interventions", expected.count, view.interventions.counted)
    }

    fn hash(ShownField { view, .. }: ShownField<'_>, hasher: &mut blake3::Hasher) {
        hasher
            .update(&view.interventions.noise.value().to_bits().to_le_bytes())
            .update(&view.interventions.counted.to_le_bytes());
    }
}

impl SubjectWrites for Interventions {
    /// Each is one that the oracle recorded.
    fn check_own_entries(
        oracle: &mut Oracle,
        replica: &Replica,
        origin: &Origin,
        since: Version,
    ) -> Result<(), String> {
        let new =
            replica.entries(origin).filter(|entry| entry.key.lane == lanes::INTERVENTIONS && entry.version > since);
        for entry in new {
            let field = entry.key.scope.field().map_or("", |field| field.as_str());
            let value =
                values::InterventionValue::decode(entry.value).map_err(|error| format!("`{field}`: {error}"))?;
            let written = written(value);
            let expected = oracle.intervention(field, &oracle_origin(origin), written.0);
            let expected = expected.map(|(action, k, automatic)| {
                (action, k, automatic.map(|(threat, follows)| (number(threat), follows)))
            });
            same(&format!("intervention in `{field}`"), expected, Some(written.1))?;
        }
        Ok(())
    }
}

/// What was done, at which count, and for the guardian why (by number) and after which.
type WrittenIntervention = (OracleAction, u64, Option<(i32, Option<OracleMoment>)>);

fn written(value: values::InterventionValue) -> (OracleClock, WrittenIntervention) {
    let clock = value.clock.map_or((0, 0), |clock| (clock.wall_ms, clock.counter));
    let action =
        if value.action == values::Action::Nigredo as i32 { OracleAction::Nigredo } else { OracleAction::Albedo };
    let automatic = value.automatic.map(|automatic| {
        let follows = automatic.follows.and_then(|event| {
            let (clock, origin) = (event.clock?, event.origin?);
            Some(((clock.wall_ms, clock.counter), (origin.node, origin.incarnation)))
        });
        (automatic.threat, follows)
    });
    (clock, (action, value.k, automatic))
}

fn number(threat: OracleThreat) -> i32 {
    match threat {
        OracleThreat::HighPredictionError => values::Threat::HighPredictionError as i32,
        OracleThreat::LowDensity => values::Threat::LowDensity as i32,
        OracleThreat::HighEntropy => values::Threat::HighEntropy as i32,
    }
}
