//! Rules of a step, one at a time.

use psi_quorum::{
    Answer, Ballot, BootTime, Outcome, Progress, Proposer, Record, RecordError, Refusal, Register, RegisterName,
    Request, Response, Step, Verdict, Voter, VoterSet, VoterSetError,
};

use crate::support::{RETRY, START, Voters, answer, answer_and_record, key, proposer_id, register, voters};

fn proposer(number: u64, register: &Register) -> Proposer {
    Proposer::new(proposer_id(number), register.clone(), RETRY)
}

fn propose(proposer: &mut Proposer, body: &str) -> Progress {
    let voters = proposer.last().value().voters().clone();
    proposer.propose(START, voters, body.as_bytes().to_vec()).unwrap()
}

/// Carries messages to and fro until nothing is left to send; returns the verdict and the round trips.
fn settle(proposer: &mut Proposer, voters: &mut Voters, mut progress: Progress) -> (Option<Verdict>, u32) {
    let mut rounds = 0;
    let mut verdict = progress.verdict.take();
    while !progress.sends.is_empty() && verdict.is_none() {
        rounds += 1;
        let answers: Vec<_> = progress.sends.iter().filter_map(|envelope| voters.answer(envelope)).collect();
        progress = Progress::default();
        for (from, response) in answers {
            let mut next = proposer.handle(START, 7, from, &response);
            progress.sends.append(&mut next.sends);
            verdict = verdict.or(next.verdict);
        }
    }
    // The decision is announced.
    for envelope in &progress.sends {
        let _ = voters.answer(envelope);
    }
    (verdict, rounds)
}

fn decide(proposer: &mut Proposer, voters: &mut Voters, body: &str) -> (Option<Verdict>, u32) {
    let progress = propose(proposer, body);
    settle(proposer, voters, progress)
}

fn body_of(verdict: Option<Verdict>) -> (Step, String, bool) {
    let Some(Verdict::Decided { decision, is_ours, .. }) = verdict else { panic!("{verdict:?}") };
    (decision.step(), String::from_utf8(decision.value().body().to_vec()).unwrap(), is_ours)
}

#[test]
fn the_holder_of_the_step_before_needs_one_round_trip() {
    let register = register(&[1, 2, 3]);
    let (mut all, mut first) = (Voters::new(&register, &[1, 2, 3]), proposer(1, &register));
    let (verdict, rounds) = decide(&mut first, &mut all, "a");
    assert_eq!((body_of(verdict), rounds), ((Step(1), "a".into(), true), 2));
    let (verdict, rounds) = decide(&mut first, &mut all, "b");
    assert_eq!((body_of(verdict), rounds), ((Step(2), "b".into(), true), 1));
}

#[test]
fn who_knows_too_little_learns_what_was_decided() {
    let register = register(&[1, 2, 3]);
    let mut all = Voters::new(&register, &[1, 2, 3]);
    let (mut first, mut late) = (proposer(1, &register), proposer(2, &register));
    decide(&mut first, &mut all, "a").0.unwrap();
    let (verdict, _) = decide(&mut late, &mut all, "mine");
    assert_eq!(body_of(verdict), (Step(1), "a".into(), false));
    decide(&mut first, &mut all, "b").0.unwrap();
    decide(&mut first, &mut all, "c").0.unwrap();
    let (verdict, _) = decide(&mut late, &mut all, "mine");
    assert!(matches!(verdict, Some(Verdict::Overtaken(decision)) if decision.step() == Step(3)));
}

/// The votes stand, but who asked for them never learned it.
#[test]
fn what_may_be_decided_is_decided_by_the_next_one() {
    let register = register(&[1, 2, 3]);
    let mut all = Voters::new(&register, &[1, 2, 3]);
    let (mut gone, mut next) = (proposer(1, &register), proposer(2, &register));
    let prepares = propose(&mut gone, "a");
    let mut accepts = Progress::default();
    for envelope in &prepares.sends {
        let (from, response) = all.answer(envelope).unwrap();
        accepts.sends.extend(gone.handle(START, 0, from, &response).sends);
    }
    let _vote = all.answer(&accepts.sends[0]).unwrap();
    let mut progress = propose(&mut next, "b");
    let (verdict, _) = settle(&mut next, &mut all, std::mem::take(&mut progress));
    // Its first ballot is above that of the one that is gone.
    assert_eq!(body_of(verdict), (Step(1), "a".into(), false));
}

/// The first request of a proposer, as it arrives.
fn first_request(proposer: &mut Proposer) -> Request {
    propose(proposer, "x").sends[0].request.clone()
}

/// The request by which a proposer asks for votes, after promises of all.
fn accept_request(proposer: &mut Proposer, voters: &mut Voters) -> Request {
    let mut progress = propose(proposer, "x");
    for envelope in std::mem::take(&mut progress.sends) {
        let (from, response) = voters.answer(&envelope).unwrap();
        progress.sends.extend(proposer.handle(START, 0, from, &response).sends);
    }
    progress.sends[0].request.clone()
}

