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
    output::{Failure, broke_off, is_access_refusal, may_go_elsewhere},
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
    state: Mutex<TargetState>,
}

/// What a node did with the last step that it answered, or did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TargetState {
    /// Accepted or refused it for its own sake; or was never asked.
    #[default]
    Available,
    /// Was not there.
    Absent,
    /// Refused the access token, or showed a certificate that the token does not trust.
    Locked,
}

/// Whether any node takes steps with this access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lockout {
    /// One node at least is available, or may be.
    Open,
    /// Some nodes refuse the token, and the others are absent.
    Likely,
    /// Every node refuses the token.
    Complete,
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
    /// What was in the way is gone: the field was missing, or the node did not hold what the step came after. Or it is
    /// in the way at this node, and perhaps not at others.
    pub(super) is_remedied: bool,
    /// What is wrong with the file of the access token.
    problem: Option<String>,
}

impl Refusal {
    pub(super) fn new(address: &str, status: Status) -> Self {
        Self { address: address.to_owned(), status, is_remedied: false, problem: None }
    }

    /// For people, and as an exit code.
    pub(super) fn failure(&self) -> Failure {
        let failure = Failure::refused(&self.address, &self.status);
        match &self.problem {
            Some(problem) => failure.with_detail(problem),
            None => failure,
        }
    }

    /// Whether it is for the access token, and not for the step.
    pub(super) fn is_for_access(&self) -> bool {
        is_access_refusal(&self.status)
    }

    /// Whether the step should be sent again, to another node: that this one may have taken it before its connection
    /// broke is why steps are counted at least once.
    pub(super) fn is_worth_another_try(&self) -> bool {
        let is_absent = may_go_elsewhere(&self.status) || broke_off(&self.status);
        self.is_remedied || (is_absent && !self.is_for_access())
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
    pub(super) fn is_for_its_session(&self) -> bool {
        psi_api::cause_of(&self.status).is_some_and(|(reason, _)| reason.starts_with("SESSION_TOKEN_"))
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
                state: Mutex::default(),
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
        let refused = |status| Refusal::new(&target.address, status);
        let access = &self.nodes.access;
        let (reading, again) = (access.reading(), access.is_from_file().then(|| request.clone()));
        let mut answered = self.attempt(target, request).await.map_err(refused);
        if let (Err(refusal), Some(request)) = (&mut answered, again)
            && refusal.is_for_access()
        {
            match access.renew(reading) {
                Ok(true) => answered = self.attempt(target, request).await.map_err(refused),
                Ok(false) => {}
                Err(problem) => refusal.problem = Some(problem),
            }
        }
        target.observe(&answered);
        answered.map(|step| Acceptance { address: target.address.clone(), step })
    }

    /// Sends a step to a target, after a ping if it has not answered lately.
    async fn attempt(&self, target: &Target, request: StepRequest) -> Result<StepResponse, Status> {
        if self.targets.len() > 1 && !target.answers.load(Ordering::Relaxed) {
            // Meanwhile other steps go elsewhere.
            target.rest();
            target.ping().await?;
            target.end_rest();
        }
        self.answer(target, request).await
    }

    /// Whether any target takes steps with this access token, as far as they were asked.
    pub(super) fn lockout(&self) -> Lockout {
        let count = |wanted| self.targets.iter().filter(|target| target.state() == wanted).count();
        match (count(TargetState::Locked), count(TargetState::Absent)) {
            (0, _) => Lockout::Open,
            (locked, _) if locked == self.targets.len() => Lockout::Complete,
            (locked, absent) if locked + absent == self.targets.len() => Lockout::Likely,
            _ => Lockout::Open,
        }
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
    /// Keeps in mind what the target did with a step.
    fn observe(&self, answered: &Result<StepResponse, Refusal>) {
        let state = match answered {
            Ok(_) => TargetState::Available,
            Err(refused) if refused.is_for_access() => TargetState::Locked,
            Err(refused) if refused.is_absence() => TargetState::Absent,
            Err(_) => TargetState::Available,
        };
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        match (state, answered) {
            (TargetState::Available, Ok(_)) => self.answers.store(true, Ordering::Relaxed),
            (TargetState::Available, Err(_)) => {}
            (TargetState::Absent | TargetState::Locked, _) => self.rest(),
        }
    }

    fn state(&self) -> TargetState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
    async fn nodes_that_refuse_the_token_lock_the_feed_out_once_no_other_is_there() {
        let addresses = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
        let targets =
            Targets::new(&Nodes { addresses, timeout: REST, access: AccessOptions::default() }, false).unwrap();
        let refusal = |code, reason| Refusal::new("a:1", psi_api::Cause::new(code, reason, "why").into());
        let refused = || Err(refusal(Code::Unauthenticated, "ACCESS_TOKEN_REFUSED"));
        let absent = || Err(Refusal::new("a:1", Status::unavailable("down")));
        let wrong = || Err(refusal(Code::InvalidArgument, "WRONG_WIDTH"));
        assert_eq!(targets.lockout(), Lockout::Open, "none was asked");
        for (answers, want) in [
            ([refused(), absent(), wrong()], Lockout::Open),
            ([refused(), absent(), Ok(StepResponse::default())], Lockout::Open),
            ([absent(), absent(), absent()], Lockout::Open),
            ([refused(), absent(), refused()], Lockout::Likely),
            ([refused(), refused(), refused()], Lockout::Complete),
        ] {
            let shown = format!("{answers:?}");
            targets.targets.iter().zip(answers).for_each(|(target, answered)| target.observe(&answered));
            assert_eq!(targets.lockout(), want, "{shown}");
        }
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
