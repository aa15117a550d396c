//! Whether the inputs of the canary drift where those of the champion do not.
//!
//! Verdicts on drift come from elsewhere, with a discipline of their own: how rarely they are wrong is not counted in
//! [`super::ALPHA`].

use super::judgement::{Gate, HoldReason, Judgement, Verdict};
use crate::{assignment::Arm, text::duration};

/// What is known of drift of a version's inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DriftState {
    /// How severe it is, 0 to 1; `None` where there is no verdict.
    pub severity: Option<f64>,
    /// Why there is none, in words.
    pub obstacle: String,
    /// When the baseline was set that inputs are compared with.
    pub baseline_ms: Option<u64>,
}

/// What is known of drift of both versions' inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DriftComparison {
    /// Of the canary.
    pub canary: DriftState,
    /// Of the champion.
    pub champion: DriftState,
}

/// The moments that a verdict on drift depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DriftMoments {
    /// When the step of the schedule began.
    pub(crate) since_ms: u64,
    /// How long it lasts at least.
    pub(crate) window_ms: u64,
    pub(crate) now_ms: u64,
}

impl DriftComparison {
    /// FAIL where the canary's inputs drift and the champion's do not. Where both do, it is not the canary.
    pub(crate) fn judge(&self, threshold: f64, moments: DriftMoments) -> Judgement {
        let (verdict, reason) = self.verdict(threshold, moments);
        Judgement { gate: Gate::DriftSeverity, verdict, reason, comparison: None }
    }

    fn verdict(&self, threshold: f64, moments: DriftMoments) -> (Verdict, String) {
        let hold = Verdict::Hold;
        let arms = [(Arm::Canary, &self.canary), (Arm::Champion, &self.champion)];
        if let Some(reason) = arms.into_iter().find_map(|(arm, state)| state.replaced(arm, moments)) {
            return (hold(HoldReason::InsufficientData), reason);
        }
        let Some(canary) = self.canary.severity else {
            let reason = format!("no verdict on the inputs of the canary: {}", self.canary.obstacle);
            return (hold(HoldReason::InsufficientData), reason);
        };
        let own = format!("drift of the inputs of the canary has severity {canary:.3}");
        if canary < threshold {
            return (Verdict::Pass, format!("{own}, below {threshold}"));
        }
        match self.champion.severity {
            Some(champion) if champion < threshold => {
                (Verdict::Fail, format!("{own}, at least {threshold}, and of the champion {champion:.3}"))
            }
            Some(champion) => {
                let reason = format!("{own}, and of the champion {champion:.3}: the inputs of both drift");
                (hold(HoldReason::Inconclusive), reason)
            }
            None => {
                let reason = format!("{own}, and there is no verdict on the champion: {}", self.champion.obstacle);
                (hold(HoldReason::InsufficientData), reason)
            }
        }
    }
}

impl DriftState {
    /// Why a baseline that was set after the step began does not count yet.
    fn replaced(&self, arm: Arm, moments: DriftMoments) -> Option<String> {
        let DriftMoments { since_ms, window_ms, now_ms } = moments;
        let baseline_ms = self.baseline_ms.filter(|baseline_ms| *baseline_ms > since_ms)?;
        let age_ms = now_ms.saturating_sub(baseline_ms);
        (age_ms < window_ms).then(|| {
            format!(
                "the baseline of the {arm} was replaced {} ago, after this percentage began: it counts after {}",
                duration(age_ms / 1_000 * 1_000),
                duration(window_ms)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn state(severity: impl Into<Option<f64>>) -> DriftState {
        DriftState { severity: severity.into(), obstacle: "it has no baseline".to_owned(), baseline_ms: Some(1) }
    }

    fn judged(canary: DriftState, champion: DriftState) -> Judgement {
        let moments = DriftMoments { since_ms: HOUR_MS, window_ms: HOUR_MS, now_ms: 2 * HOUR_MS };
        DriftComparison { canary, champion }.judge(0.75, moments)
    }

    #[test]
    fn only_drift_of_the_canary_alone_fails() {
        let (none, inconclusive) =
            (Verdict::Hold(HoldReason::InsufficientData), Verdict::Hold(HoldReason::Inconclusive));
        let cases = [
            (state(0.74), state(0.9), Verdict::Pass),
            (state(0.1), state(None), Verdict::Pass),
            (state(0.75), state(0.74), Verdict::Fail),
            (state(0.75), state(0.75), inconclusive),
            (state(0.75), state(None), none),
            (state(None), state(0.1), none),
        ];
        for (canary, champion, want) in cases {
            let judgement = judged(canary.clone(), champion.clone());
            assert_eq!(judgement.verdict, want, "{canary:?} {champion:?}: {judgement}");
        }
    }

    #[test]
    fn a_baseline_that_was_replaced_holds_for_a_window() {
        let replaced = |baseline_ms| DriftState { baseline_ms: Some(baseline_ms), ..state(0.1) };
        for (canary, champion) in [(replaced(HOUR_MS + 60_000), state(0.1)), (state(0.9), replaced(HOUR_MS + 60_000))] {
            let judgement = judged(canary, champion);
            assert_eq!(judgement.verdict, Verdict::Hold(HoldReason::InsufficientData));
            assert!(judgement.reason.contains("was replaced 59 min ago"), "{judgement}");
        }
        assert_eq!(judged(replaced(HOUR_MS), state(0.1)).verdict, Verdict::Pass);
    }
}
