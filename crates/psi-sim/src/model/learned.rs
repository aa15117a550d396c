//! What a field of the engine that learns must have learned, as far as it can be counted: time, updates, and how many vectors
//! there are in each memory. Leaves out the vectors themselves: for these replicas are held against each other.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use num_traits::{ToPrimitive, Zero};

use super::{
    Horizon, InterventionRecord, ModelAction, ModelAnswer, ModelClock, ModelMoment, ModelSight, ModelSpec, Record,
    StepRecord, Writes, fold::WINDOW_SECONDS, fold::second, guardian::Counted, rounding::quantized,
};

/// Memories that are held at most, and how many go when there are more.
const MEMORIES: u64 = 4096;
const MEMORIES_GO: u64 = 409;

/// What must have been learned.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedLearned {
    /// t in units of 2^-56 s.
    pub time: i128,
    /// Updates of the transition.
    pub updates: u64,
    /// Latents that the next step is scored against.
    pub latents: usize,
    /// Vectors in working memory.
    pub working: usize,
    /// Vectors in episodic memory.
    pub episodic: usize,
}

/// What was made of a step.
#[derive(Clone, Debug)]
pub(super) struct Habit {
    /// The transition was corrected.
    learns: bool,
    /// It is kept in episodic memory.
    remembers: bool,
    salience: f64,
    /// Latents and working memories that an origin then held at most.
    retention: usize,
    capacity: usize,
    /// The latest nigredo by then.
    dissolved: Option<ModelMoment>,
}

impl Writes {
    /// What an origin with this horizon makes of a step.
    pub(super) fn habit(&self, spec: &ModelSpec, horizon: &Horizon, recorded: bool, answer: &ModelAnswer) -> Habit {
        let dissolved = self.counted(spec.epoch, horizon).dissolved();
        let (density, error) = (answer.density(), answer.prediction_error());
        let dense = density > spec.parameter("tau_psi") && answer.continuity() > spec.parameter("tau_c");
        let in_band = spec.parameter("pe_low") <= error && error <= spec.parameter("pe_high");
        Habit {
            learns: self.steps_in(spec.epoch, horizon).any(|step| is_after(step.place(), dissolved.as_ref())),
            remembers: recorded && (dense || in_band),
            salience: f64::max(0.0, density - error / 2.0),
            retention: retention(spec),
            capacity: whole(spec.parameter("C_w")),
            dissolved,
        }
    }

    /// Whether an intervention of an origin, written within this horizon, dissolves what another wrote.
    pub(super) fn note_dissolved(
        &self,
        horizon: &Horizon,
        origin: usize,
        event: &InterventionRecord,
    ) -> Option<ModelSight> {
        let before = self.counted(event.epoch, horizon).dissolved();
        let mut learned = self.steps_in(event.epoch, horizon).filter(|step| step.what.habit.is_some());
        let others = learned.any(|step| step.number != origin && is_after(step.place(), before.as_ref()));
        (event.action == ModelAction::Nigredo && others).then_some(ModelSight::DissolvedOthers)
    }

    pub(super) fn learned(
        &self,
        spec: &ModelSpec,
        horizon: &Horizon,
        counted: &Counted<'_>,
    ) -> Option<(ExpectedLearned, BTreeSet<ModelSight>)> {
        if !spec.learns() {
            return None;
        }
        let mut steps: Vec<_> = self.steps_in(spec.epoch, horizon).collect();
        steps.sort_by_key(|step| step.place());
        let dissolved = counted.dissolved();
        let alive = |held: Vec<&Record<StepRecord>>| {
            held.into_iter().filter(|step| is_after(step.place(), dissolved.as_ref())).count()
        };
        let remembered = steps.iter().filter(|step| step.what.habit.as_ref().is_some_and(|habit| habit.remembers));
        let writers: Vec<usize> = remembered.map(|step| step.number).collect();
        let learned = ExpectedLearned {
            time: time(steps.iter().copied()),
            updates: steps.iter().filter(|step| learns(step)).count() as u64,
            latents: alive(latents(&steps)).min(retention(spec)),
            working: alive(working(&steps)).min(whole(spec.parameter("C_w"))),
            episodic: memories_of(writers.len() as u64),
        };
        let mut sights = BTreeSet::new();
        if learned.latents == retention(spec) && learned.latents > 1 {
            sights.insert(ModelSight::RetentionFull);
        }
        if writers.windows(2).filter(|pair| pair[0] != pair[1]).count() > 1 {
            sights.insert(ModelSight::MemoriesInterleaved);
        }
        let since = steps.last().map_or(0, |last| second(last).saturating_sub(WINDOW_SECONDS - 1));
        let recent: BTreeSet<usize> =
            steps.iter().filter(|step| learns(step) && second(step) >= since).map(|step| step.number).collect();
        if recent.len() > 1 {
            sights.insert(ModelSight::TransitionsBlended);
        }
        Some((learned, sights))
    }
}

