//! Where processes and tasks stand, as registers have it.

use psi_process::{
    DecidedChain, Name, SpecStore, Subject, TaskBucket, TaskName, Transition, TransitionHash, TransitionRefusal,
    engine::BUCKET_BYTES_MAX,
};
use psi_quorum::{BODY_BYTES_MAX, Decision, Request, Step};

use crate::node::context::NodeContext;

/// What the names of registers of processes begin with: `process/NAME`.
pub(crate) const PROCESS_PREFIX: &str = "process/";
/// What the names of registers of tasks begin with: `tasks/PROCESS/NUMBER`, a bucket of tasks of the process.
pub(crate) const BUCKET_PREFIX: &str = "tasks/";

// A register holds what a bucket takes up.
const _: () = assert!(BUCKET_BYTES_MAX <= BODY_BYTES_MAX);

/// What a register of a process, or of tasks, decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RegisterBody {
    Process(Box<DecidedChain>),
    Tasks(TaskBucket),
}

/// The register that holds a process or a task. No name has a slash, so no two processes have one register.
pub(crate) fn register_name(subject: &Subject) -> String {
    match TaskBucket::number_of(subject) {
        None => format!("{PROCESS_PREFIX}{}", subject.process),
        Some(bucket) => format!("{}{bucket}", buckets_of(&subject.process)),
    }
}

/// What the names of registers of a process's tasks begin with.
pub(crate) fn buckets_of(process: &Name) -> String {
    format!("{BUCKET_PREFIX}{process}/")
}

/// What a task is called where it has no register of its own: `process/NAME/TASK`.
pub(crate) fn path_of(subject: &Subject) -> String {
    let task = subject.task.as_ref().map(|task| format!("/{task}")).unwrap_or_default();
    format!("{PROCESS_PREFIX}{}{task}", subject.process)
}

impl RegisterBody {
    /// That of a register in which nothing was decided.
    fn empty(register: &str) -> Result<Self, String> {
        let process = |name: &str| {
            let subject = Subject::process(Name::new(name).ok()?);
            Some(Self::Process(Box::new(DecidedChain::new(subject))))
        };
        let bucket = |name: &str| {
            let (process, text) = name.split_once('/')?;
            let number = text.parse::<u16>().ok().filter(|number| *number < TaskBucket::COUNT)?;
            (Name::new(process).is_ok() && number.to_string() == text).then(|| Self::Tasks(TaskBucket::default()))
        };
        let of_process = register.strip_prefix(PROCESS_PREFIX).and_then(process);
        let body = of_process.or_else(|| register.strip_prefix(BUCKET_PREFIX).and_then(bucket));
        body.ok_or_else(|| format!("this node votes on no register {register}"))
    }

    /// What a register decided last.
    ///
    /// # Errors
    /// It can't be read, or is not of this register: why.
    pub(crate) fn of(register: &str, decision: &Decision) -> Result<Self, String> {
        if decision.step() == Step::GENESIS {
            return Self::empty(register);
        }
        let body = Self::read(register, decision.value().body())?;
        match &body {
            // There may be steps of the register that repeat one of the process, for other voters.
            Self::Process(chain) if chain.step() > decision.step().0 => {
                Err(format!("step {} of {} is said to be step {}", decision.step(), chain.subject(), chain.step()))
            }
            _ => Ok(body),
        }
    }

    /// What is proposed for a register.
    ///
    /// # Errors
    /// It can't be read, or is not of this register: why.
    pub(crate) fn read(register: &str, body: &[u8]) -> Result<Self, String> {
        let read = match Self::empty(register)? {
            Self::Process(_) => DecidedChain::from_bytes(body).map(|chain| Self::Process(Box::new(chain))),
            Self::Tasks(_) => TaskBucket::from_bytes(body).map(Self::Tasks),
        };
        let read = read.map_err(|error| error.to_string())?;
        let stray = read.chains(0).into_iter().find(|chain| register_name(chain.subject()) != register);
        stray.map_or(Ok(()), |chain| Err(format!("{} does not belong in register {register}", chain.subject())))?;
        Ok(read)
    }

