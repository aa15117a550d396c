//! From the words of the code under test to the oracle's.

use psi_engine::{Action, Parameters, guardian};
use psi_replica::{Clock, Origin};
use psi_state::{CurrentSpec, Replica};

use crate::oracle::{
    Oracle, OracleAction, OracleClock, OracleFrontier, OracleOrigin, OracleParameters, OracleSpec, OracleThreat,
};

/// An origin as the oracle names it.
#[must_use]
pub fn oracle_origin(origin: &Origin) -> OracleOrigin {
    (origin.node.to_string(), origin.incarnation)
}

/// A clock as the oracle has it.
#[must_use]
pub fn oracle_clock(clock: Clock) -> OracleClock {
    (clock.wall_ms, clock.counter)
}

/// A spec as the oracle keeps it.
#[must_use]
pub fn oracle_spec(current: &CurrentSpec) -> OracleSpec {
    let spec = &current.spec;
    OracleSpec {
        epoch: current.epoch.0,
        engine: spec.setup.shape.engine.clone(),
        width: spec.setup.shape.width,
        scale_exponent: spec.setup.shape.scale.exponent(),
        seed: spec.setup.shape.seed,
        parameters: oracle_parameters(&spec.setup.parameters),
        intervenes: spec.setup.guardian == guardian::Mode::Intervene,
        dropped: spec.dropped,
        clock: oracle_clock(spec.clock),
    }
}

/// What a replica holds, by origin.
#[must_use]
pub fn oracle_frontier(replica: &Replica) -> OracleFrontier {
    replica.frontier().iter().map(|(origin, version)| (oracle_origin(origin), version.0)).collect()
}

/// An oracle of a cluster of replicas of this build, to which nothing was written.
#[must_use]
pub fn empty_oracle() -> Oracle {
    Oracle::new(oracle_parameters(&Parameters::default()))
}

fn oracle_parameters(parameters: &Parameters) -> OracleParameters {
    parameters.iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An action as the oracle names it.
#[must_use]
pub fn oracle_action(action: Action) -> OracleAction {
    match action {
        Action::Nigredo => OracleAction::Nigredo,
        Action::Albedo => OracleAction::Albedo,
    }
}

/// A threat as the oracle names it.
pub(super) fn oracle_threat(threat: guardian::Threat) -> OracleThreat {
    match threat {
        guardian::Threat::HighPredictionError => OracleThreat::HighPredictionError,
        guardian::Threat::LowDensity => OracleThreat::LowDensity,
        guardian::Threat::HighEntropy => OracleThreat::HighEntropy,
    }
}
