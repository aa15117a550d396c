//! What the registers hold, as a node reads it.

use psi_process::{DecidedChain, Subject, TaskBucket, Transition, TransitionHash, TransitionRefusal};
use psi_quorum::{Decision, Step};

use crate::cast::{PROCESS, cast};

/// What a register of a process, or of tasks, decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Process(Box<DecidedChain>),
    Tasks(TaskBucket),
}

impl Body {
    /// What was decided last.
    pub(crate) fn of(register: usize, decision: &Decision) -> Result<Self, String> {
        let step = decision.step();
        if step > Step::GENESIS {
            return match Self::read(register, decision.value().body())? {
                Self::Process(chain) if chain.step() != step.0 => Err(format!("step {step} is said to be another")),
                body => Ok(body),
            };
        }
        let subject = &cast().registers[register].subjects[0];
        Ok(match register {
            PROCESS => Self::Process(Box::new(DecidedChain::new(subject.clone()))),
            _ => Self::Tasks(TaskBucket::default()),
        })
    }

    pub(crate) fn read(register: usize, bytes: &[u8]) -> Result<Self, String> {
        let read = match register {
            PROCESS => DecidedChain::from_bytes(bytes).map(|chain| Self::Process(Box::new(chain))),
            _ => TaskBucket::from_bytes(bytes).map(Self::Tasks),
        };
        let read = read.map_err(|error| error.to_string())?;
        let subjects = &cast().registers[register].subjects;
        let stray = read.chains().into_iter().find(|chain| !subjects.contains(chain.subject()));
        stray.map_or(Ok(()), |chain| Err(format!("{} does not belong here", chain.subject())))?;
        Ok(read)
    }

    /// All that it says something of.
    pub(crate) fn chains(&self) -> Vec<&DecidedChain> {
        match self {
            Self::Process(chain) => vec![chain],
            Self::Tasks(bucket) => bucket.chains(0).collect(),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Process(chain) => chain.to_bytes(),
            Self::Tasks(bucket) => bucket.to_bytes(),
        }
    }

    pub(crate) fn chain(&self, subject: &Subject, now_ms: u64) -> DecidedChain {
        match self {
            Self::Process(chain) => DecidedChain::clone(chain),
            Self::Tasks(bucket) => bucket.chain(subject, now_ms),
        }
    }

    pub(crate) fn follow(&self, transition: &Transition) -> Result<Self, TransitionRefusal> {
        match self {
            Self::Process(chain) => {
                let mut next = chain.clone();
                next.apply(chain.step().saturating_add(1), transition, &cast().store)?;
                Ok(Self::Process(next))
            }
            Self::Tasks(bucket) => bucket.follow(transition, &cast().store).map(Self::Tasks),
        }
    }

    /// The transition that leads here; `None` if it is not exactly one.
    pub(crate) fn newest_since(&self, before: &Self) -> Option<TransitionHash> {
        match (self, before) {
            (Self::Process(chain), _) => chain.state().map(|state| state.head),
            (Self::Tasks(bucket), Self::Tasks(before)) => bucket.newest_since(before),
            (Self::Tasks(_), Self::Process(_)) => None,
        }
    }
}
