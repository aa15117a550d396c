//! The side of those who want a lease: a proposer, and what its run may rely on.

use psi_security::node_key::NodePublicKey;

use super::{
    grant::Grant,
    value::{ClientName, Fence, LeaseDuration, LeaseValue},
    verdict::{LeaseProgress, LeaseVerdict},
};
use crate::{
    boot_time::BootTime,
    decision::Decision,
    message::{Request, Response},
    proposer::{Progress, ProposeError, Proposer, Verdict},
    refusal::Refusal,
    voters::VoterSet,
};

/// A lease as a run sees it, for all clients of its node. Like the [`Proposer`] in it, it lives as long as the run.
#[derive(Clone, Debug)]
pub struct Lease {
    proposer: Proposer,
    grant: Option<Grant>,
    /// The client of the attempt on its way.
    client: Option<ClientName>,
    /// Whether what is on its way is to be released once it is won.
    is_unwanted: bool,
}

impl Lease {
    /// A lease in which a proposer takes part.
    #[must_use]
    pub fn new(proposer: Proposer) -> Self {
        Self { proposer, grant: None, client: None, is_unwanted: false }
    }

    /// Its proposer: who it is, the last decision, and when [`Lease::tick`] is to be called.
    #[must_use]
    pub fn proposer(&self) -> &Proposer {
        &self.proposer
    }

    /// Which client of this run holds it now.
    #[must_use]
    pub fn grant(&self, now: BootTime) -> Option<&Grant> {
        self.grant.as_ref().filter(|grant| now < grant.until)
    }

    /// Acquires it for a client, or renews it. `voters` are those of the next step: the ones of the last decision, or
    /// others where operators changed them. From here on the client relies on it for at most `duration`, even if an
    /// earlier grant was longer: should the renewal win unnoticed, voters guard no more than that.
    ///
    /// # Errors
    /// Another attempt of this node is on its way.
    pub fn acquire(
        &mut self,
        now: BootTime,
        client: &ClientName,
        duration: LeaseDuration,
        voters: VoterSet,
    ) -> Result<LeaseProgress, ProposeError> {
        if let Some(grant) = self.grant(now).filter(|grant| grant.client != *client) {
            let left_ms = now.ms_until(grant.until);
            return Ok(LeaseProgress { verdict: Some(self.loss(left_ms)), ..LeaseProgress::default() });
        }
        let renewals = self.held_by(client).map_or(0, |lease| lease.renewals.saturating_add(1));
        let progress = self.proposer.propose(now, voters, LeaseValue::body(client, duration, renewals))?;
        if let Some(grant) = &mut self.grant {
            grant.until = grant.until.min(duration.end(now));
        }
        self.client = Some(client.clone());
        Ok(self.conclude(now, progress))
    }

    /// Lets go of it for a client, at once here. An acquisition on its way is released as soon as it is won. What comes
    /// back is empty if the client has nothing to release.
    pub fn release(&mut self, now: BootTime, client: &ClientName) -> LeaseProgress {
        if self.grant.as_ref().is_some_and(|grant| grant.client == *client) {
            self.grant = None;
        }
        if self.proposer.is_busy() {
            self.is_unwanted |= self.client.as_ref() == Some(client);
            return LeaseProgress::default();
        }
        self.propose_release(now, client)
    }

    /// Gives up an attempt. It may be won all the same, unknown to the client, and then lasts for its duration.
    pub fn withdraw(&mut self) {
        self.proposer.withdraw();
        self.client = None;
        self.is_unwanted = false;
    }

    /// Takes a voter's response, as [`Proposer::handle`].
    pub fn handle(&mut self, now: BootTime, random: u64, from: NodePublicKey, response: &Response) -> LeaseProgress {
        let progress = self.proposer.handle(now, random, from, response);
        self.conclude(now, progress)
    }

    /// Sends again or tries again, as [`Proposer::tick`].
    pub fn tick(&mut self, now: BootTime) -> LeaseProgress {
        let progress = self.proposer.tick(now);
        self.conclude(now, progress)
    }

    /// Takes a decision from elsewhere, as [`Proposer::learn`].
    ///
    /// # Errors
    /// It is of another register, or another decision of that step is known.
    pub fn learn(&mut self, now: BootTime, announcement: &Request) -> Result<LeaseProgress, Refusal> {
        let progress = self.proposer.learn(announcement)?;
        Ok(self.conclude(now, progress))
    }

    fn propose_release(&mut self, now: BootTime, client: &ClientName) -> LeaseProgress {
        let Some(lease) = self.held_by(client) else { return LeaseProgress::default() };
        let voters = self.proposer.last().value().voters().clone();
        match self.proposer.propose(now, voters, lease.released_body()) {
            Ok(progress) => self.conclude(now, progress),
            Err(_) => LeaseProgress::default(),
        }
    }

    /// What the last decision says, if that client of this run holds it by that.
    fn held_by(&self, client: &ClientName) -> Option<LeaseValue> {
        let last = LeaseValue::of(self.proposer.last().value())?;
        let is_own = last.holder.node == self.proposer.id() && last.holder.client == *client;
        (is_own && !last.is_released).then_some(last)
    }

    /// What the progress of the proposer means for the lease.
    fn conclude(&mut self, now: BootTime, progress: Progress) -> LeaseProgress {
        let Progress { sends, verdict } = progress;
        let last = Fence::of(self.proposer.last().step());
        self.grant = self.grant.take().filter(|grant| grant.fence == last);
        let Some(verdict) = verdict else { return LeaseProgress { sends, verdict: None } };
        let (client, is_unwanted) = (self.client.take(), std::mem::take(&mut self.is_unwanted));
        let verdict = match verdict {
            Verdict::Decided { decision, is_ours: true, first_sent } => self.win(now, &decision, first_sent),
            Verdict::Decided { decision, .. } | Verdict::Overtaken(decision) => {
                let left_ms = LeaseValue::of(decision.value()).map_or(0, |lease| lease.duration.as_ms());
                self.loss(left_ms)
            }
            Verdict::Held { left_ms } => self.loss(left_ms),
            Verdict::Refused(refusal) => LeaseVerdict::Refused(refusal),
        };
        match client.filter(|_| is_unwanted) {
            None => LeaseProgress { sends, verdict: Some(verdict) },
            Some(client) => {
                self.grant = None;
                let mut release = self.propose_release(now, &client);
                release.sends.splice(0..0, sends);
                let is_settled = release.verdict.is_none() && !self.proposer.is_busy();
                release.verdict = release.verdict.or(is_settled.then_some(verdict));
                release
            }
        }
    }

    /// The own value was decided. It is counted from before it was first sent, which was before any vote for it.
    fn win(&mut self, now: BootTime, decision: &Decision, first_sent: Option<BootTime>) -> LeaseVerdict {
        let fence = Fence::of(decision.step());
        let Some(lease) = LeaseValue::of(decision.value()).filter(|lease| !lease.is_released) else {
            return LeaseVerdict::Released(fence);
        };
        let until = first_sent.map_or(now, |sent| lease.duration.end(sent));
        if until <= now {
            return LeaseVerdict::Lapsed(fence);
        }
        let grant = Grant { client: lease.holder.client, fence, until };
        self.grant = Some(grant.clone());
        LeaseVerdict::Granted(grant)
    }

    fn loss(&self, left_ms: u64) -> LeaseVerdict {
        let last = self.proposer.last();
        let holder = LeaseValue::holder_by(last);
        let left_ms = if holder.is_some() { left_ms } else { 0 };
        LeaseVerdict::Lost { holder, fence: Fence::of(last.step()), left_ms }
    }
}
