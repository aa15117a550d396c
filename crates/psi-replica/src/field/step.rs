//! What this replica's own origin does in a field: steps, and interventions by hand and by the guardian.

use ndarray::ArrayView1;
use psi_engine::{
    Action, EngineKind, Metrics,
    core::Scored,
    guardian::{Mode, Sample, Threat, judge},
    synthetic,
};
use psi_stats::{Fixed, ZScores};

use super::Field;
use crate::{
    interventions::{Automatic, Event, Moment},
    key::Lane,
    origin::Version,
    own::chunks,
    value::Record,
    watch::{Alarm, SAMPLES_PER_ENTRY},
};

/// What an input comes to.
#[derive(Debug)]
pub(crate) struct Answer {
    engine: EngineKind,
    pub(crate) metrics: Metrics,
    attention_gain: f64,
    novelty: f64,
    /// Of an engine that learns.
    scored: Option<Scored>,
}

/// What became of a step.
#[derive(Debug)]
pub(crate) struct Stepped {
    pub(crate) record: Record,
    pub(crate) engine: EngineKind,
    /// What the guardian is to intervene for.
    pub(crate) threat: Option<Threat>,
}

impl Field {
    /// Scores an input against the fold as step `k`. That its width, its numbers and the engine are right was checked
    /// before.
    pub(crate) fn score(&mut self, input: &[f64], fixed: &[Fixed], k: u64) -> Option<Answer> {
        let current = self.current()?;
        let (engine, parameters) = (current.engine?, &current.spec.setup.parameters);
        let novelty = self.novelty(fixed);
        if engine == EngineKind::Core {
            let parameters = parameters.clone();
            let scored = self.learned.as_mut()?.score(input, k, &parameters);
            let (metrics, attention_gain) = (scored.metrics, scored.attention_gain);
            return Some(Answer { engine, metrics, attention_gain, novelty, scored: Some(scored) });
        }
        let metrics = synthetic::score(ArrayView1::from(input), self.noise(), parameters);
        let attention_gain = parameters.attention_gain(metrics.density, metrics.prediction_error);
        Some(Answer { engine, metrics, attention_gain, novelty, scored: None })
    }

    /// Scores an input and takes it in, as part of the write `version` of this replica's own origin. Checked before, as for
    /// [`Self::score`].
    pub(crate) fn step(&mut self, me: &Moment, version: Version, input: &[f64], fixed: &[Fixed]) -> Option<Stepped> {
        let intervenes = self.current()?.spec.setup.guardian == Mode::Intervene;
        let k = self.count() + 1;
        let Answer { engine, metrics, attention_gain, novelty, scored } = self.score(input, fixed, k)?;
        let (clock, origin) = me.clone();
        let record = Record { clock, origin, metrics, k, novelty, attention_gain };
        let own = self.own_mut()?;
        own.absorb(version, fixed, record.clone()).ok()?;
        let recorded = own.recorder.takes(clock);
        if let Some(scored) = scored {
            self.learn(me, version, &scored, recorded);
        }
        let threat = if recorded { self.watch(me, version, k, &metrics) } else { None };
        Some(Stepped { record, engine, threat: threat.filter(|_| intervenes) })
    }

    /// How unlike all that came before it an input is. The exact read-outs of mean and deviation would give the same, and
    /// took two thirds of a step.
    fn novelty(&self, input: &[Fixed]) -> f64 {
        let own = self.own();
        let mut parts = chunks(input.len()).zip(&self.moments);
        let scores = parts.try_fold(ZScores::default(), |scores, (range, others)| {
            // As in the fold: a part of another width can't belong to this shape.
            let own = own.filter(|own| own.moments.width() == input.len()).map(|own| (&own.moments, range.start));
            scores.with(&input[range], others, own)
        });
        scores.unwrap_or_default().root_mean_square()
    }

    fn learn(&mut self, me: &Moment, version: Version, scored: &Scored, recorded: bool) {
        let Some(parameters) = self.current().map(|current| current.spec.setup.parameters.clone()) else { return };
        let Some((own, learned)) = self.own.as_mut().zip(self.learned.as_mut()) else { return };
        let touched = own.learned.absorb(learned, me, scored, &parameters, recorded);
        own.touch(version, touched);
        self.settle_learned();
    }

    /// Shows a step to the guardian; tells what it is to intervene for.
    fn watch(&mut self, me: &Moment, version: Version, k: u64, metrics: &Metrics) -> Option<Threat> {
        let (clock, origin) = me;
        let own = self.own.as_mut()?;
        let sample = Sample::from(metrics);
        let (slot, replaced) = own.watch.record(*clock, sample);
        if let Some(replaced) = replaced {
            self.watch.take(&(replaced, origin.clone(), slot));
        }
        self.watch.put((*clock, origin.clone(), slot), sample);
        own.touch(version, [(Lane::HISTORY, slot / SAMPLES_PER_ENTRY as u64)]);

        let last = self.interventions.folded().last.as_ref();
        let flag = self.watch.flag(last.map(|last| &last.moment));
        let since = last.map(|last| k.saturating_sub(last.k));
        let verdict = judge(&sample, &self.watch.thresholds(), flag, since);
        if let Some(threat) = verdict.threat {
            own.watch.alarm = Some(Alarm { threat, clock: *clock });
            self.watch.put_alarm(origin, own.watch.alarm);
            own.touch(version, [(Lane::GUARDIAN, 0)]);
        }
        verdict.intervention.and(verdict.threat.or(flag))
    }

    /// Notes an intervention of this replica's own origin as part of the write `version`, for the guardian's reason if
    /// there is one; returns its sequence and what is written down.
    pub(crate) fn intervene(
        &mut self,
        me: &Moment,
        version: Version,
        action: Action,
        threat: Option<Threat>,
    ) -> Option<(u64, Event)> {
        let follows = self.interventions.folded().last.as_ref().map(|last| last.moment.clone());
        let automatic = threat.map(|threat| Automatic { threat, follows });
        let event = Event { action, k: self.count(), automatic };
        let own = self.own_mut()?;
        let written = &mut own.interventions[usize::from(event.automatic.is_some())];
        let sequence = *written;
        *written += 1;
        let retired = self.interventions.write(me.clone(), event.index(sequence), event.clone());
        if let (Some(retired), Some(own)) = (retired, self.own.as_mut()) {
            own.retired = retired;
            own.touch(version, [(Lane::GUARDIAN, 0)]);
        }
        self.settle_learned();
        Some((sequence, event))
    }

    /// ν.
    pub(crate) fn noise(&self) -> psi_engine::Noise {
        self.interventions.folded().noise
    }
}
