//! The nodes that steps go to, in turn; one that was not available is left out for a moment.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use psi_api::v1::{StepRequest, StepResponse, psi_field_service_client::PsiFieldServiceClient};
use tokio::time::Instant;
use tonic::{Code, Status, transport::Channel};

use crate::{
    client::{self, Nodes},
    output::{Failure, broke_off, may_go_elsewhere},
};

/// How long a node is left out after it was not available, unless all are.
const REST: Duration = Duration::from_secs(1);

/// A connection to a machine that is gone is noticed after twice this, and dialled again.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

pub(super) struct Targets {
    targets: Vec<Target>,
    turn: AtomicUsize,
    nodes: Nodes,
}

struct Target {
    address: String,
    client: PsiFieldServiceClient<Channel>,
    rests_until: Mutex<Option<Instant>>,
}

/// A step that a node accepted.
#[derive(Debug)]
pub(super) struct Acceptance {
    pub(super) address: String,
    pub(super) step: StepResponse,
}

/// A step that a node did not accept.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) address: String,
    pub(super) status: Status,
    /// The field was missing, and is there now.
    pub(super) field_was_made: bool,
}

impl Refusal {
    /// Whether the step should be sent again, to another node: that this one may have taken it before its connection
    /// broke is why steps are counted at least once.
    pub(super) fn is_worth_another_try(&self) -> bool {
        may_go_elsewhere(&self.status) || broke_off(&self.status) || self.field_was_made
    }

    /// Whether it says more of the node than of the step. One that was late may have taken the step, so that is not
    /// sent again.
    pub(super) fn is_absence(&self) -> bool {
        let late = self.status.code() == Code::DeadlineExceeded;
        late || self.is_worth_another_try()
    }

    pub(super) fn is_for_want_of_the_field(&self) -> bool {
        psi_api::cause_of(&self.status).is_some_and(|(reason, _)| reason == "UNKNOWN_FIELD")
    }
}

impl Targets {
    /// Dials no node yet.
    ///
    /// # Errors
    /// If an address can't be dialled at all.
    pub(super) fn new(nodes: &Nodes) -> Result<Self, Failure> {
        let target = |address: &String| {
            let endpoint =
                nodes.endpoint(address)?.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
            let channel = endpoint.keep_alive_while_idle(true).connect_lazy();
            Ok(Target { address: address.clone(), client: client::fields(channel), rests_until: Mutex::default() })
        };
        let targets = nodes.addresses.iter().map(target).collect::<Result<_, Failure>>()?;
        Ok(Self { targets, turn: AtomicUsize::new(0), nodes: nodes.clone() })
    }

    /// Sends a step to the next node.
    ///
    /// # Errors
    /// What the node said, or that it did not in time.
    pub(super) async fn step(&self, request: StepRequest) -> Result<Acceptance, Refusal> {
        let target = self.next();
        let mut client = target.client.clone();
        let answered = tokio::time::timeout(self.nodes.timeout, client.step(request)).await;
        let status = match answered {
            Ok(Ok(response)) => return Ok(Acceptance { address: target.address.clone(), step: response.into_inner() }),
            Ok(Err(status)) => status,
            Err(_) => self.nodes.late(),
        };
        let refused = Refusal { address: target.address.clone(), status, field_was_made: false };
        if refused.is_absence() {
            target.rest();
        }
        Err(refused)
    }

    /// The next in turn that doesn't rest; the next of all where all rest.
    fn next(&self) -> &Target {
        let count = self.targets.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..count).map(|ahead| &self.targets[turn.wrapping_add(ahead) % count]);
        in_turn.clone().find(|target| !target.rests()).unwrap_or(&self.targets[turn % count])
    }
}

impl Target {
    fn rests(&self) -> bool {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self) {
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(targets: &Targets, count: usize) -> String {
        (0..count).map(|_| targets.next().address.split(':').next().unwrap_or_default()).collect()
    }

    #[tokio::test]
    async fn nodes_take_turns_and_one_that_rests_is_left_out() {
        let addresses = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
        let targets = Targets::new(&Nodes { addresses, timeout: REST }).unwrap();
        assert_eq!(turns(&targets, 6), "abcabc");
        targets.targets[1].rest();
        assert_eq!(turns(&targets, 6), "accacc");
        targets.targets.iter().for_each(Target::rest);
        assert_eq!(turns(&targets, 3), "abc");
    }
}