/// t: the sum of the effective steps, each rounded to the unit.
pub(super) fn time<'a>(steps: impl Iterator<Item = &'a Record<StepRecord>>) -> i128 {
    let time = steps.fold(BigInt::zero(), |sum, step| sum + quantized(step.what.answer.time_dilation(), 0));
    time.to_i128().unwrap_or(i128::MAX)
}

fn learns(step: &Record<StepRecord>) -> bool {
    step.what.habit.as_ref().is_some_and(|habit| habit.learns)
}

/// Steps of which the origins hold the latents: each the latest of its own, for all that others do.
fn latents<'a>(steps: &[&'a Record<StepRecord>]) -> Vec<&'a Record<StepRecord>> {
    let mut held: BTreeMap<usize, Vec<&Record<StepRecord>>> = BTreeMap::new();
    for step in steps {
        let Some(habit) = &step.what.habit else { continue };
        let own = held.entry(step.number).or_default();
        if own.len() >= habit.retention {
            own.remove(0);
        }
        own.push(step);
    }
    held.into_values().flatten().collect()
}

/// Steps that the origins hold in working memory: each the most salient of its own since what it knows to be dissolved.
fn working<'a>(steps: &[&'a Record<StepRecord>]) -> Vec<&'a Record<StepRecord>> {
    let mut held: BTreeMap<usize, Vec<&Record<StepRecord>>> = BTreeMap::new();
    let salience = |step: &Record<StepRecord>| step.what.habit.as_ref().map_or(0.0, |habit| habit.salience);
    for step in steps {
        let Some(habit) = &step.what.habit else { continue };
        let own = held.entry(step.number).or_default();
        // The least salient gives way, of equals the newer.
        let gives_way = |one: &&Record<StepRecord>, other: &&Record<StepRecord>| {
            salience(one).total_cmp(&salience(other)).then(other.clock.cmp(&one.clock))
        };
        let gone = own.iter_mut().find(|held| !is_after(held.place(), habit.dissolved.as_ref()));
        if let Some(gone) = gone {
            *gone = step;
        } else if own.len() < habit.capacity {
            own.push(step);
        } else if let Some(least) = own.iter_mut().min_by(|one, other| gives_way(one, other))
            && salience(least) < habit.salience
        {
            *least = step;
        }
    }
    held.into_values().flatten().collect()
}

/// How many memories there are when so many were added one by one.
pub(super) fn memories_of(added: u64) -> usize {
    let mut held = 0;
    for _ in 0..added {
        held += 1;
        if held > MEMORIES {
            held -= MEMORIES_GO;
        }
    }
    usize::try_from(held).unwrap_or(usize::MAX)
}

fn is_after(place: (ModelClock, &super::ModelOrigin), dissolved: Option<&ModelMoment>) -> bool {
    dissolved.is_none_or(|dissolved| (dissolved.0, &dissolved.1) < place)
}

/// Latents that are retained, the previous one at least.
fn retention(spec: &ModelSpec) -> usize {
    whole((spec.parameter("W_r") / spec.parameter("dt")).round_ties_even()).max(1)
}

fn whole(number: f64) -> usize {
    number.to_usize().unwrap_or(0)
}
