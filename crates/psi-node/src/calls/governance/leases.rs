//! Leases: taken, renewed, given back and watched; and who votes on them.

use std::{collections::BTreeSet, time::Duration};

use psi_api::{Cause, v1};
use psi_ledger::record::Kind;
use psi_process::spec::LeaseTerms;
use psi_quorum::{
    ClientName, DURATION_MS_MAX, Grant, Holder, LeaseDuration, LeaseVerdict, Register, RegisterName, VOTERS_MAX,
};
use psi_replica::NodeId;
use psi_state::{Replica, VoterName};
use tokio::time::{Instant, sleep};
use tonic::Code;
use tracing::debug;

use super::registers::made_register;
use crate::{
    calls::{ops::Ops, readiness::writable},
    governance::{
        process::chain::{PROCESS_PREFIX, task_place},
        quorum::{
            lease_task::call_lease,
            message::{LeaseCall, LeaseOutcome, LeaseStatus},
            peers::node_of,
            registers::{LEASE_PREFIX, boot_time, key_of, register_of},
        },
    },
    node::context::NodeContext,
};

const DURATION_MS_DEFAULT: u64 = 30_000;
const DEADLINE_DEFAULT: Duration = Duration::from_secs(2);
/// Longest time that a caller may wait for a lease or for voters.
const WAIT_MS_MAX: u64 = 3_600_000;
/// Longest name of a lease, and of a client.
const NAME_BYTES_MAX: usize = 100;
/// Before a lease that another holds is asked for again: at least, and at most.
const RETRY_MS_MIN: u64 = 50;
const RETRY_MS_MAX: u64 = 2_000;

/// What a caller asks of a lease, unchecked.
pub(crate) struct LeaseRequest {
    pub(crate) name: String,
    pub(crate) client: String,
    /// 0: as usual.
    pub(crate) duration_ms: u64,
    pub(crate) wait_ms: u64,
    /// 0: as usual.
    pub(crate) deadline_ms: u32,
    /// What who asked can do where another holds it.
    pub(crate) way_out: &'static str,
}

impl Ops {
    /// Takes or renews a lease; waits for it if that is asked for.
    pub(crate) async fn acquire_lease(&self, request: LeaseRequest) -> Result<v1::LeaseGrant, Cause> {
        let LeaseRequest { name, client, duration_ms, wait_ms, deadline_ms, way_out } = request;
        let client = self.record_refusal(client_name(&client))?;
        let duration_ms = if duration_ms == 0 { DURATION_MS_DEFAULT } else { duration_ms };
        let duration = LeaseDuration::from_ms(duration_ms)
            .map_err(|error| bad_lease(error.to_string()).with("got", duration_ms).with("limit", DURATION_MS_MAX));
        let duration = self.record_refusal(duration)?;
        let mut register = self.record_refusal(self.lease_register(&name))?;
        let terms = self.check_terms(&name, &register, (&client, duration)).await;
        let duration = self.record_refusal(terms)?;
        let received = Instant::now();
        let until = received + Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
        let mut is_contended = false;
        loop {
            let waited = received.elapsed();
            let call = LeaseCall::Acquire { client: client.clone(), duration };
            let outcome = call_lease(&self.context, register.clone(), call, timeout(deadline_ms)).await;
            let verdict = self.record_refusal(verdict_of(outcome, &name))?;
            // Once a call, however often it asks again.
            if matches!(verdict, LeaseVerdict::Lost { .. }) && !std::mem::replace(&mut is_contended, true) {
                self.context.metrics.leases.record_contention();
            }
            let left_ms = match verdict {
                LeaseVerdict::Granted(grant) => {
                    // The task of it may have ended, and another have its place.
                    if self.lease_register(&name).ok().as_ref() != Some(&register) {
                        self.release_later(register, client);
                        return Err(self.record_cause(no_task(&name)));
                    }
                    return Ok(v1::LeaseGrant {
                        name,
                        client: grant.client.as_str().to_owned(),
                        fence: grant.fence.0,
                        left_ms: boot_time().ms_until(grant.until),
                        waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
                        node: self.context.settings.node.to_string(),
                    });
                }
                LeaseVerdict::Lost { left_ms, .. } if Instant::now() < until => left_ms,
                verdict => return Err(self.record_cause(refused(&self.context, (&name, way_out), &verdict))),
            };
            // Those who wait do not all come back at once.
            let pause = left_ms.clamp(RETRY_MS_MIN, RETRY_MS_MAX);
            let pause = pause + rand::random::<u64>() % pause.max(1);
            tokio::select! {
                () = sleep(Duration::from_millis(pause).min(until.saturating_duration_since(Instant::now()))) => {}
                () = self.context.stop.cancelled() => return Err(self.record_cause(no_majority(&name))),
            }
            register = self.record_refusal(self.lease_register(&name))?;
        }
    }

