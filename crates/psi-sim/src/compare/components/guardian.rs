//! What the guardians have seen and done.

use psi_state::GuardianView;

use crate::compare::{
    same::{same, same_numbers},
    subject::{ShownField, Subject, SubjectWrites},
    words::oracle_threat,
};
use crate::oracle::components::guardian::{ExpectedGuardian, Guardian};

impl Subject for Guardian {
    fn compare(expected: &ExpectedGuardian, shown: ShownField<'_>) -> Result<(), String> {
        let ExpectedGuardian { history, thresholds: ours, flag, automatic, superseded, last_step } = expected;
        let view = &shown.view.guardian;
        let samples = samples(view);
        same_numbers("history", Some(history.as_flattened()), Some(samples.as_flattened()))?;
        let theirs = view.thresholds();
        same("adaptive thresholds", ours.adaptive, theirs.adaptive)?;
        for (what, ours, theirs) in [
            ("prediction error", ours.error_high, theirs.error_high),
            ("density", ours.density_low, theirs.density_low),
            ("entropy", ours.entropy_high, theirs.entropy_high),
        ] {
            if (ours - theirs).abs() > 1e-12 {
                return Err(format!("threshold of {what} must be {ours}, is {theirs}"));
            }
        }
        same("flag", *flag, view.flag.map(oracle_threat))?;
        same("automatic interventions", *automatic, view.automatic)?;
        same("superseded interventions", *superseded, view.superseded)?;
        same("step of the latest intervention", *last_step, view.last_step)
    }

    fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
        let view = &shown.view.guardian;
        let GuardianView { history: _, flag, flag_step, automatic, superseded, last_step } = view;
        let flag = flag.map_or(0, |threat| 1 + threat as u64);
        let steps = [flag_step, last_step].map(|step| step.map_or(0, |step| step.wrapping_add(1)));
        for number in [flag, *automatic, *superseded].into_iter().chain(steps) {
            hasher.update(&number.to_le_bytes());
        }
        for number in samples(view).as_flattened() {
            hasher.update(&number.to_bits().to_le_bytes());
        }
    }
}

/// Density, prediction error and entropy, newest first.
fn samples(view: &GuardianView) -> Vec<[f64; 3]> {
    view.history.iter().map(|sample| [sample.density, sample.prediction_error, sample.temporal_entropy]).collect()
}

impl SubjectWrites for Guardian {}