#[test]
fn a_response_is_had_only_for_a_synced_record() {
    let register = register(&[1, 2, 3]);
    let (mut voter, request) = (Voter::new(key(1), &register), first_request(&mut proposer(1, &register)));
    let Outcome::Sync(lost) = voter.handle(&request) else { panic!("a promise needs a record") };
    drop(lost);
    // The same request again: the promise is not on the disk yet, though nothing changed since.
    let Outcome::Sync(pending) = voter.handle(&request) else { panic!("the record was not synced") };
    let record = Record::decode(&pending.record().encode()).unwrap();
    let response = voter.into_response(pending);
    assert_eq!(response.answer(), &Answer::Promise(None));
    assert!(matches!(voter.handle(&request), Outcome::Send(again) if again == response));
    let mut restored = Voter::restore(key(1), &register, record).unwrap();
    assert!(matches!(restored.handle(&request), Outcome::Send(again) if again == response));
}

#[test]
fn a_promise_outlives_a_restart() {
    let register = register(&[1, 2, 3]);
    let mut all = Voters::new(&register, &[1, 2, 3]);
    let low = accept_request(&mut proposer(1, &register), &mut all);
    let high = first_request(&mut proposer(2, &register));
    let (promise, record) = answer_and_record(&mut all.0[0], &high);
    assert_eq!(promise, Answer::Promise(None));
    let mut restored = Voter::restore(key(1), &register, record.unwrap()).unwrap();
    let promised = Ballot { number: 1, proposer: proposer_id(2) };
    assert_eq!(answer(&mut restored, &low).answer(), &Answer::Nack(promised));
}

#[test]
fn ballot_0_is_its_owners_alone() {
    let register = register(&[1, 2, 3]);
    let (mut all, mut owner) = (Voters::new(&register, &[1, 2, 3]), proposer(1, &register));
    decide(&mut owner, &mut all, "a").0.unwrap();
    let renewal = first_request(&mut owner);
    // The decision before is replaced by one of someone else, who holds the step then.
    let (mut others, mut other) = (Voters::new(&register, &[1, 2, 3]), proposer(2, &register));
    decide(&mut other, &mut others, "b").0.unwrap();
    let refusal = answer(&mut others.0[0], &renewal);
    assert_eq!(refusal.answer(), &Answer::Refusal(Refusal::TwoDecisions(Step(1))));
    assert!(matches!(answer(&mut all.0[0], &renewal).answer(), Answer::Vote));
    // A restarted owner is another run, and has no ballot 0.
    let mut restarted = Proposer::new(psi_quorum::ProposerId { run: 2, ..proposer_id(1) }, register, RETRY);
    let _ = restarted.learn(&owner.announcement()).unwrap();
    assert_eq!(
        first_request(&mut restarted).call(),
        &psi_quorum::Call::Prepare(Ballot { number: 1, proposer: restarted.id() })
    );
}

#[test]
fn a_proposer_never_uses_a_ballot_twice() {
    let register = register(&[1, 2, 3]);
    let (mut all, mut owner) = (Voters::new(&register, &[1, 2, 3]), proposer(1, &register));
    decide(&mut owner, &mut all, "a").0.unwrap();
    let ballot_of = |request: &Request| match request.call() {
        psi_quorum::Call::Prepare(ballot) => ballot.number,
        psi_quorum::Call::Accept(proposal) => proposal.ballot.number,
        psi_quorum::Call::Announce => panic!("no ballot"),
    };
    for number in 0..4 {
        assert_eq!(ballot_of(&first_request(&mut owner)), number);
        owner.withdraw();
    }
}

#[test]
fn a_voter_that_is_not_listed_refuses() {
    let register = register(&[1, 2, 3]);
    let (mut stranger, request) = (Voter::new(key(9), &register), first_request(&mut proposer(1, &register)));
    assert_eq!(answer(&mut stranger, &request).answer(), &Answer::Refusal(Refusal::NotListed(Step(1))));
}

#[test]
fn voters_change_from_the_next_step_on() {
    let register = register(&[1, 2, 3]);
    let (mut all, mut first) = (Voters::new(&register, &[1, 2, 3, 4, 5, 6]), proposer(1, &register));
    let progress = first.propose(START, voters(&[4, 5, 6]), b"change".to_vec()).unwrap();
    let asked: Vec<_> = progress.sends.iter().map(|envelope| envelope.to).collect();
    assert_eq!(asked, [key(1), key(2), key(3)], "the old voters decide");
    settle(&mut first, &mut all, progress).0.unwrap();
    let next = propose(&mut first, "next");
    let asked: Vec<_> = next.sends.iter().map(|envelope| envelope.to).collect();
    assert_eq!(asked, [key(4), key(5), key(6)], "the new ones vote next");
    assert_eq!(body_of(settle(&mut first, &mut all, next).0), (Step(2), "next".into(), true));
    let request = first_request(&mut first);
    assert!(matches!(answer(&mut all.0[0], &request).answer(), Answer::Refusal(Refusal::NotListed(Step(3)))));
}

