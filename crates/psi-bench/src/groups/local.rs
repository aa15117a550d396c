//! Work in this process, without a wire: how long it takes each time.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::{
    error::BenchError,
    rounds::{Case, Label, Plan, Sample},
};

/// Between two looks at the clock, which then cost nothing that shows.
const LOOK: Duration = Duration::from_micros(200);

/// Does something this many times.
type Work = Box<dyn FnMut(u64) + Send>;

/// A row of such work.
pub(crate) struct LocalCase {
    label: Label,
    /// Away while it is done.
    work: Option<Work>,
}

impl LocalCase {
    /// The work is given how many times it was done before, and what it answers is not optimised away.
    pub(crate) fn new<T>(label: Label, mut once: impl FnMut(usize) -> T + Send + 'static) -> Self {
        let mut done = 0;
        let work = move |times: u64| {
            for _ in 0..times {
                black_box(once(done));
                done += 1;
            }
        };
        Self { label, work: Some(Box::new(work)) }
    }
}

impl Case for LocalCase {
    fn label(&self) -> &Label {
        &self.label
    }

    /// Nanoseconds each time.
    async fn turn(&mut self, plan: &Plan) -> Result<Sample, BenchError> {
        let ended = || BenchError::failed("the work ended before its time; this is a bug");
        let mut work = self.work.take().ok_or_else(ended)?;
        let plan = *plan;
        let done = tokio::task::spawn_blocking(move || {
            let figure = ns_each(&plan, &mut work);
            (work, figure)
        });
        let (work, figure) = done.await.map_err(|_| ended())?;
        self.work = Some(work);
        Ok(Sample { figure, ..Sample::default() })
    }
}

/// The mean over the time of a turn, after its warm-up.
fn ns_each(plan: &Plan, work: &mut Work) -> f64 {
    let mut times = 1;
    let begun = Instant::now();
    while begun.elapsed() < plan.warm_up() {
        let look = Instant::now();
        work(times);
        if look.elapsed() < LOOK {
            times *= 2;
        }
    }
    let (begun, mut done) = (Instant::now(), 0);
    loop {
        work(times);
        done += times;
        let elapsed = begun.elapsed();
        if elapsed >= plan.time {
            return elapsed.as_nanos() as f64 / done as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn work_is_done_one_after_the_other_over_all_turns_and_timed() {
        const EACH: Duration = Duration::from_millis(1);
        let seen = Arc::<Mutex<Vec<usize>>>::default();
        let note = seen.clone();
        let mut local = LocalCase::new(Label::new("busy"), move |done| {
            note.lock().unwrap().push(done);
            let begun = Instant::now();
            while begun.elapsed() < EACH {}
        });
        let plan = Plan { rounds: 2, time: Duration::from_millis(20) };
        for _ in 0..2 {
            let sample = local.turn(&plan).await.unwrap();
            assert!(sample.figure >= EACH.as_nanos() as f64, "{sample:?}");
        }
        let seen = seen.lock().unwrap();
        assert!(seen.len() > 2 && seen.iter().copied().eq(0..seen.len()));
    }
}
