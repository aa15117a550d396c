//! What a gate answers.

use std::fmt;

use crate::{
    name::Name,
    text::cut,
    value::{Reading, TEXT_BYTES_MAX, Value},
};

/// Longest reason in a record, in bytes.
pub const REASON_BYTES_MAX: usize = 512;
/// Most readings of a judgement in a record.
pub const READINGS_MAX: usize = 40;

/// PASS, FAIL or HOLD. Only PASS advances, and HOLD is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// What the gate asks for is there.
    Pass,
    /// It is not.
    Fail,
    /// That can't be said.
    Hold(HoldReason),
}

macro_rules! hold_reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)*) => {
        /// Why a gate holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum HoldReason {
            $($(#[$doc])* $reason,)*
        }

        impl HoldReason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$reason,)*];

            /// Its name, for people, metrics and programs.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)*
                }
            }

            pub(crate) fn message(self) -> crate::proto::HoldReason {
                match self {
                    $(Self::$reason => crate::proto::HoldReason::$reason,)*
                }
            }
        }
    };
}

hold_reasons! {
    /// Evidence is not there.
    MissingEvidence = "MISSING_EVIDENCE",
    /// Evidence is there and can't be read, or is not what its hash says.
    MalformedEvidence = "MALFORMED_EVIDENCE",
    /// There are no such statistics.
    NoData = "NO_DATA",
    /// There are too few to judge by.
    InsufficientData = "INSUFFICIENT_DATA",
    /// They do not decide it.
    Inconclusive = "INCONCLUSIVE",
    /// What should judge could not.
    BrokenEvaluator = "BROKEN_EVALUATOR",
    /// Too few trusted keys signed.
    MissingSignatures = "MISSING_SIGNATURES",
    /// The statement is about something else.
    OtherSubject = "OTHER_SUBJECT",
    /// No baseline was set.
    MissingBaseline = "MISSING_BASELINE",
    /// A baseline was set and can't be read.
    CorruptBaseline = "CORRUPT_BASELINE",
    /// Another process is not there yet.
    NotReached = "NOT_REACHED",
    /// A registered member has reported nothing past the window.
    Unheard = "UNHEARD",
    /// No majority of voters answers.
    NoMajority = "NO_MAJORITY",
}

/// What a gate answered, and what that rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The gate.
    pub gate: Name,
    /// Its answer.
    pub verdict: Verdict,
    /// Why, in words and numbers.
    pub reason: String,
    /// The values that it was judged by.
    pub readings: Vec<Reading>,
    /// All that is missing, by name. Records do not keep it.
    pub missing: Vec<String>,
}

impl Verdict {
    /// Whether it lets a task advance.
    #[must_use]
    pub fn is_pass(self) -> bool {
        self == Self::Pass
    }

    /// What all gates of a phase say together: FAIL if one fails, else HOLD if one holds, else PASS.
    #[must_use]
    pub fn of_all(judgements: &[Judgement]) -> Self {
        judgements.iter().map(|judgement| judgement.verdict).fold(Self::Pass, |all, one| match (all, one) {
            (Self::Fail, _) | (_, Self::Fail) => Self::Fail,
            (Self::Hold(reason), _) | (_, Self::Hold(reason)) => Self::Hold(reason),
            (Self::Pass, Self::Pass) => Self::Pass,
        })
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

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Judgement {
    pub(crate) fn new(gate: &Name, verdict: Verdict, reason: String) -> Self {
        Self { gate: gate.clone(), verdict, reason, readings: Vec::new(), missing: Vec::new() }
    }

    pub(crate) fn hold(gate: &Name, hold: HoldReason, reason: String) -> Self {
        Self::new(gate, Verdict::Hold(hold), reason)
    }

    pub(crate) fn with_readings(self, readings: Vec<Reading>) -> Self {
        Self { readings, ..self }
    }

    pub(crate) fn with_missing(self, missing: Vec<String>) -> Self {
        Self { missing, ..self }
    }

    /// What a record keeps of it: one line of up to [`REASON_BYTES_MAX`] bytes as its reason, and readings in order.
    #[must_use]
    pub fn for_record(&self) -> Self {
        let mut readings: Vec<_> = self.readings.iter().map(shortened).collect();
        readings.sort_by(|a, b| a.name.cmp(&b.name));
        readings.dedup_by(|a, b| a.name == b.name);
        readings.truncate(READINGS_MAX);
        let reason = cut(&self.reason, REASON_BYTES_MAX).replace(char::is_control, " ");
        let gate = self.gate.clone();
        Self { gate, verdict: self.verdict, reason, readings, missing: Vec::new() }
    }
}

fn shortened(reading: &Reading) -> Reading {
    let value = match &reading.value {
        Value::Text(text) => Value::Text(cut(text, TEXT_BYTES_MAX).to_owned()),
        value => value.clone(),
    };
    Reading { name: reading.name.clone(), value }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.gate, self.verdict, self.reason)
    }
}
