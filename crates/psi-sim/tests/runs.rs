//! Seeds of each mode, and that a seed is one run.

use psi_sim::{Mode, Options, run};

fn check(seeds: std::ops::Range<u64>, mode: Mode) {
    for seed in seeds {
        if let Err(failure) = run(seed, Options { mode: Some(mode), nodes: None }, None) {
            panic!("{failure}");
        }
    }
}

#[test]
fn all_agree_after_faults() {
    check(0..40, Mode::Safety);
}

#[test]
fn a_seed_is_one_run_to_the_last_byte() {
    for seed in 0..6 {
        let traced = || {
            let mut lines = Vec::new();
            let mut sink = |line: &str| lines.push(line.to_owned());
            let report = run(seed, Options { mode: Some(Mode::Safety), nodes: None }, Some(&mut sink));
            (report, lines)
        };
        assert!(traced() == traced(), "seed {seed}");
    }
}

#[test]
fn all_agree_once_clocks_that_jumped_are_right_again() {
    check(0..20, Mode::Clocks);
}