#[test]
fn two_geneses_of_one_register_refuse_each_other_by_name() {
    let (one, two) = (register(&[1, 2, 3]), register(&[1, 2, 4]));
    assert_ne!(one.id(), two.id());
    let (mut voter, mut asking) = (Voter::new(key(1), &one), proposer(2, &two));
    let progress = propose(&mut asking, "x");
    let refusal = Refusal::OtherGenesis { own: one.id(), asked: two.id() };
    let response = answer(&mut voter, &progress.sends[0].request);
    assert_eq!(response.answer(), &Answer::Refusal(refusal.clone()));
    assert!(refusal.to_string().contains("registered twice with other first voters"), "{refusal}");
    assert_eq!(asking.handle(START, 0, key(1), &response), Progress::default(), "one of three");
    let verdict = asking.handle(START, 0, key(2), &response).verdict;
    assert_eq!(verdict, Some(Verdict::Refused(refusal)), "two of three");
    assert!(asking.learn(&voter.announcement()).is_err());
    let (record, error) = (voter.record().clone(), |register: &Register| {
        Voter::restore(key(1), register, voter.record().clone()).unwrap_err()
    });
    assert!(matches!(error(&two), RecordError::OtherRegister { .. }));
    let named = Register::new(RegisterName::new("process/q").unwrap(), voters(&[1, 2, 3]));
    assert!(matches!(error(&named), RecordError::OtherRegister { .. }));
    assert!(matches!(Voter::restore(key(2), &one, record), Err(RecordError::OtherVoter { .. })));
}

/// One voter that answers twice is one voter.
#[test]
fn a_voter_counts_once() {
    let register = register(&[1, 2, 3]);
    let (mut all, mut first) = (Voters::new(&register, &[1, 2, 3]), proposer(1, &register));
    let progress = propose(&mut first, "a");
    let (from, promise) = all.answer(&progress.sends[0]).unwrap();
    for _ in 0..3 {
        assert_eq!(first.handle(START, 0, from, &promise), Progress::default());
    }
    let strange: (_, &Response) = (key(7), &promise);
    assert_eq!(first.handle(START, 0, strange.0, strange.1), Progress::default(), "nor does one that is not listed");
    let (from, promise) = all.answer(&progress.sends[1]).unwrap();
    let accepts = first.handle(START, 0, from, &promise);
    assert_eq!(accepts.sends.len(), 3);
    let (from, vote) = all.answer(&accepts.sends[0]).unwrap();
    for _ in 0..3 {
        assert_eq!(first.handle(START, 0, from, &vote), Progress::default());
    }
    assert!(first.is_busy());
}

#[test]
fn what_is_not_answered_is_sent_again_and_a_nack_waits_at_random() {
    let register = register(&[1, 2, 3]);
    let (mut all, mut first) = (Voters::new(&register, &[1, 2, 3]), proposer(1, &register));
    let progress = propose(&mut first, "a");
    let (from, promise) = all.answer(&progress.sends[0]).unwrap();
    let _ = first.handle(START, 0, from, &promise);
    let at = first.wake_at().unwrap();
    assert_eq!(at, START.plus_ms(RETRY.resend_ms));
    assert_eq!(first.tick(BootTime(at.0 - 1)), Progress::default());
    let again = first.tick(at);
    assert_eq!(again.sends.iter().map(|envelope| envelope.to).collect::<Vec<_>>(), [key(2), key(3)]);
    // Someone else prepares a higher ballot at the others.
    let mut other = proposer(2, &register);
    for envelope in &propose(&mut other, "b").sends[1..] {
        let _ = all.answer(envelope).unwrap();
    }
    let (from, nack) = all.answer(&again.sends[0]).unwrap();
    assert_eq!(first.handle(at, 17, from, &nack), Progress::default());
    let retry = first.wake_at().unwrap();
    assert_eq!(retry, at.plus_ms(RETRY.backoff_ms + 17));
    let call = first.tick(retry).sends[0].request.call().clone();
    assert_eq!(call, psi_quorum::Call::Prepare(Ballot { number: 2, proposer: first.id() }));
}

#[test]
fn sets_of_voters_are_bounded() {
    assert_eq!(VoterSet::new([]), Err(VoterSetError::Count(0)));
    assert_eq!(VoterSet::new((0..40).map(key)), Err(VoterSetError::Count(16)));
    assert_eq!(VoterSet::new([key(1), key(1)]), Err(VoterSetError::Duplicate(key(1))));
    for (count, majority) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (15, 8)] {
        assert_eq!(VoterSet::new((0..count).map(key)).unwrap().majority(), majority);
    }
}
