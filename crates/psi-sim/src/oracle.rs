//! The oracle: what replicas must show, worked out the slow and obvious way.
//!
//! Every accepted write is kept in a list. What a replica shows is then a question about that list: which writes does
//! its frontier cover, and what do they come to? Inputs become whole numbers and averages become fractions, both of any
//! size, and each answer is rounded once. Nothing here is incremental, nothing is merged, and nothing is shared with the
//! code under test: no file of this folder imports one of its crates (a test holds that). Held against a real replica in
//! `compare/`.
//!
//! It mirrors the components of the replicated state: each is one file in `components/` and one row in `components.rs`.
//!
//! Left out: digests, the scores and vectors of the engine that learns (for these replicas are held against each other),
//! and fields whose shape two nodes dispute, see [`components::specs::ExpectedSpec::is_disputed`].

mod arithmetic;
mod component;
pub mod components;
mod horizon;
mod known;
mod records;
mod registry;
pub(crate) mod rollouts;
mod words;

use std::collections::BTreeMap;

pub(crate) use self::registry::SIGHTS;
pub use self::{
    component::{Component, NoWrite, OwnRecords, Scope, Sights},
    records::{InterventionRecord, Stamp, StepRecord},
    registry::{ClusterWrite, ExpectedCluster, ExpectedField, FieldWrite},
    words::{
        ORACLE_METRICS, OracleAction, OracleAnswer, OracleClock, OracleFrontier, OracleMoment, OracleOrigin,
        OracleParameters, OracleSpec, OracleThreat, StepWrite,
    },
};
use self::{
    components::{
        drift::{self, DriftEntry},
        interventions::CountedEvents,
        moments, specs, tally,
    },
    horizon::Horizon,
    known::Knowledge,
    records::Record,
    registry::{ClusterLogs, FieldLogs},
};
use crate::report::markers::Marker;

/// Every accepted write of a cluster.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// The spec of `default` before anybody wrote one.
    implicit: OracleSpec,
    fields: BTreeMap<String, FieldLogs>,
    cluster: ClusterLogs,
    /// Numbers that stand for the origins.
    origins: BTreeMap<OracleOrigin, usize>,
    /// What was come by when writes were recorded.
    pub sights: Sights,
}

impl Default for Oracle {
    /// A cluster in which nothing was written, and `default` has no parameters.
    fn default() -> Self {
        Self::new(OracleParameters::new())
    }
}

impl Oracle {
    /// A cluster in which nothing was written, and `default` has the given parameters.
    #[must_use]
    pub fn new(parameters: OracleParameters) -> Self {
        Self {
            implicit: OracleSpec::implicit(parameters),
            fields: BTreeMap::from([(DEFAULT.to_owned(), FieldLogs::default())]),
            cluster: ClusterLogs::default(),
            origins: BTreeMap::new(),
            sights: Sights::new(),
        }
    }

    /// Keeps an accepted write to a field in one of its epochs, by an origin that had `seen` so much of the others.
    ///
    /// # Errors
    /// If something else was answered or done than had to be.
    pub fn record(
        &mut self,
        stamp: Stamp,
        seen: &OracleFrontier,
        (field, epoch): (&str, u64),
        write: FieldWrite,
    ) -> Result<(), String> {
        let (by, horizon) = self.writer(stamp, seen, epoch);
        let logs = self.fields.entry(field.to_owned()).or_default();
        logs.record(&by, (&horizon, Some(&self.implicit)), write, &mut self.sights)
    }

    /// Keeps an accepted write to the cluster, by an origin that had `seen` so much of the others.
    pub fn record_cluster(&mut self, stamp: Stamp, seen: &OracleFrontier, write: ClusterWrite) {
        let (by, horizon) = self.writer(stamp, seen, 0);
        self.cluster.record(&by, &horizon, write, &mut self.sights);
    }

    /// Who writes, and what it knew.
    fn writer(&mut self, (origin, version, clock): Stamp, seen: &OracleFrontier, epoch: u64) -> (Record<()>, Horizon) {
        let number = self.number(&origin);
        let horizon = Horizon::before(seen, &self.origins, number, clock);
        (Record { origin, version, clock, number, epoch, what: () }, horizon)
    }

    fn number(&mut self, origin: &OracleOrigin) -> usize {
        let next = self.origins.len();
        *self.origins.entry(origin.clone()).or_insert(next)
    }

