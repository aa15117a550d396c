//! How versions of a model are rolled out: what runs of mode `rollouts` are about.

use super::rng::Rng;

/// How rollouts go in a run; chances are of 1000.
#[derive(Clone, Debug)]
pub(crate) struct RolloutRun {
    /// Machines that vote at first.
    pub(crate) voters: usize,
    /// Percentages.
    pub(crate) schedule: Vec<f64>,
    pub(crate) window_ms: u64,
    /// Mean time between two acts of people.
    pub(crate) person_ms: u64,
    /// Mean time between two batches of steps, and their size.
    pub(crate) steps_ms: u64,
    pub(crate) batch: u64,
    /// Versions that are slow everywhere, and those that are slow on one machine alone.
    pub(crate) bad: u64,
    pub(crate) bad_on_one: u64,
    /// Acts that are forced.
    pub(crate) forced: u64,
}

impl RolloutRun {
    pub(super) fn draw(rng: &mut Rng, nodes: usize) -> Self {
        let schedules: [&[f64]; 4] = [&[30.0, 60.0], &[50.0], &[25.0, 50.0, 75.0], &[40.0, 100.0]];
        let schedule = rng.pick(&schedules).map_or_else(Vec::new, |schedule| schedule.to_vec());
        let odd = if nodes == 4 { 3 } else { nodes };
        Self {
            voters: if rng.chance(500) { odd } else { 3 },
            schedule,
            window_ms: rng.between(1_000, 2_000),
            person_ms: rng.between(300, 1_500),
            steps_ms: rng.between(60, 160),
            batch: rng.between(12, 24),
            bad: rng.between(100, 400),
            bad_on_one: rng.between(100, 400),
            forced: rng.between(50, 400),
        }
    }
}
