//! The nodes that steps go to: in turn, or all to one as long as it answers. One that was not available, or does not
//! answer, is left out for a moment, and after it until it has answered a ping.

use std::{
    pin::pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use psi_api::v1::{StepRequest, StepResponse, psi_field_service_client::PsiFieldServiceClient};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::{
    client::{self, Connection, Nodes, SILENCE},
    output::{Failure, broke_off, may_go_elsewhere},
};

/// How long a node is left out after it was not available, unless all are.
const REST: Duration = Duration::from_secs(1);

/// A connection to a machine that is gone is noticed after twice this, and dialled again.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

pub(super) struct Targets {
    targets: Vec<Target>,
    turn: AtomicUsize,
    /// All steps go to one node as long as it answers.
    in_order: bool,
    nodes: Nodes,
}

struct Target {
    address: String,
    channel: Connection,
    client: PsiFieldServiceClient<Connection>,
    rests_until: Mutex<Option<Instant>>,
    /// It has answered, and since then to all.
    answers: AtomicBool,
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
    /// What was in the way is gone: the field was missing, or the node did not hold what the step came after.
    pub(super) is_remedied: bool,
}

impl Refusal {
    /// Whether the step should be sent again, to another node: that this one may have taken it before its connection
    /// broke is why steps are counted at least once.
    pub(super) fn is_worth_another_try(&self) -> bool {
        may_go_elsewhere(&self.status) || broke_off(&self.status) || self.is_remedied
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

    /// The node does not hold the steps before, and may never do so: the node that took them may be gone.
    pub(super) fn is_for_its_token(&self) -> bool {
        psi_api::cause_of(&self.status).is_some_and(|(reason, _)| reason.starts_with("TOKEN_"))
    }
}

impl Targets {
    /// Dials no node yet.
    ///
    /// # Errors
    /// If an address can't be dialled at all.
    pub(super) fn new(nodes: &Nodes, in_order: bool) -> Result<Self, Failure> {
        let target = |address: &String| {
            let endpoint =
                nodes.endpoint(address)?.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
            let channel = nodes.access.get()?.connect_lazily(&endpoint.keep_alive_while_idle(true));
            Ok(Target {
                address: address.clone(),
                client: client::fields(channel.clone()),
                channel,
                rests_until: Mutex::default(),
                answers: AtomicBool::new(false),
            })
        };
        let targets = nodes.addresses.iter().map(target).collect::<Result<_, Failure>>()?;
        Ok(Self { targets, turn: AtomicUsize::new(0), in_order, nodes: nodes.clone() })
    }

    /// Sends a step to the next node.
    ///
    /// # Errors
    /// What the node said, or that it did not in time.
    pub(super) async fn step(&self, request: StepRequest) -> Result<Acceptance, Refusal> {
        let target = self.next();
        let refused = |status: Status| Refusal { address: target.address.clone(), status, is_remedied: false };
        if self.targets.len() > 1 && !target.answers.load(Ordering::Relaxed) {
            // Meanwhile other steps go elsewhere.
            target.rest();
            if let Err(status) = target.ping().await {
                target.rest();
                return Err(refused(status));
            }
            target.end_rest();
        }
        let status = match self.answer(target, request).await {
            Ok(step) => {
                target.answers.store(true, Ordering::Relaxed);
                return Ok(Acceptance { address: target.address.clone(), step });
            }
            Err(status) => status,
        };
        let refused = refused(status);
        if refused.is_absence() {
            target.rest();
        }
        Err(refused)
    }

    /// What the target answers within the time-out. One that is silent is left out before that is over.
    async fn answer(&self, target: &Target, request: StepRequest) -> Result<StepResponse, Status> {
        let mut client = target.client.clone();
        let mut call = pin!(client.step(request));
        let silence = SILENCE.min(self.nodes.timeout);
        let answered = match tokio::time::timeout(silence, &mut call).await {
            Ok(answered) => Ok(answered),
            Err(_) => {
                target.rest();
                tokio::time::timeout(self.nodes.timeout.saturating_sub(silence), call).await
            }
        };
        answered.map_err(|_| self.nodes.late())?.map(tonic::Response::into_inner)
    }

    /// The next in turn that doesn't rest; the next of all where all rest. In order, the one before counts as the next.
    fn next(&self) -> &Target {
        let count = self.targets.len();
        let step = usize::from(!self.in_order);
        let turn = self.turn.fetch_add(step, Ordering::Relaxed);
        let place =
            (0..count).map(|ahead| turn.wrapping_add(ahead) % count).find(|place| !self.targets[*place].rests());
        match place {
            Some(place) if self.in_order => self.turn.store(place, Ordering::Relaxed),
            // Each attempt asks another.
            None if self.in_order => self.turn.store(turn.wrapping_add(1), Ordering::Relaxed),
            _ => {}
        }
        &self.targets[place.unwrap_or(turn % count)]
    }
}

impl Target {
    fn rests(&self) -> bool {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self) {
        self.answers.store(false, Ordering::Relaxed);
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }

    fn end_rest(&self) {
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// That it answers at all: a step that it took without an answer could not be sent to another.
    async fn ping(&self) -> Result<(), Status> {
        client::ping(self.channel.clone()).await.map_err(|status| match status.code() {
            Code::DeadlineExceeded => Status::unavailable(status.message()),
            _ => status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::AccessOptions;

    fn turns(targets: &Targets, count: usize) -> String {
        (0..count).map(|_| targets.next().address.split(':').next().unwrap_or_default()).collect()
    }

    #[tokio::test]
    async fn nodes_take_turns_and_one_that_rests_is_left_out() {
        let addresses = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
        let targets =
            Targets::new(&Nodes { addresses, timeout: REST, access: AccessOptions::default() }, false).unwrap();
        assert_eq!(turns(&targets, 6), "abcabc");
        targets.targets[1].rest();
        assert_eq!(turns(&targets, 6), "accacc");
        targets.targets.iter().for_each(Target::rest);
        assert_eq!(turns(&targets, 3), "abc");
    }

    #[tokio::test]
    async fn in_order_all_go_to_one_node_as_long_as_it_answers() {
        let addresses = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
        let targets =
            Targets::new(&Nodes { addresses, timeout: REST, access: AccessOptions::default() }, true).unwrap();
        assert_eq!(turns(&targets, 3), "aaa");
        targets.targets[0].rest();
        assert_eq!(turns(&targets, 3), "bbb");
        targets.targets[0].end_rest();
        assert_eq!(turns(&targets, 2), "bb");
        targets.targets.iter().for_each(Target::rest);
        assert_eq!(turns(&targets, 4), "bcab");
    }
}
