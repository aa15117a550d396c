//! One run: what a seed stands for is played, and judged.

use super::{
    liveness,
    outcome::{Failure, Options, Report},
    rounds::Rounds,
};
use crate::{
    plan::{Mode, Plan},
    report::Sink,
    world::World,
};

/// Plays the run of a seed; readable lines go to `sink`.
///
/// # Errors
/// [`Failure`] with the first thing that was wrong.
pub fn run(seed: u64, options: Options, mut sink: Option<Sink<'_>>) -> Result<Report, Failure> {
    let mode = options.mode.unwrap_or_else(|| Mode::of_seed(seed));
    let plan = Plan { hidden_step: options.hidden_step, ..Plan::draw(seed, mode, options.nodes) };
    let mut rounds = None;
    let mut world = if mode == Mode::Liveness {
        let without_faults = {
            let (well, rounds, _) =
                liveness::play(plan.clone(), true, sink.as_mut().map(|sink| &mut **sink as Sink<'_>));
            fail_if_wrong(&well)?;
            rounds
        };
        let (world, with_faults, joining) = liveness::play(plan, false, sink);
        rounds = Some(Rounds { without_faults, with_faults, joining });
        world
    } else {
        let stormy_ms = plan.stormy_ms;
        let mut world = World::new(plan, sink);
        world.run_until(stormy_ms);
        world.finish_key_change();
        world
    };
    world.check_rounds(rounds);
    if world.wrong.is_none() {
        world.calm_down();
    }
    let agreed_ms = world.agree();
    fail_if_wrong(&world)?;
    Ok(Report { seed, mode, trace: world.trace.hash(), ms: world.now, agreed_ms, rounds, counts: world.counts })
}

fn fail_if_wrong(world: &World<'_>) -> Result<(), Failure> {
    let Plan { seed, mode, .. } = world.plan;
    match &world.wrong {
        Some(what) => Err(Failure { seed, mode, at_ms: world.now, what: what.clone() }),
        None => Ok(()),
    }
}
