//! Seeds of each mode, that a seed is one run, and that the checks see what is wrong.

use std::ops::Range;

use psi_sim::{Failure, Mode, Options, Sweep, run};

fn options(mode: Mode) -> Options {
    Options { mode: Some(mode), ..Options::default() }
}

fn check(seeds: Range<u64>, mode: Mode) {
    for seed in seeds {
        if let Err(failure) = run(seed, options(mode), None) {
            panic!("{failure}");
        }
    }
}

#[test]
fn all_agree_after_faults() {
    check(0..40, Mode::Safety);
}

#[test]
fn a_core_agrees_while_the_rest_keeps_failing() {
    check(0..20, Mode::Liveness);
}

#[test]
fn all_agree_once_clocks_that_jumped_are_right_again() {
    check(0..20, Mode::Clocks);
}

#[test]
fn strangers_stay_out_while_the_key_is_changed() {
    check(0..60, Mode::Strangers);
}

#[test]
fn a_sweep_of_all_modes_plays_some_seeds_with_strangers_or_rollouts_as_well() {
    let options = Options { nodes: Some(2), ..Options::default() };
    let totals = Sweep { first: 7, seeds: 4, options }.run(&|| {});
    let runs = [(Mode::Safety, 2), (Mode::Liveness, 1), (Mode::Clocks, 1), (Mode::Strangers, 1), (Mode::Rollouts, 2)];
    assert_eq!((totals.failure, totals.runs), (None, runs.into()));
}

#[test]
fn a_seed_is_one_run_to_the_last_byte() {
    for (seed, mode) in (0..4).flat_map(|seed| Mode::ALL.map(|mode| (seed, mode))) {
        let traced = || {
            let mut lines = Vec::new();
            let mut sink = |line: &str| lines.push(line.to_owned());
            let report = run(seed, options(mode), Some(&mut sink));
            assert!(lines.iter().all(|line| line.chars().count() <= 120), "lines keep to the width");
            (report, lines)
        };
        let (first, second) = (traced(), traced());
        assert!(first == second, "seed {seed}, {}", mode.name());
        let untraced = run(seed, options(mode), None);
        assert_eq!(untraced, first.0, "looking changes nothing");
    }
}

#[test]
fn a_step_too_many_is_noticed() {
    let what = |Failure { what, .. }: Failure| what;
    let noticed = (0..10).filter_map(|seed| {
        let hidden = Options { hidden_step: Some(3), ..options(Mode::Safety) };
        run(seed, hidden, None).err().map(what)
    });
    let noticed: Vec<String> = noticed.collect();
    assert!(noticed.len() > 5, "{noticed:?}");
    assert!(noticed.iter().all(|what| what.contains("oracle")), "{noticed:?}");
}

/// Seeds that once failed, by what they showed.
#[test]
fn seeds_that_failed_hold() {
    for (seed, mode, what) in [
        (53, Mode::Safety, "two runs were minted in one millisecond"),
        (20_072, Mode::Clocks, "two runs that saw the same incarnation took the same"),
        (119, Mode::Liveness, "a delta that dripped in was waited for"),
        (62, Mode::Liveness, "a slow peer was waited for though a quick one had it"),
        (173, Mode::Liveness, "two runs of one node cut off each other's links"),
    ] {
        if let Err(failure) = run(seed, options(mode), None) {
            panic!("{what}: {failure}");
        }
    }
}
