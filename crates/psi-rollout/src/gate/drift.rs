//! Whether the inputs of the canary drift where those of the champion do not.
//!
//! Verdicts on drift come from elsewhere, with a discipline of their own: how rarely they are wrong is not counted in
//! [`super::ALPHA`].

use super::judgement::{Gate, HoldReason, Judgement, Verdict};
use crate::{assignment::Arm, text::duration};

/// What is known of drift of a version's inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftState {
    /// The verdict, or why there is none, in words.
    pub verdict: Result<DriftVerdict, String>,
    /// When the baseline was set that inputs are compared with.
    pub baseline_ms: Option<u64>,
}

/// A verdict on the inputs of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DriftVerdict {
    /// How severe drift is, 0 to 1; 0 where there is none.
    pub severity: f64,
    /// Up to when it looks.
    pub until_ms: u64,
    /// Since when there is drift; `None` where there is none.
    pub since_ms: Option<u64>,
    /// Inputs that it looks at.
    pub inputs: u64,
}

/// What is known of drift of both versions' inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DriftComparison {
    /// Of the canary.
    pub canary: DriftState,
    /// Of the champion.
    pub champion: DriftState,
}

/// What verdicts on drift are held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DriftLimits {
    /// From which severity on drift fails.
    pub(crate) threshold: f64,
    /// When the step of the schedule began.
    pub(crate) since_ms: u64,
    /// How long it lasts at least.
    pub(crate) window_ms: u64,
    /// Inputs that a verdict looks at, at least.
    pub(crate) inputs_min: u64,
    pub(crate) now_ms: u64,
}

impl DriftComparison {
    /// FAIL where the canary's inputs have drifted for a window and the champion's do not. Where both do, it is not the
    /// canary, and what has just begun may reach the champion's verdict later.
    pub(crate) fn judge(&self, limits: DriftLimits) -> Judgement {
        let (verdict, reason) = self.verdict(limits);
        Judgement { gate: Gate::DriftSeverity, verdict, reason, comparison: None }
    }

    fn verdict(&self, limits: DriftLimits) -> (Verdict, String) {
        let (insufficient, threshold) = (Verdict::Hold(HoldReason::InsufficientData), limits.threshold);
        let canary = match self.canary.fresh(Arm::Canary, limits) {
            Ok(verdict) => verdict,
            Err(reason) => return (insufficient, reason),
        };
        let own = format!("drift of the inputs of the canary has severity {:.3}", canary.severity);
        if canary.severity < threshold {
            return (Verdict::Pass, format!("{own}, below {threshold}"));
        }
        let champion = match self.champion.fresh(Arm::Champion, limits) {
            Ok(verdict) => verdict,
            Err(reason) => return (insufficient, format!("{own}, and {reason}")),
        };
        let lasts = limits.now_ms.saturating_sub(canary.since_ms.unwrap_or(limits.now_ms));
        if champion.since_ms.is_some() || champion.severity >= threshold {
            let reason = format!("{own}, and of the champion {:.3}: the inputs of both drift", champion.severity);
            (Verdict::Hold(HoldReason::Inconclusive), reason)
        } else if lasts < limits.window_ms {
            let (lasts, window) = (duration(lasts / 1_000 * 1_000), duration(limits.window_ms));
            let reason = format!("{own} for {lasts}: it fails once that lasts {window} and the champion has none");
            (Verdict::Hold(HoldReason::Inconclusive), reason)
        } else {
            (Verdict::Fail, format!("{own}, at least {threshold}, and those of the champion do not drift"))
        }
    }
}

