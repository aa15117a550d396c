//! Specs: what a field is, and what origins repeat of it unasked.

use prost::Message;
use psi_engine::DEFINITIONS;
use psi_replica::{Origin, Version};
use psi_state::{Replica, lanes, proto as values};

use crate::compare::{
    same::same,
    subject::{ShownField, Subject, SubjectWrites},
    words::{oracle_origin, oracle_spec},
};
use crate::oracle::{
    Oracle, OracleSpec,
    components::specs::{ExpectedSpec, Specs},
};

impl Subject for Specs {
    fn compare(expected: &ExpectedSpec, shown: ShownField<'_>) -> Result<(), String> {
        same("spec", expected.spec.clone(), oracle_spec(&shown.view.spec))
    }

    fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
        let current = &shown.view.spec;
        let (spec, setup) = (&current.spec, &current.spec.setup);
        hasher.update(current.field.as_str().as_bytes()).update(setup.shape.engine.as_bytes());
        let numbers = [
            current.epoch.0,
            setup.shape.width as u64,
            u64::from(setup.shape.scale.exponent().unsigned_abs()),
            setup.shape.seed,
            setup.guardian as u64,
            spec.clock.wall_ms,
            u64::from(spec.clock.counter),
        ];
        for number in numbers.into_iter().chain(setup.parameters.iter().map(|(_, value)| value.to_bits())) {
            hasher.update(&number.to_le_bytes());
        }
    }
}

impl SubjectWrites for Specs {
    /// An origin repeats another's spec when it leaves the epochs before.
    fn check_own_entries(
        oracle: &mut Oracle,
        replica: &Replica,
        origin: &Origin,
        since: Version,
    ) -> Result<(), String> {
        for entry in replica.entries(origin).filter(|entry| entry.key.lane == lanes::SPEC && entry.version > since) {
            let field = entry.key.scope.field().map_or("", |field| field.as_str());
            let spec = values::SpecValue::decode(entry.value).map_err(|error| format!("spec of `{field}`: {error}"))?;
            let spec = written_spec(entry.key.scope.epoch().unwrap_or_default().0, &spec);
            oracle.record_repeated(oracle_origin(origin), entry.version.0, field, spec)?;
        }
        Ok(())
    }
}

fn written_spec(epoch: u64, value: &values::SpecValue) -> OracleSpec {
    OracleSpec {
        epoch,
        engine: value.engine.clone(),
        width: usize::try_from(value.width).unwrap_or(usize::MAX),
        scale_exponent: value.scale_exponent,
        seed: value.seed,
        parameters: DEFINITIONS.iter().map(|one| one.name.to_owned()).zip(value.parameters.iter().copied()).collect(),
        intervenes: value.guardian == values::GuardianMode::Intervene as i32,
        dropped: value.dropped,
        clock: value.clock.map_or((0, 0), |clock| (clock.wall_ms, clock.counter)),
    }
}
