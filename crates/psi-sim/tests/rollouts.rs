//! Seeds of rollouts: what must hold, and what they must meet.
//!
//! `PSI_SIM_ROLLOUT_SEEDS=10000 cargo test -p psi-sim --test rollouts` runs more of them.

use psi_sim::{Marker, Mode, Options, Sweep};

/// What three hundred seeds meet, each at least this often.
const MET: [(Marker, u64); 29] = [
    (Marker::ROLLOUT_DECIDED, 1_000),
    (Marker::STEP_LOST, 100),
    (Marker::NO_MAJORITY, 20),
    (Marker::VOTE_LOST, 1_000),
    (Marker::VOTE_REFUSED, 20),
    (Marker::VALUE_RECOVERED, 20),
    (Marker::ADVANCED, 300),
    (Marker::PROMOTED, 30),
    (Marker::FORCED_FURTHER, 20),
    (Marker::ADVANCED_BY_PERSON, 20),
    (Marker::ROLLOUT_PAUSED, 50),
    (Marker::ROLLOUT_RESUMED, 30),
    (Marker::ROLLOUT_CANCELLED, 50),
    (Marker::ROLLED_BACK_BY_NODE, 100),
    (Marker::ROLLED_BACK_BY_PERSON, 50),
    (Marker::ROLLBACK_DECIDED, 50),
    (Marker::PERSONS_ROLLBACK_DECIDED, 50),
    (Marker::LATE_ROLLBACK, 5),
    (Marker::STEP_AFTER_END, 5),
    (Marker::REJECTED_AGAIN, 20),
    (Marker::HELD_WITHOUT_DATA, 1_000),
    (Marker::HELD_WITHOUT_MAJORITY, 10),
    (Marker::HELD_UNHEARD, 100),
    (Marker::SHOWN_ALIKE, 5_000),
    (Marker::OUTCOMES_COUNTED, 10_000),
    (Marker::VOTERS_CHANGED, 10),
    (Marker::PARTITION_HEALED, 100),
    (Marker::BLACKOUT, 10),
    (Marker::PAUSED, 100),
];

#[test]
fn rollouts_keep_their_promises() {
    let seeds = std::env::var("PSI_SIM_ROLLOUT_SEEDS").ok().and_then(|number| number.parse().ok()).unwrap_or(300);
    let options = Options { mode: Some(Mode::Rollouts), ..Options::default() };
    let totals = Sweep { first: 0, seeds, options }.run(&|| ());
    if let Some(failure) = totals.failure {
        panic!("{failure}");
    }
    let met = MET.map(|(marker, least)| (marker.name(), totals.counts.markers.count(marker), least));
    met.iter().for_each(|(name, count, _)| println!("{count:>8}  {name}"));
    for rare in [Marker::PROMOTED_DESPITE_ROLLBACK, Marker::ROLLBACK_OVERTAKEN, Marker::HELD_INCONCLUSIVE] {
        println!("{:>8}  {}", totals.counts.markers.count(rare), rare.name());
    }
    let tame: Vec<_> = met.iter().filter(|(_, count, least)| count < least).collect();
    assert!(tame.is_empty() || seeds < 300, "{seeds} seeds met too little of {tame:?}");
}
