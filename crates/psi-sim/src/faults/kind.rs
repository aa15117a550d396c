//! What may befall a cluster.

use crate::plan::mode::Mode;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FaultKind {
    Crash,
    Pause,
    LongPause,
    TwinRun,
    Partition,
    OneWay,
    Clog,
    Break,
    FalseDeath,
    Join,
    Leave,
    ClockJump,
    ClocksTogether,
    Blackout,
}

const USUAL: [FaultKind; 12] = [
    FaultKind::Crash,
    FaultKind::Pause,
    FaultKind::LongPause,
    FaultKind::TwinRun,
    FaultKind::Partition,
    FaultKind::OneWay,
    FaultKind::Clog,
    FaultKind::Break,
    FaultKind::FalseDeath,
    FaultKind::Join,
    FaultKind::Leave,
    FaultKind::Blackout,
];

const CLOCKS: [FaultKind; 8] = [
    FaultKind::ClockJump,
    FaultKind::ClockJump,
    FaultKind::ClocksTogether,
    FaultKind::ClocksTogether,
    FaultKind::Pause,
    FaultKind::Crash,
    FaultKind::Break,
    FaultKind::Partition,
];

const ROLLOUTS: [FaultKind; 10] = [
    FaultKind::Crash,
    FaultKind::Pause,
    FaultKind::Partition,
    FaultKind::Partition,
    FaultKind::OneWay,
    FaultKind::Clog,
    FaultKind::Break,
    FaultKind::FalseDeath,
    FaultKind::ClockJump,
    FaultKind::Blackout,
];

impl FaultKind {
    /// Those that runs of a mode choose from.
    pub(crate) fn of_mode(mode: Mode) -> &'static [Self] {
        match mode {
            Mode::Clocks => &CLOCKS,
            // Votes of a machine are those of one process at a time.
            Mode::Rollouts => &ROLLOUTS,
            Mode::Safety | Mode::Liveness | Mode::Strangers => &USUAL,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Pause => "pause",
            Self::LongPause => "pause while a successor starts",
            Self::TwinRun => "two runs at once",
            Self::Partition => "partition",
            Self::OneWay => "one-way partition",
            Self::Clog => "clog",
            Self::Break => "broken connection",
            Self::FalseDeath => "false death",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::ClockJump => "clock jump",
            Self::ClocksTogether => "clocks set together",
            Self::Blackout => "crash of all",
        }
    }
}
