//! Keys, registers and random numbers for tests.

use psi_quorum::{
    Answer, BootTime, Envelope, Outcome, ProposerId, Record, Register, RegisterName, Request, Response, RetryPolicy,
    Voter, VoterSet,
};
use psi_security::node_key::NodePublicKey;

/// A small deterministic generator: SplitMix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `low..=high`.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True in so many of 100 cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.next() % items.len() as u64).unwrap()]
    }
}

/// The key with this number.
pub(crate) fn key(number: u64) -> NodePublicKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    NodePublicKey::from_bytes(bytes)
}

pub(crate) fn voters(numbers: &[u64]) -> VoterSet {
    VoterSet::new(numbers.iter().copied().map(key)).unwrap()
}

pub(crate) fn register(first_voters: &[u64]) -> Register {
    Register::new(RegisterName::new("process/p").unwrap(), voters(first_voters))
}

pub(crate) fn proposer_id(number: u64) -> ProposerId {
    ProposerId { key: key(number), run: 1 }
}

pub(crate) const RETRY: RetryPolicy = RetryPolicy { resend_ms: 200, backoff_ms: 60 };

/// Voters of one register with disks that never fail.
pub(crate) struct Voters(pub(crate) Vec<Voter>);

impl Voters {
    pub(crate) fn new(register: &Register, numbers: &[u64]) -> Self {
        Self(numbers.iter().map(|number| Voter::new(key(*number), register)).collect())
    }

    /// What the voter answers that an envelope is for; nothing if there is none.
    pub(crate) fn answer(&mut self, envelope: &Envelope) -> Option<(NodePublicKey, Response)> {
        let voter = self.0.iter_mut().find(|voter| voter.key() == envelope.to)?;
        Some((envelope.to, answer(voter, &envelope.request)))
    }
}

/// What a voter answers, with its record synced.
pub(crate) fn answer(voter: &mut Voter, request: &Request) -> Response {
    match voter.handle(request) {
        Outcome::Send(response) => response,
        Outcome::Sync(pending) => voter.into_response(pending),
    }
}

/// What a voter answers, and the record that it asks for.
pub(crate) fn answer_and_record(voter: &mut Voter, request: &Request) -> (Answer, Option<Record>) {
    match voter.handle(request) {
        Outcome::Send(response) => (response.answer().clone(), None),
        Outcome::Sync(pending) => {
            let record = pending.record().clone();
            (voter.into_response(pending).answer().clone(), Some(record))
        }
    }
}

pub(crate) const START: BootTime = BootTime(1000);