    /// Its bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Process(chain) => chain.to_bytes(),
            Self::Tasks(bucket) => bucket.to_bytes(),
        }
    }

    /// All that it says something of at this time.
    pub(crate) fn chains(&self, now_ms: u64) -> Vec<&DecidedChain> {
        match self {
            Self::Process(chain) => vec![chain],
            Self::Tasks(bucket) => bucket.chains(now_ms).collect(),
        }
    }

    /// Where the subject stands; without a step if nothing is known of it.
    pub(crate) fn chain(&self, subject: &Subject, now_ms: u64) -> DecidedChain {
        match self {
            Self::Process(chain) if chain.subject() == subject => DecidedChain::clone(chain),
            Self::Process(_) => DecidedChain::new(subject.clone()),
            Self::Tasks(bucket) => bucket.chain(subject, now_ms),
        }
    }

    /// What is decided next, if the transition follows by the rules.
    ///
    /// # Errors
    /// [`TransitionRefusal`].
    pub(crate) fn follow(&self, transition: &Transition, specs: &SpecStore) -> Result<Self, TransitionRefusal> {
        match self {
            Self::Process(chain) => {
                let mut next = chain.clone();
                next.apply(chain.step().saturating_add(1), transition, specs)?;
                Ok(Self::Process(next))
            }
            Self::Tasks(bucket) => bucket.follow(transition, specs).map(Self::Tasks),
        }
    }

    /// Which transition leads here from another body of the register; `None` if it is not exactly one.
    pub(crate) fn newest_since(&self, before: &Self) -> Option<TransitionHash> {
        match (self, before) {
            (Self::Process(chain), _) => chain.state().map(|state| state.head),
            (Self::Tasks(bucket), Self::Tasks(before)) => bucket.newest_since(before),
            (Self::Tasks(_), Self::Process(_)) => None,
        }
    }
}

/// What a register decided last, by a decision as it is announced.
///
/// # Errors
/// It can't be read: why.
pub(crate) fn announced_body(register: &str, decision: &[u8]) -> Result<RegisterBody, String> {
    let request = Request::decode(decision).map_err(|error| error.to_string())?;
    RegisterBody::of(register, request.previous())
}

/// Where the subject stands, as far as replicated state knows; without a step if nobody ever decided one, or it ended so
/// long ago that it is kept no longer.
///
/// # Errors
/// What stands there can't be read: why.
pub(crate) fn known_chain(context: &NodeContext, subject: &Subject) -> Result<DecidedChain, String> {
    let register = register_name(subject);
    let view = context.read(|replica| replica.register_view(&register));
    match view.filter(|view| view.step > 0) {
        None => Ok(DecidedChain::new(subject.clone())),
        Some(view) => Ok(announced_body(&register, &view.decision)?.chain(subject, context.now().wall.0)),
    }
}

/// Where the task of a lease `process/NAME/TASK` has its place: `NAME/BUCKET/PLACE`. `None` if no such task goes
/// on, as far as replicated state knows.
pub(crate) fn task_place(context: &NodeContext, lease: &str) -> Option<String> {
    let subject = task_of_lease(lease)?;
    let register = register_name(&subject);
    let view = context.read(|replica| replica.register_view(&register)).filter(|view| view.step > 0)?;
    let RegisterBody::Tasks(bucket) = announced_body(&register, &view.decision).ok()? else { return None };
    Some(format!("{}/{}/{}", subject.process, TaskBucket::number_of(&subject)?, bucket.place(&subject)?))
}

/// The task of a lease `process/NAME/TASK`.
pub(crate) fn task_of_lease(lease: &str) -> Option<Subject> {
    let (process, task) = lease.strip_prefix(PROCESS_PREFIX)?.split_once('/')?;
    Some(Subject::task(Name::new(process).ok()?, TaskName::new(task).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_of_processes_or_of_tasks_and_never_of_leases() {
        let name = |name: &str| Name::new(name).expect("a name");
        let process = register_name(&Subject::process(name("lease")));
        let task = register_name(&Subject::task(name("nine-phases"), TaskName::new("T.1").expect("a name")));
        for register in [&process, &task] {
            assert!(RegisterBody::empty(register).is_ok(), "{register}");
            assert!(!register.starts_with(crate::governance::quorum::registers::LEASE_PREFIX), "{register}");
        }
        assert_eq!(process, "process/lease");
        let last = format!("tasks/small/{}", TaskBucket::COUNT - 1);
        assert_eq!(RegisterBody::empty(&last), Ok(RegisterBody::Tasks(TaskBucket::default())));
        let beyond = format!("tasks/small/{}", TaskBucket::COUNT);
        let odd = ["lease/a", "process", "process/", "process/a/b", "process/A", "tasks/1", "tasks/A/1", "tasks/a/01"];
        for other in odd.into_iter().chain(["tasks/a/+1", &beyond]) {
            assert!(RegisterBody::empty(other).is_err(), "{other}");
        }
    }
}
