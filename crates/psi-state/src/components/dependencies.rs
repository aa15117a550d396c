//! How the parts of an epoch depend on each other.

use std::sync::Arc;

use psi_engine::Parameters;
use psi_replica::{Clock, Version};
use psi_stats::{Fixed, drift::ANCHOR_INPUTS};

use super::{
    EpochParts,
    drift::{
        anchors::watched,
        registration::{self, Shortage},
        values::{BaselineCounts, BaselineTitle, BaselineValue, CurrentBaseline},
        view::DriftView,
    },
};
use crate::component::{
    facts::{DriftFacts, EpochFacts},
    moment::Moment,
};

impl EpochParts {
    /// What parts of the view may depend on beside their own folds.
    pub(super) fn facts<'a>(&'a self, parameters: &'a Parameters) -> EpochFacts<'a> {
        let last_second = self.last.clock().map(Clock::second);
        let anchor = self.anchored.first().map(AsRef::as_ref);
        let baseline = self.baseline.current(anchor.map(|placed| placed.id));
        let drift = DriftFacts { anchor, baseline, onset: self.drift_onset.since() };
        EpochFacts { last_second, interventions: self.interventions.summary(), parameters, drift }
    }

    /// Counts an own input by its buckets, as part of the write `version`; its step was taken in.
    pub(crate) fn watch_drift(&mut self, local: &Moment, version: Version, input: &[Fixed], parameters: &Parameters) {
        if !parameters.watches_drift() {
            return;
        }
        let moments = &self.moments;
        self.anchored.absorb(local, version, input, || {
            (moments.count() >= ANCHOR_INPUTS as u64).then(|| moments.first_dimensions(watched(input).len())).flatten()
        });
        let Some(placed) = self.anchored.first() else { return };
        if self.drift.absorb(version, local.0.second(), placed, input) {
            self.judge(local, version, parameters);
        }
    }

    /// Writes own spans of time that are over by `second`.
    pub(crate) fn write_due(&mut self, second: u64, local: &Moment, version: Version, parameters: &Parameters) {
        if self.drift.write_due(second, || version) {
            self.judge(local, version, parameters);
        }
    }

    /// Looks at what is counted once a span is over: it may make a baseline, or begin or end a drift.
    fn judge(&mut self, local: &Moment, version: Version, parameters: &Parameters) {
        if !parameters.watches_drift() {
            return;
        }
        self.set_automatic_baseline(local, version, parameters);
        self.drift_onset.observe(local, version, &self.latest_drift(parameters));
    }

    /// Makes the inputs so far the baseline, if there is none and they are enough.
    fn set_automatic_baseline(&mut self, local: &Moment, version: Version, parameters: &Parameters) {
        let Some((placed, last)) = self.anchored.first().zip(self.last.clock()) else { return };
        if self.baseline.current(Some(placed.id)) != CurrentBaseline::None {
            return;
        }
        if let Some(counts) = registration::automatic(self.drift.held(), placed, last.second(), parameters) {
            self.baseline.write(local, version, true, BaselineValue::automatic(local.0, counts));
        }
    }

    /// The baseline that what is kept makes: of the last `seconds`, or of as much as there is.
    pub(crate) fn kept_baseline(
        &self,
        seconds: Option<u64>,
        parameters: &Parameters,
    ) -> Result<BaselineCounts, Shortage> {
        let Some((placed, last)) = self.anchored.first().zip(self.last.clock()) else {
            return Err(Shortage::default());
        };
        registration::asked(self.drift.held(), placed, last.second(), seconds, parameters)
    }

    /// Sets a baseline for a caller, as part of the write `version`; `None`: there is to be none.
    pub(crate) fn write_baseline(
        &mut self,
        local: &Moment,
        version: Version,
        (counts, title): (Option<BaselineCounts>, BaselineTitle),
        parameters: &Parameters,
    ) {
        let severity = self.latest_drift(parameters).severity();
        self.baseline.write(local, version, false, BaselineValue::by_caller(local.0, counts, title, severity));
    }

    /// The verdict as of the latest spans of time.
    pub(crate) fn latest_drift(&self, parameters: &Parameters) -> Arc<DriftView> {
        let second = self.last.clock().map(Clock::second);
        self.drift.remembered(second).unwrap_or_else(|| self.drift.judged(&self.facts(parameters)))
    }

    /// Settles what the parts come to, and tells those that depend on others what these came to.
    pub(crate) fn settle(&mut self) {
        let Self {
            interventions,
            learned,
            window,
            last,
            moments: _,
            outcomes: _,
            guardian: _,
            anchored: _,
            baseline: _,
            drift_onset: _,
            drift: _,
        } = self;
        interventions.settle();
        let last_second = last.clock().map(Clock::second);
        learned.settle(&window.take_moves(), last_second, interventions.summary().dissolved.as_ref());
    }
}
