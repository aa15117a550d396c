//! Rules of a lease, one at a time.

use psi_quorum::{
    Answer, BootTime, ClientName, DURATION_MS_MAX, Fence, Lease, LeaseDuration, LeaseProgress, LeaseValue,
    LeaseVerdict, LeaseVoter, Outcome, Proposer, Refusal, Register, Request, Response,
};

use crate::support::{RETRY, key, proposer_id, register, voters};

const SECOND: u64 = 1000;
/// A duration of ten seconds, the 1 % that voters add, and the millisecond of rounding.
const GUARD_MS: u64 = 10 * SECOND + 100 + 1;

/// Voters and holders of one lease on machines with one clock.
struct Cluster {
    now: BootTime,
    register: Register,
    voters: Vec<LeaseVoter>,
}

fn client(name: &str) -> ClientName {
    ClientName::new(name).unwrap()
}

fn ten_seconds() -> LeaseDuration {
    LeaseDuration::from_ms(10 * SECOND).unwrap()
}

fn answer(voter: &mut LeaseVoter, now: BootTime, request: &Request) -> Response {
    match voter.handle(now, request) {
        Outcome::Send(response) => response,
        Outcome::Sync(pending) => voter.into_response(pending),
    }
}

impl Cluster {
    /// The voters started so long ago that this binds nobody.
    fn new() -> Self {
        let register = register(&[1, 2, 3]);
        let voters = (1..=3).map(|number| LeaseVoter::new(key(number), &register, BootTime(0))).collect();
        Self { now: BootTime(1 << 30), register, voters }
    }

    fn lease(&self, number: u64) -> Lease {
        Lease::new(Proposer::new(proposer_id(number), self.register.clone(), RETRY))
    }

    /// Carries messages until there is a verdict, and returns it with the round trips.
    fn settle(&mut self, lease: &mut Lease, mut progress: LeaseProgress) -> (Option<LeaseVerdict>, u32) {
        let (mut verdict, mut rounds) = (progress.verdict.take(), 0);
        while verdict.is_none() && !progress.sends.is_empty() {
            rounds += 1;
            let mut next = LeaseProgress::default();
            for envelope in &progress.sends {
                let Some(voter) = self.voters.iter_mut().find(|voter| voter.voter().key() == envelope.to) else {
                    continue;
                };
                let response = answer(voter, self.now, &envelope.request);
                let mut step = lease.handle(self.now, 3, envelope.to, &response);
                next.sends.append(&mut step.sends);
                verdict = verdict.or(step.verdict);
            }
            progress = next;
        }
        for envelope in &progress.sends {
            if let Some(voter) = self.voters.iter_mut().find(|voter| voter.voter().key() == envelope.to) {
                let _ = answer(voter, self.now, &envelope.request);
            }
        }
        (verdict, rounds)
    }

