//! Accepted writes, as the oracle keeps them: a list, in the order in which they were accepted anywhere.

use super::words::{OracleAction, OracleAnswer, OracleClock, OracleMoment, OracleOrigin, OracleSpec, OracleThreat};

/// Who wrote something, at which version and when.
pub type Stamp = (OracleOrigin, u64, OracleClock);

/// All that was written of one kind to one field, or to the cluster.
pub(crate) type Log<T> = Vec<Record<T>>;

/// An accepted write.
#[derive(Clone, Debug)]
pub struct Record<T> {
    pub(super) origin: OracleOrigin,
    pub(super) version: u64,
    pub(super) clock: OracleClock,
    /// Stands for the origin.
    pub(super) number: usize,
    /// Of the field, when it was written.
    pub(super) epoch: u64,
    pub(super) what: T,
}

impl<T> Record<T> {
    pub(super) fn moment(&self) -> OracleMoment {
        (self.clock, self.origin.clone())
    }

    /// The order of events.
    pub(super) fn place(&self) -> (OracleClock, &OracleOrigin) {
        (self.clock, &self.origin)
    }

    /// The wall second in which it was written.
    pub(super) fn second(&self) -> u64 {
        self.clock.0 / 1000
    }

    /// Whether it comes after a moment; all does where there is none.
    pub(super) fn is_after(&self, moment: Option<&OracleMoment>) -> bool {
        moment.is_none_or(|(clock, origin)| (*clock, origin) < self.place())
    }

    /// Another record of the same write.
    pub(super) fn with<U>(&self, what: U) -> Record<U> {
        let Self { origin, version, clock, number, epoch, .. } = self;
        Record { origin: origin.clone(), version: *version, clock: *clock, number: *number, epoch: *epoch, what }
    }
}

/// A step, as many components look at it.
#[derive(Clone, Debug)]
pub struct StepRecord {
    pub(super) input: Vec<f64>,
    pub(super) answer: OracleAnswer,
    /// What the guardian intervened for, if it did.
    pub(super) intervened: Option<OracleThreat>,
}

/// An intervention.
#[derive(Clone, Debug, PartialEq)]
pub struct InterventionRecord {
    pub(super) action: OracleAction,
    pub(super) k: u64,
    /// Of one by the guardian: why, and the latest that counted where it was written.
    pub(super) automatic: Option<(OracleThreat, Option<OracleMoment>)>,
}

/// The logs that more than one component reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedLogs<'a> {
    pub(super) steps: &'a [Record<StepRecord>],
    pub(super) interventions: &'a [Record<InterventionRecord>],
    pub(super) specs: &'a [Record<OracleSpec>],
}