    /// Keeps a spec that an origin wrote without being asked, as it does when it leaves older epochs.
    ///
    /// # Errors
    /// If nobody was asked for such a spec.
    pub fn record_repeated(
        &mut self,
        origin: OracleOrigin,
        version: u64,
        field: &str,
        spec: OracleSpec,
    ) -> Result<(), String> {
        let number = self.number(&origin);
        let logs = self.fields.entry(field.to_owned()).or_default();
        specs::record_repeated(&mut logs.specs, (origin, version), number, spec)
            .map_err(|what| format!("`{field}`: {what}"))
    }

    /// Keeps what an origin wrote of drift in an epoch of a field, without being asked or as it was asked.
    ///
    /// # Errors
    /// If it is not what its inputs come to.
    pub fn record_drift(&mut self, stamp: Stamp, (field, epoch): (&str, u64), entry: DriftEntry) -> Result<(), String> {
        let (by, _) = self.writer(stamp, &OracleFrontier::new(), epoch);
        let logs = self.fields.entry(field.to_owned()).or_default();
        drift::record_entry(&mut logs.drift, &by.with(entry)).map_err(|what| format!("`{field}`: {what}"))
    }

    /// What a step must be answered by an origin that had `seen` so much of the others.
    #[must_use]
    pub fn expect_answer(
        &self,
        (origin, clock): (&OracleOrigin, OracleClock),
        seen: &OracleFrontier,
        (field, epoch): (&str, u64),
        input: &[f64],
    ) -> Option<ExpectedAnswer> {
        let number = self.origins.get(origin).copied().unwrap_or(usize::MAX);
        let horizon = Horizon::before(seen, &self.origins, number, clock);
        let known = Knowledge::of_epoch(&horizon, self.fields.get(field)?.shared(), epoch, Some(&self.implicit));
        let spec = known.spec?;
        let before = moments::inputs(&known, spec);
        Some(ExpectedAnswer {
            spec: spec.clone(),
            actions: CountedEvents::of(&known).counting.iter().map(|event| event.what.action).collect(),
            k: before.count + 1,
            novelty: before.distance(input),
            time: known.learning_spec().map(|_| tally::time(&known)),
        })
    }

    /// Interventions of an origin that were recorded with this clock: what was done at which count, and for the guardian
    /// why and after which.
    #[must_use]
    pub fn intervention(&self, field: &str, origin: &OracleOrigin, clock: OracleClock) -> Option<OracleIntervention> {
        let held = &self.fields.get(field)?.interventions;
        let found = held.iter().find(|held| held.clock == clock && held.origin == *origin)?;
        let InterventionRecord { action, k, automatic } = &found.what;
        Some((*action, *k, automatic.clone()))
    }

    /// What a replica with this frontier must show once it has flushed.
    #[must_use]
    pub fn expect(&self, frontier: &OracleFrontier) -> ExpectedViews {
        let horizon = Horizon::of(frontier, &self.origins);
        let fields = self.fields.iter().filter_map(|(name, logs)| {
            let implicit = (name == DEFAULT).then_some(&self.implicit);
            Some((name.clone(), logs.expect(&horizon, implicit)?))
        });
        ExpectedViews { fields: fields.collect(), cluster: self.cluster.expect(&horizon) }
    }
}

/// The field that always exists.
const DEFAULT: &str = "default";

/// All that a replica must show.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedViews {
    /// The fields that exist, by name.
    pub fields: BTreeMap<String, ExpectedField>,
    /// What belongs to no field.
    pub cluster: ExpectedCluster,
}

impl ExpectedViews {
    /// What there is to see, anywhere.
    pub fn sights(&self) -> impl Iterator<Item = Marker> {
        let fields: Sights = self.fields.values().flat_map(|field| field.sights.iter().copied()).collect();
        fields.union(&self.cluster.sights).copied().collect::<Vec<_>>().into_iter()
    }
}

/// What a step must be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedAnswer {
    /// The spec that it is scored by.
    pub spec: OracleSpec,
    /// The interventions that count, in their order.
    pub actions: Vec<OracleAction>,
    /// Its count.
    pub k: u64,
    /// How far it is from all before.
    pub novelty: f64,
    /// t before it, in units of 2^-56 s, where the engine learns.
    pub time: Option<i128>,
}

/// What was done, at which count, and for the guardian why and after which.
pub type OracleIntervention = (OracleAction, u64, Option<(OracleThreat, Option<OracleMoment>)>);

#[cfg(test)]
mod tests;