    /// Gives a lease back, and says how it stands.
    pub(crate) async fn release_lease(&self, name: &str, client: &str, deadline_ms: u32) -> Result<v1::Lease, Cause> {
        let client = self.record_refusal(client_name(client))?;
        // A lease that nobody ever took is free.
        let Some(register) = self.record_refusal(self.known_register(name))? else { return self.lease(name).await };
        let call = LeaseCall::Release { client };
        match call_lease(&self.context, register, call, timeout(deadline_ms)).await {
            Some(LeaseOutcome::NoMajority) | None => Err(self.record_cause(no_majority(name))),
            Some(LeaseOutcome::Verdict(LeaseVerdict::Refused(refusal))) => {
                Err(self.record_cause(conflict(name, &refusal.to_string())))
            }
            Some(_) => self.lease(name).await,
        }
    }

    /// Gives back what a client of this node has, and waits for nothing: a caller has its answer already.
    pub(super) fn release_later(&self, register: Register, client: ClientName) {
        let context = self.context.clone();
        tokio::spawn(async move {
            let call = LeaseCall::Release { client };
            let released = call_lease(&context, register, call, DEADLINE_DEFAULT).await;
            if let Some(LeaseOutcome::NoMajority) | None = released {
                debug!("a lease is not given back: most voters did not answer; it runs out");
            }
        });
    }

    /// What a client of this node may rely on now, and for how many milliseconds; `None` if it holds nothing.
    pub(super) async fn held_lease(&self, name: &str, client: &str) -> Result<Option<(Register, Grant, u64)>, Cause> {
        let Some(register) = self.known_register(name)? else { return Ok(None) };
        match call_lease(&self.context, register.clone(), LeaseCall::Look, DEADLINE_DEFAULT).await {
            Some(LeaseOutcome::Status(LeaseStatus { grant, .. })) => {
                let grant = grant.filter(|grant| grant.client.as_str() == client);
                let held = |grant: Grant| (register, boot_time().ms_until(grant.until), grant);
                Ok(grant.map(held).map(|(register, left_ms, grant)| (register, grant, left_ms)))
            }
            _ => Err(no_majority(name)),
        }
    }

    /// What this node knows of a lease.
    pub(crate) async fn lease(&self, name: &str) -> Result<v1::Lease, Cause> {
        let Some(register) = self.record_refusal(self.known_register(name))? else {
            let node = self.context.settings.node.to_string();
            return Ok(v1::Lease { name: name.to_owned(), node, ..v1::Lease::default() });
        };
        match call_lease(&self.context, register, LeaseCall::Look, DEADLINE_DEFAULT).await {
            Some(LeaseOutcome::Status(status)) => Ok(lease_message(&self.context, name, &status)),
            _ => Err(self.record_cause(no_majority(name))),
        }
    }

    /// Names who votes from now on.
    pub(crate) fn set_voters(&self, nodes: &[String]) -> Result<v1::Voters, Cause> {
        self.record_object(&nodes.join(", "));
        self.record_kind(Kind::VoterSetting);
        let voters = self.record_refusal(self.named_voters(nodes))?;
        self.record_refusal(self.context.read(writable))?;
        self.write(|replica, now| replica.set_voters(now, voters))?;
        Ok(self.voters())
    }

    /// Who votes in new leases.
    pub(crate) fn voters(&self) -> v1::Voters {
        let (voters, heads) = self.context.read(|replica| (replica.voters(), replica.ledger_heads()));
        let members = self.context.members.borrow();
        let is_live = |node: &str| members.iter().any(|member| member.live && member.node.as_str() == node);
        let own = self.context.settings.node.as_str();
        let voters = voters.iter().map(|voter| {
            let latest = heads.iter().filter(|head| head.author.node.as_str() == voter.node);
            let latest = latest.max_by_key(|head| head.author.incarnation);
            v1::Voter {
                node: voter.node.clone(),
                key: key_of(&voter.key).map(|key| key.to_string()).unwrap_or_default(),
                current: latest.is_some_and(|head| head.voter_key == voter.key),
                reachable: voter.node == own || is_live(&voter.node),
            }
        });
        v1::Voters { voters: voters.collect(), node: own.to_owned() }
    }

