//! Many seeds on all cores: what they saw together, or the lowest one that failed.

use std::{
    any::Any,
    collections::BTreeMap,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::{
    outcome::{Failure, Options, Report},
    seed::run,
};
use crate::{
    plan::Mode,
    report::{Counts, markers::Marker},
};

/// Fewest seeds of all modes of which every marker is expected.
pub const MARKED_SEEDS: u64 = 500;

/// Which seeds to run.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// What each is run as.
    pub options: Options,
}

/// The outcome of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Runs in which nothing was wrong, by mode.
    pub runs: BTreeMap<Mode, u64>,
    /// What they counted, together.
    pub counts: Counts,
    /// Virtual time that passed in them, milliseconds.
    pub virtual_ms: u64,
    /// Longest time from the end of the faults to agreement, milliseconds.
    pub agreed_ms_max: u64,
    /// The lowest seed that failed: all lower ones were run.
    pub failure: Option<Failure>,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        *self.runs.entry(report.mode).or_default() += 1;
        self.counts.add(&report.counts);
        self.virtual_ms += report.ms;
        self.agreed_ms_max = self.agreed_ms_max.max(report.agreed_ms);
    }

    fn fail(&mut self, failure: Failure) {
        if self.failure.as_ref().is_none_or(|lowest| failure.seed < lowest.seed) {
            self.failure = Some(failure);
        }
    }

    /// Markers that were never reached, if there were seeds enough to expect all of them.
    #[must_use]
    pub fn missing(&self, sweep: &Sweep) -> Vec<Marker> {
        let all = sweep.seeds >= MARKED_SEEDS && sweep.options.mode.is_none() && sweep.options.nodes.is_none();
        if all && self.failure.is_none() { self.counts.markers.missing().collect() } else { Vec::new() }
    }
}

impl Sweep {
    /// Runs the seeds on all cores, the lowest first; ends early when one fails. Each seed that was run is told to
    /// `progress`.
    pub fn run(&self, progress: &(impl Fn() + Sync)) -> Totals {
        let (next, totals) = (AtomicU64::new(0), Mutex::new(Totals::default()));
        let failed_at = AtomicU64::new(u64::MAX);
        let work = || {
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let seed = self.first.saturating_add(turn);
                if turn >= self.seeds || seed > failed_at.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(failure) = self.run_seed(seed, &totals) {
                    failed_at.fetch_min(seed, Ordering::Relaxed);
                    totals.lock().unwrap_or_else(PoisonError::into_inner).fail(failure);
                }
                progress();
            }
        };
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(work);
            }
        });
        totals.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a seed, in each mode that it is to be run in.
    fn run_seed(&self, seed: u64, totals: &Mutex<Totals>) -> Result<(), Failure> {
        let modes = self.options.mode.map_or_else(|| Mode::all_of_seed(seed), |mode| vec![mode]);
        for mode in modes {
            let report = run_guarded(seed, Options { mode: Some(mode), ..self.options })?;
            totals.lock().unwrap_or_else(PoisonError::into_inner).add(&report);
        }
        Ok(())
    }
}

/// Runs a seed; a panic inside is what was wrong.
fn run_guarded(seed: u64, options: Options) -> Result<Report, Failure> {
    catch_unwind(AssertUnwindSafe(|| run(seed, options, None))).unwrap_or_else(|panic| {
        let mode = options.mode.unwrap_or_else(|| Mode::of_seed(seed));
        Err(Failure { seed, mode, at_ms: 0, what: format!("panic: {}", message(panic.as_ref())) })
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
