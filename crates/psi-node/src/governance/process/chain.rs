//! Where processes and tasks stand, as registers have it.

use psi_process::{DecidedChain, Name, Subject, TaskName};
use psi_quorum::{Decision, Request, Step};

use crate::node::context::NodeContext;

/// What the names of registers of processes and tasks begin with: `process/NAME`, `process/NAME/TASK`.
pub(crate) const PROCESS_PREFIX: &str = "process/";

/// The register of a process or a task. No name has a slash, so no two have one register.
pub(crate) fn register_name(subject: &Subject) -> String {
    match &subject.task {
        None => format!("{PROCESS_PREFIX}{}", subject.process),
        Some(task) => format!("{PROCESS_PREFIX}{}/{task}", subject.process),
    }
}

/// What a register is about; `None` if it is that of no process or task.
pub(crate) fn subject_of(register: &str) -> Option<Subject> {
    let name = register.strip_prefix(PROCESS_PREFIX)?;
    match name.split_once('/') {
        None => Some(Subject::process(Name::new(name).ok()?)),
        Some((process, task)) => Some(Subject::task(Name::new(process).ok()?, TaskName::new(task).ok()?)),
    }
}

/// Where the subject stands after a decision of its register.
///
/// # Errors
/// The decision is no step of such a chain: why.
pub(crate) fn chain_of(subject: &Subject, decision: &Decision) -> Result<DecidedChain, String> {
    if decision.step() == Step::GENESIS {
        return Ok(DecidedChain::new(subject.clone()));
    }
    let chain = DecidedChain::from_bytes(decision.value().body()).map_err(|error| error.to_string())?;
    if chain.subject() != subject || chain.step() != decision.step().0 {
        let (of, step) = (chain.subject(), chain.step());
        return Err(format!("step {} of {subject} is said to be step {step} of {of}", decision.step()));
    }
    Ok(chain)
}

/// Where the subject stands, as far as replicated state knows; without a step if nobody ever decided one.
///
/// # Errors
/// What stands there can't be read: why.
pub(crate) fn known_chain(context: &NodeContext, subject: &Subject) -> Result<DecidedChain, String> {
    let view = context.read(|replica| replica.register_view(&register_name(subject)));
    match view.filter(|view| view.step > 0) {
        None => Ok(DecidedChain::new(subject.clone())),
        Some(view) => announced_chain(subject, &view.decision),
    }
}

/// Where the subject stands, by a decision as it is announced.
///
/// # Errors
/// It can't be read: why.
pub(crate) fn announced_chain(subject: &Subject, decision: &[u8]) -> Result<DecidedChain, String> {
    let request = Request::decode(decision).map_err(|error| error.to_string())?;
    chain_of(subject, request.previous())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_of_one_subject_and_never_of_a_lease() {
        let name = |name: &str| Name::new(name).expect("a name");
        let task = Subject::task(name("nine-phases"), TaskName::new("T.1").expect("a name"));
        for subject in [task, Subject::process(name("nine-phases")), Subject::process(name("lease"))] {
            let register = register_name(&subject);
            assert_eq!(subject_of(&register), Some(subject));
            assert!(!register.starts_with(crate::governance::quorum::registers::LEASE_PREFIX), "{register}");
        }
        for other in ["lease/a", "process", "process/", "process/a/", "process/a/b/c", "process/A", "processes"] {
            assert_eq!(subject_of(other), None, "{other}");
        }
    }
}