    /// The nodes as voters, by the keys that their latest runs show.
    fn named_voters(&self, nodes: &[String]) -> Result<Vec<VoterName>, Cause> {
        let bad = |message: String| Cause::new(Code::InvalidArgument, "BAD_VOTERS", message);
        if !(1..=VOTERS_MAX).contains(&nodes.len()) || nodes.iter().collect::<BTreeSet<_>>().len() != nodes.len() {
            let message = format!("name 1 to {VOTERS_MAX} nodes, each once; three or five serve most clusters");
            return Err(bad(message).with("got", nodes.len()).with("limit", VOTERS_MAX));
        }
        let heads = self.context.read(Replica::ledger_heads);
        let voter = |name: &String| {
            let node = NodeId::new(name).map_err(|error| bad(error.to_string()))?;
            let of_node = heads.iter().filter(|head| head.author.node == node && !head.voter_key.is_empty());
            let latest = of_node.max_by_key(|head| head.author.incarnation).ok_or_else(|| {
                bad(format!("node {node} is not known here; start it, and see `psi-field members`")).with("node", &node)
            })?;
            Ok(VoterName { node: name.clone(), key: latest.voter_key.clone() })
        };
        nodes.iter().map(voter).collect()
    }

    /// The register of a lease; `None` where nobody ever took it.
    fn known_register(&self, name: &str) -> Result<Option<Register>, Cause> {
        check_name(name)?;
        self.context.read(writable)?;
        let register_name = self.register_of_lease(name)?;
        let view = self.context.read(|replica| replica.register_view(&register_name));
        let register = |view| register_of(&view).ok_or_else(|| conflict(name, "its voters are none that can vote"));
        view.map(register).transpose()
    }

    /// The register of a lease, which is made where there is none.
    fn lease_register(&self, name: &str) -> Result<Register, Cause> {
        if let Some(register) = self.known_register(name)? {
            return Ok(register);
        }
        let view = made_register(&self.context, &self.register_of_lease(name)?)?;
        register_of(&view).ok_or_else(|| conflict(name, "its voters are none that can vote"))
    }

    /// For how long a client may take a lease: that of a task for as long as its spec says, and renew it so often.
    async fn check_terms(
        &self,
        name: &str,
        register: &Register,
        (client, duration): (&ClientName, LeaseDuration),
    ) -> Result<LeaseDuration, Cause> {
        let Some(LeaseTerms { seconds, renewals_max: most }) = self.terms_of_lease(name).await else {
            return Ok(duration);
        };
        let longest = LeaseDuration::from_ms(u64::from(seconds) * 1_000).unwrap_or(duration);
        let look = call_lease(&self.context, register.clone(), LeaseCall::Look, DEADLINE_DEFAULT).await;
        let Some(LeaseOutcome::Status(LeaseStatus { value: Some(value), grant: Some(grant), .. })) = look else {
            return Ok(duration.min(longest));
        };
        if grant.client != *client || value.renewals < most {
            return Ok(duration.min(longest));
        }
        let message = format!(
            "{client} renewed lease {name} {} times, and the spec of the process allows {most}; release it, so that others \
             get a turn, and take it again",
            value.renewals
        );
        Err(Cause::new(Code::FailedPrecondition, "LEASE_SPENT", message).with("limit", most))
    }

    /// What the register of a lease is called. That of a task has the place of the task in its bucket, which another task
    /// gets when this one has ended: so registers do not grow with the number of tasks.
    fn register_of_lease(&self, name: &str) -> Result<String, Cause> {
        if !name.starts_with(PROCESS_PREFIX) {
            return Ok(format!("{LEASE_PREFIX}{name}"));
        }
        let place = task_place(&self.context, name).ok_or_else(|| no_task(name))?;
        Ok(format!("{LEASE_PREFIX}{PROCESS_PREFIX}{place}"))
    }
}

