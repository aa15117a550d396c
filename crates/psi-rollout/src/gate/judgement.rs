//! What a gate answers.

use std::fmt;

use crate::measure::Subject;

/// PASS, FAIL or HOLD. Only PASS advances, and HOLD is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The canary is surely within the margin.
    Pass,
    /// It is surely worse than the champion.
    Fail,
    /// Neither is sure.
    Hold(HoldReason),
}

/// Why a rollout holds. Those that only time can change come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldReason {
    /// Too few steps, too few keys, or too short a time.
    InsufficientData,
    /// There are enough, and they do not decide it.
    Inconclusive,
    /// A registered member has reported nothing past the window.
    Unheard,
    /// No majority of voters answers.
    NoMajority,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// The share of steps that fail.
    ErrorRate,
    /// The mean latency.
    Latency,
    /// The mean of a value that steps have.
    Measure(Subject),
    /// How severely inputs drift.
    DriftSeverity,
}

/// The canary beside the champion: in shares of steps, in milliseconds, or in the unit of what is measured. Of a measure
/// that may fall, a margin below 0, all is the other way round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The canary's mean.
    pub canary: f64,
    /// The champion's.
    pub champion: f64,
    /// Above this value the canary is bad.
    pub tolerated: f64,
    /// How far the canary's distance from `tolerated` may be off.
    pub tolerated_radius: f64,
    /// Below this value it is good.
    pub limit: f64,
    /// How far its distance from `limit` may be off.
    pub limit_radius: f64,
}

/// What a gate answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The gate.
    pub gate: Gate,
    /// Its answer.
    pub verdict: Verdict,
    /// Why, in words and numbers.
    pub reason: String,
    /// The numbers, if there were enough to compare.
    pub comparison: Option<Comparison>,
}

impl HoldReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InsufficientData, Self::Inconclusive, Self::Unheard, Self::NoMajority];

    /// Its name, for people, metrics and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InsufficientData => "INSUFFICIENT_DATA",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Unheard => "UNHEARD",
            Self::NoMajority => "NO_MAJORITY",
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("PASS"),
            Self::Fail => f.write_str("FAIL"),
            Self::Hold(reason) => write!(f, "HOLD ({reason})"),
        }
    }
}

impl Verdict {
    /// What all gates say together: FAIL if one fails, else HOLD if one holds or there is none, else PASS.
    #[must_use]
    pub fn of_all(judgements: &[Judgement]) -> Self {
        let verdicts = judgements.iter().map(|judgement| judgement.verdict);
        let all = verdicts.reduce(|all, one| match (all, one) {
            (Self::Fail, _) | (_, Self::Fail) => Self::Fail,
            (Self::Hold(a), Self::Hold(b)) => Self::Hold(a.min(b)),
            (Self::Hold(reason), _) | (_, Self::Hold(reason)) => Self::Hold(reason),
            (Self::Pass, Self::Pass) => Self::Pass,
        });
        all.unwrap_or(Self::Hold(HoldReason::InsufficientData))
    }
}

/// Its name, for people, metrics and programs.
impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ErrorRate => f.pad("error_rate"),
            Self::Latency => f.pad("latency"),
            Self::Measure(subject) => subject.fmt(f),
            Self::DriftSeverity => f.pad("drift_severity"),
        }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.gate, self.verdict, self.reason)
    }
}

impl Comparison {
    pub(super) fn verdict(&self) -> Verdict {
        if self.canary - self.tolerated_radius > self.tolerated {
            Verdict::Fail
        } else if self.canary + self.limit_radius < self.limit {
            Verdict::Pass
        } else {
            Verdict::Hold(HoldReason::Inconclusive)
        }
    }

    /// Each number as people know it.
    pub(super) fn map(self, shown: impl Fn(f64) -> f64) -> Self {
        Self {
            canary: shown(self.canary),
            champion: shown(self.champion),
            tolerated: shown(self.tolerated),
            tolerated_radius: shown(self.tolerated_radius).abs(),
            limit: shown(self.limit),
            limit_radius: shown(self.limit_radius).abs(),
        }
    }
}