impl DriftState {
    /// The verdict, if it is one of the latest window, by a baseline that counts.
    fn fresh(&self, arm: Arm, limits: DriftLimits) -> Result<DriftVerdict, String> {
        let DriftLimits { since_ms, window_ms, inputs_min, now_ms, .. } = limits;
        let age_ms = now_ms.saturating_sub(self.baseline_ms.unwrap_or_default());
        if self.baseline_ms.is_some_and(|baseline_ms| baseline_ms > since_ms) && age_ms < window_ms {
            return Err(format!(
                "the baseline of the {arm} was set {} ago, after this percentage began: it counts after {}",
                duration(age_ms / 1_000 * 1_000),
                duration(window_ms)
            ));
        }
        let verdict = self.verdict.clone().map_err(|why| format!("no verdict on the inputs of the {arm}: {why}"))?;
        if verdict.until_ms <= since_ms.max(now_ms.saturating_sub(window_ms)) {
            return Err(format!("the verdict on the inputs of the {arm} is older than a window: no inputs have come"));
        }
        if verdict.inputs < inputs_min {
            let inputs = verdict.inputs;
            return Err(format!("the verdict on the {arm} is by {inputs} inputs, and {inputs_min} are needed"));
        }
        Ok(verdict)
    }
}

impl Default for DriftState {
    fn default() -> Self {
        Self { verdict: Err("it is not known".to_owned()), baseline_ms: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const NOW_MS: u64 = 3 * HOUR_MS;

    fn drift(severity: f64) -> DriftState {
        let since_ms = (severity >= 0.5).then_some(HOUR_MS);
        let verdict = DriftVerdict { severity, until_ms: NOW_MS - 1_000, since_ms, inputs: 100 };
        DriftState { verdict: Ok(verdict), baseline_ms: Some(1) }
    }

    fn none() -> DriftState {
        DriftState { verdict: Err("it has no baseline".to_owned()), ..drift(0.0) }
    }

    fn with(severity: f64, change: fn(&mut DriftVerdict)) -> DriftState {
        let mut state = drift(severity);
        state.verdict.iter_mut().for_each(change);
        state
    }

    fn judged(canary: DriftState, champion: DriftState) -> Judgement {
        let (threshold, inputs_min) = (0.75, 100);
        let limits = DriftLimits { threshold, since_ms: HOUR_MS, window_ms: HOUR_MS, inputs_min, now_ms: NOW_MS };
        DriftComparison { canary, champion }.judge(limits)
    }

    #[test]
    fn only_drift_of_the_canary_alone_that_lasts_fails() {
        let (insufficient, inconclusive) =
            (Verdict::Hold(HoldReason::InsufficientData), Verdict::Hold(HoldReason::Inconclusive));
        let late: fn(&mut DriftVerdict) = |verdict| verdict.since_ms = Some(2 * HOUR_MS + 1);
        let old: fn(&mut DriftVerdict) = |verdict| verdict.until_ms = 2 * HOUR_MS;
        let few: fn(&mut DriftVerdict) = |verdict| verdict.inputs = 99;
        let cases = [
            (drift(0.74), drift(0.9), Verdict::Pass),
            (drift(0.1), none(), Verdict::Pass),
            (drift(0.75), drift(0.4), Verdict::Fail),
            (drift(0.75), drift(0.74), inconclusive),
            (drift(0.75), drift(0.75), inconclusive),
            (with(0.75, late), drift(0.0), inconclusive),
            (drift(0.75), none(), insufficient),
            (none(), drift(0.1), insufficient),
            (with(0.1, old), drift(0.1), insufficient),
            (with(0.1, few), drift(0.1), insufficient),
            (drift(0.75), with(0.0, old), insufficient),
            (drift(0.75), with(0.0, few), insufficient),
        ];
        for (canary, champion, want) in cases {
            let judgement = judged(canary.clone(), champion.clone());
            assert_eq!(judgement.verdict, want, "{canary:?} {champion:?}: {judgement}");
        }
    }

    #[test]
    fn a_baseline_that_was_set_meanwhile_holds_for_a_window() {
        let set = |severity, baseline_ms| DriftState { baseline_ms: Some(baseline_ms), ..drift(severity) };
        let meanwhile = 2 * HOUR_MS + 60_000;
        for (canary, champion) in [(set(0.1, meanwhile), drift(0.1)), (drift(0.9), set(0.0, meanwhile))] {
            let judgement = judged(canary, champion);
            assert_eq!(judgement.verdict, Verdict::Hold(HoldReason::InsufficientData));
            assert!(judgement.reason.contains("was set 59 min ago"), "{judgement}");
        }
        assert_eq!(judged(set(0.1, 2 * HOUR_MS), drift(0.1)).verdict, Verdict::Pass);
    }
}