/// That a lease, or work that has turns, may be called so.
pub(super) fn check_name(name: &str) -> Result<(), Cause> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let message = format!("a lease or a turn has a name of 1 to {NAME_BYTES_MAX} bytes without control characters");
    Err(bad_lease(message).with("got", name.len()).with("limit", NAME_BYTES_MAX))
}

fn client_name(client: &str) -> Result<ClientName, Cause> {
    let is_short = client.len() <= NAME_BYTES_MAX;
    let name = ClientName::new(client).ok().filter(|_| is_short && RegisterName::new(client).is_ok());
    name.ok_or_else(|| {
        let message = format!("a client has a name of 1 to {NAME_BYTES_MAX} bytes without control characters");
        bad_lease(message).with("got", client.len()).with("limit", NAME_BYTES_MAX)
    })
}

fn timeout(deadline_ms: u32) -> Duration {
    let asked = Duration::from_millis(u64::from(deadline_ms).min(WAIT_MS_MAX));
    if asked.is_zero() { DEADLINE_DEFAULT } else { asked }
}

fn verdict_of(outcome: Option<LeaseOutcome>, name: &str) -> Result<LeaseVerdict, Cause> {
    match outcome {
        Some(LeaseOutcome::Verdict(verdict)) => Ok(verdict),
        Some(LeaseOutcome::NoMajority | LeaseOutcome::Status(_)) | None => Err(no_majority(name)),
    }
}

fn refused(context: &NodeContext, (name, way_out): (&str, &str), verdict: &LeaseVerdict) -> Cause {
    match verdict {
        LeaseVerdict::Lost { holder, fence, left_ms } => {
            let who = holder.as_ref().map_or_else(|| "another".to_owned(), |holder| holder_text(context, holder));
            let message = format!(
                "lease {name} is held by {who} with fence {fence}, for at most {left_ms} ms unless it is renewed; {way_out}"
            );
            let cause = Cause::new(Code::FailedPrecondition, "LEASE_HELD", message);
            cause.with("holder", who).with("fence", fence).with("left_ms", left_ms)
        }
        LeaseVerdict::Refused(refusal) => conflict(name, &refusal.to_string()),
        LeaseVerdict::Granted(_) | LeaseVerdict::Lapsed(_) | LeaseVerdict::Released(_) => {
            let message =
                format!("lease {name} was won too late to hold it: voters were slow; ask again, or for longer");
            Cause::new(Code::FailedPrecondition, "LEASE_LAPSED", message)
        }
    }
}

fn no_task(name: &str) -> Cause {
    let message = format!(
        "leases {PROCESS_PREFIX}NAME/TASK are of tasks that go on, and {name} is of none that does, as this node knows; start \
         it first (psi-field process advance), or name another if it has ended"
    );
    Cause::new(Code::NotFound, "NO_TASK", message)
}

fn conflict(name: &str, why: &str) -> Cause {
    Cause::new(
        Code::FailedPrecondition,
        "LEASE_CONFLICT",
        format!("lease {name} can't be decided: {why}. If its voters do not come back, use another name"),
    )
}

fn no_majority(name: &str) -> Cause {
    let message = format!(
        "most voters of lease {name} did not answer in time; it may have been decided all the same. See `psi-field lease \
         voters show` and `psi-field members`"
    );
    Cause::new(Code::DeadlineExceeded, "NO_MAJORITY", message)
}

fn bad_lease(message: String) -> Cause {
    Cause::new(Code::InvalidArgument, "BAD_LEASE", message)
}

fn holder_text(context: &NodeContext, holder: &Holder) -> String {
    let node = node_of(context, holder.node.key).map_or_else(|| holder.node.to_string(), |node| node.to_string());
    format!("{} of node {node}", holder.client)
}

/// A lease as callers see it.
pub(crate) fn lease_message(context: &NodeContext, name: &str, status: &LeaseStatus) -> v1::Lease {
    let holder = status.value.as_ref().map(|value| &value.holder);
    let node = holder.and_then(|holder| node_of(context, holder.node.key));
    v1::Lease {
        name: name.to_owned(),
        fence: status.fence.0,
        holder: holder.map(|holder| holder.client.to_string()).unwrap_or_default(),
        holder_node: node.map(|node| node.to_string()).unwrap_or_default(),
        duration_ms: status.value.as_ref().map_or(0, |value| value.duration.as_ms()),
        node: context.settings.node.to_string(),
    }
}