    fn acquire(&mut self, lease: &mut Lease, name: &str) -> (LeaseVerdict, u32) {
        let progress = lease.acquire(self.now, &client(name), ten_seconds(), voters(&[1, 2, 3])).unwrap();
        let (verdict, rounds) = self.settle(lease, progress);
        (verdict.unwrap(), rounds)
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    fn restart(&mut self, index: usize) {
        let voter = self.voters[index].voter();
        self.voters[index] =
            LeaseVoter::restore(voter.key(), &self.register, voter.record().clone(), self.now).unwrap();
    }
}

fn fence_of(verdict: LeaseVerdict) -> Fence {
    match verdict {
        LeaseVerdict::Granted(grant) => grant.fence,
        other => panic!("{other:?}"),
    }
}

fn left_of(verdict: LeaseVerdict) -> u64 {
    match verdict {
        LeaseVerdict::Lost { left_ms, holder, .. } => {
            assert_eq!(holder.unwrap().node, proposer_id(1), "the holder is named");
            left_ms
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_loser_learns_the_holder_and_waits_the_duration_and_one_percent() {
    let mut cluster = Cluster::new();
    let (mut holder, mut other) = (cluster.lease(1), cluster.lease(2));
    assert_eq!(fence_of(cluster.acquire(&mut holder, "a").0), Fence(1));
    // The first verdict is of step 1, which the other did not know of; the second of the guard.
    left_of(cluster.acquire(&mut other, "b").0);
    assert_eq!(left_of(cluster.acquire(&mut other, "b").0), GUARD_MS);
    cluster.pass(10 * SECOND);
    assert_eq!(holder.grant(cluster.now), None, "the holder stops before");
    assert_eq!(left_of(cluster.acquire(&mut other, "b").0), 101);
    cluster.pass(101);
    assert_eq!(fence_of(cluster.acquire(&mut other, "b").0), Fence(2));
}

#[test]
fn a_renewal_takes_one_round_trip_even_when_the_time_is_up() {
    let mut cluster = Cluster::new();
    let mut holder = cluster.lease(1);
    assert_eq!(cluster.acquire(&mut holder, "a").1, 2);
    for (pass, fence) in [(SECOND, 2), (10 * SECOND, 3), (GUARD_MS, 4), (100 * SECOND, 5)] {
        cluster.pass(pass);
        let (verdict, rounds) = cluster.acquire(&mut holder, "a");
        assert_eq!((fence_of(verdict), rounds), (Fence(fence), 1));
    }
}

#[test]
fn a_release_lets_the_next_one_in_at_once() {
    let mut cluster = Cluster::new();
    let (mut holder, mut other) = (cluster.lease(1), cluster.lease(2));
    cluster.acquire(&mut holder, "a");
    let none = holder.release(cluster.now, &client("not the holder"));
    assert_eq!(none, LeaseProgress::default());
    assert!(holder.grant(cluster.now).is_some());
    let release = holder.release(cluster.now, &client("a"));
    assert_eq!(holder.grant(cluster.now), None, "before anything is sent");
    assert_eq!(cluster.settle(&mut holder, release).0, Some(LeaseVerdict::Released(Fence(2))));
    let _ = other.learn(cluster.now, &holder.proposer().announcement()).unwrap();
    assert_eq!(fence_of(cluster.acquire(&mut other, "b").0), Fence(3));
}

#[test]
fn what_is_released_on_its_way_is_released_once_it_is_won() {
    let mut cluster = Cluster::new();
    let mut holder = cluster.lease(1);
    let progress = holder.acquire(cluster.now, &client("a"), ten_seconds(), voters(&[1, 2, 3])).unwrap();
    assert_eq!(holder.release(cluster.now, &client("a")), LeaseProgress::default());
    let (verdict, _) = cluster.settle(&mut holder, progress);
    assert_eq!(verdict, Some(LeaseVerdict::Released(Fence(2))));
    assert_eq!(holder.grant(cluster.now), None);
}

#[test]
fn another_client_of_the_same_node_waits_as_well() {
    let mut cluster = Cluster::new();
    let mut node = cluster.lease(1);
    cluster.acquire(&mut node, "a");
    assert_eq!(left_of(cluster.acquire(&mut node, "b").0), 10 * SECOND, "known without asking");
    cluster.pass(10 * SECOND);
    assert_eq!(left_of(cluster.acquire(&mut node, "b").0), 101);
    cluster.pass(101);
    assert_eq!(fence_of(cluster.acquire(&mut node, "b").0), Fence(2));
}

/// A restarted node is another holder.
#[test]
fn a_run_does_not_inherit_the_lease_of_the_run_before() {
    let mut cluster = Cluster::new();
    let mut before = cluster.lease(1);
    cluster.acquire(&mut before, "a");
    let id = psi_quorum::ProposerId { run: 2, ..proposer_id(1) };
    let mut after = Lease::new(Proposer::new(id, cluster.register.clone(), RETRY));
    let _ = after.learn(cluster.now, &before.proposer().announcement()).unwrap();
    assert_eq!(left_of(cluster.acquire(&mut after, "a").0), GUARD_MS);
}

#[test]
fn a_restarted_voter_waits_from_its_start() {
    let mut cluster = Cluster::new();
    let (mut holder, mut other) = (cluster.lease(1), cluster.lease(2));
    cluster.acquire(&mut holder, "a");
    let _ = other.learn(cluster.now, &holder.proposer().announcement()).unwrap();
    cluster.pass(9 * SECOND);
    for index in 0..3 {
        cluster.restart(index);
    }
    assert_eq!(left_of(cluster.acquire(&mut other, "b").0), GUARD_MS);
    // Its own clock began again, too.
    cluster.now = BootTime(5);
    for index in 0..3 {
        cluster.restart(index);
    }
    cluster.pass(GUARD_MS - 1);
    assert_eq!(left_of(cluster.acquire(&mut other, "b").0), 1);
    cluster.pass(1);
    fence_of(cluster.acquire(&mut other, "b").0);
}

#[test]
fn new_voters_wait_from_when_they_learn_the_decision() {
    let mut cluster = Cluster::new();
    let (mut holder, mut other) = (cluster.lease(1), cluster.lease(2));
    cluster.voters.extend((4..=6).map(|number| LeaseVoter::new(key(number), &cluster.register, BootTime(0))));
    let progress = holder.acquire(cluster.now, &client("a"), ten_seconds(), voters(&[4, 5, 6])).unwrap();
    fence_of(cluster.settle(&mut holder, progress).0.unwrap());
    let _ = other.learn(cluster.now, &holder.proposer().announcement()).unwrap();
    assert_eq!(left_of(cluster.acquire(&mut other, "b").0), GUARD_MS);
    cluster.pass(GUARD_MS);
    fence_of(cluster.acquire(&mut other, "b").0);
}

/// A shorter renewal that wins unnoticed ends the guard early, so the holder stops early, too.
#[test]
fn a_shorter_renewal_shortens_the_grant_before_it_is_sent() {
    let mut cluster = Cluster::new();
    let mut holder = cluster.lease(1);
    cluster.acquire(&mut holder, "a");
    let short = LeaseDuration::from_ms(SECOND).unwrap();
    let lost = holder.acquire(cluster.now, &client("a"), short, voters(&[1, 2, 3])).unwrap();
    assert_eq!(lost.sends.len(), 3);
    assert_eq!(holder.grant(cluster.now).unwrap().until, cluster.now.plus_ms(SECOND));
}

#[test]
fn a_grant_counts_from_before_its_proposal_was_sent() {
    let mut cluster = Cluster::new();
    let mut holder = cluster.lease(1);
    cluster.acquire(&mut holder, "a");
    let sent = cluster.now;
    let progress = holder.acquire(sent, &client("a"), ten_seconds(), voters(&[1, 2, 3])).unwrap();
    cluster.pass(4 * SECOND);
    let (verdict, _) = cluster.settle(&mut holder, progress);
    assert!(matches!(verdict, Some(LeaseVerdict::Granted(grant)) if grant.until == sent.plus_ms(10 * SECOND)));
    let progress = holder.acquire(cluster.now, &client("a"), ten_seconds(), voters(&[1, 2, 3])).unwrap();
    cluster.pass(10 * SECOND);
    assert_eq!(cluster.settle(&mut holder, progress).0, Some(LeaseVerdict::Lapsed(Fence(3))));
    assert_eq!(holder.grant(cluster.now), None);
}

#[test]
fn a_lease_decides_nothing_but_leases() {
    let mut cluster = Cluster::new();
    let mut plain = Proposer::new(proposer_id(1), cluster.register.clone(), RETRY);
    let prepare = plain.propose(cluster.now, voters(&[1, 2, 3]), b"no lease".to_vec()).unwrap();
    let mut accepts = Vec::new();
    for envelope in prepare.sends {
        let voter = cluster.voters.iter_mut().find(|voter| voter.voter().key() == envelope.to).unwrap();
        let response = answer(voter, cluster.now, &envelope.request);
        accepts.extend(plain.handle(cluster.now, 0, envelope.to, &response).sends);
    }
    let response = answer(&mut cluster.voters[0], cluster.now, &accepts[0].request);
    assert_eq!(response.answer(), &Answer::Refusal(Refusal::NoLease(psi_quorum::Step(1))));
}

#[test]
fn durations_and_clients_are_bounded() {
    assert!(LeaseDuration::from_ms(0).is_err() && LeaseDuration::from_ms(DURATION_MS_MAX + 1).is_err());
    assert_eq!(LeaseDuration::from_ms(DURATION_MS_MAX).unwrap().as_ms(), DURATION_MS_MAX);
    assert!(ClientName::new("").is_err() && ClientName::new("a\nb").is_err());
    assert!(ClientName::new(&"x".repeat(128)).is_ok() && ClientName::new(&"x".repeat(129)).is_err());
    assert_eq!(LeaseValue::of(register(&[1]).genesis().value()), None, "nobody holds a genesis");
}
