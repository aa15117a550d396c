//! Bytes of requests, responses and records: one encoding of each, and nothing else is read.

use psi_quorum::{
    BODY_BYTES_MAX, DecodeError, MESSAGE_BYTES_MAX, Proposer, Record, Register, RegisterName, Request, Response,
    VOTERS_MAX, Voter,
};

use crate::support::{RETRY, Rng, START, answer, key, proposer_id, register, voters};

/// Messages of all kinds, as two proposers and their voters exchange them.
fn samples(register: &Register, body: &[u8]) -> [Vec<Vec<u8>>; 3] {
    let (mut requests, mut responses, mut records) = (Vec::new(), Vec::new(), Vec::new());
    let keys = register.genesis().value().voters().clone();
    let mut all: Vec<_> = keys.keys().iter().map(|key| Voter::new(*key, register)).collect();
    all.push(Voter::new(key(1 << 60), register));
    let mut proposers: Vec<_> =
        (1..=2).map(|number| Proposer::new(proposer_id(number), register.clone(), RETRY)).collect();
    for round in 0..4 {
        let proposer = &mut proposers[round % 2];
        let mut sends = proposer.propose(START, keys.clone(), body.to_vec()).unwrap().sends;
        while let Some(envelope) = sends.pop() {
            requests.push(envelope.request.encode());
            for voter in &mut all {
                let response = answer(voter, &envelope.request);
                responses.push(response.encode());
                records.push(voter.record().encode());
                if voter.key() == envelope.to {
                    sends.extend(proposer.handle(START, 5, envelope.to, &response).sends);
                }
            }
        }
    }
    [requests, responses, records]
}

/// Whether bytes are read, and if so, are written again just so.
fn is_read(kind: usize, bytes: &[u8]) -> bool {
    let written = match kind {
        0 => Request::decode(bytes).map(|request| request.encode()),
        1 => Response::decode(bytes).map(|response| response.encode()),
        _ => Record::decode(bytes).map(|record| record.encode()),
    };
    if let Ok(written) = &written {
        assert_eq!(written, bytes, "one encoding");
    }
    written.is_ok()
}

#[test]
fn what_is_written_is_read_and_no_damage_panics() {
    let samples = samples(&register(&[1, 2, 3]), b"a body");
    let mut rng = Rng(11);
    let (mut read, mut refused) = (0, 0);
    for (kind, samples) in samples.iter().enumerate() {
        assert!(samples.iter().all(|bytes| is_read(kind, bytes)));
        for _ in 0..60_000 {
            let mut bytes = rng.pick(samples).clone();
            for _ in 0..rng.range(1, 3) {
                let at = usize::try_from(rng.range(0, bytes.len().max(1) as u64 - 1)).unwrap();
                match rng.range(0, 4) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, u8::try_from(rng.range(0, 255)).unwrap()),
                    2 if at < bytes.len() => drop(bytes.remove(at)),
                    3 if at < bytes.len() => bytes[at] = u8::try_from(rng.range(0, 255)).unwrap(),
                    _ if at < bytes.len() => bytes[at] ^= 1 << rng.range(0, 7),
                    _ => {}
                }
            }
            *if is_read(kind, &bytes) { &mut read } else { &mut refused } += 1;
        }
    }
    assert!(read > 1000 && refused > 10_000, "{read} read, {refused} refused");
}

#[test]
fn damaged_requests_change_no_voter_in_a_way_that_panics() {
    let register = register(&[1, 2, 3]);
    let [requests, ..] = samples(&register, b"a body");
    let (mut rng, mut voter) = (Rng(12), Voter::new(key(1), &register));
    for _ in 0..60_000 {
        let mut bytes = rng.pick(&requests).clone();
        let at = usize::try_from(rng.range(0, bytes.len() as u64 - 1)).unwrap();
        bytes[at] = u8::try_from(rng.range(0, 255)).unwrap();
        if let Ok(request) = Request::decode(&bytes) {
            let response = answer(&mut voter, &request);
            assert_eq!(Response::decode(&response.encode()), Ok(response));
        }
    }
}

#[test]
fn the_largest_messages_fit_and_larger_ones_are_refused() {
    let numbers: Vec<_> = (1..=VOTERS_MAX as u64).map(|number| number << 8).collect();
    let register = Register::new(RegisterName::new(&"n".repeat(128)).unwrap(), voters(&numbers));
    let samples = samples(&register, &[7; BODY_BYTES_MAX]);
    let longest = samples.iter().flatten().map(Vec::len).max().unwrap();
    assert!(longest > 9_000 && longest <= MESSAGE_BYTES_MAX, "{longest}");
    for (kind, samples) in samples.iter().enumerate() {
        assert!(samples.iter().all(|bytes| is_read(kind, bytes)));
    }
    let bytes = MESSAGE_BYTES_MAX + 1;
    assert_eq!(Request::decode(&vec![0; bytes]), Err(DecodeError::Length { bytes }));
    let mut proposer = Proposer::new(proposer_id(1), register, RETRY);
    let error = proposer.propose(START, voters(&[1]), vec![0; BODY_BYTES_MAX + 1]).unwrap_err();
    assert!(error.to_string().contains("4096"), "{error}");
}

/// An unknown field may be part of a value: one who dropped it would vote for another value.
#[test]
fn unknown_fields_are_refused() {
    let [requests, ..] = samples(&register(&[1, 2, 3]), b"a body");
    let with_field = [&requests[0][..], &[0x7A, 0x01, 0x00]].concat();
    assert_eq!(Request::decode(&with_field), Err(DecodeError::Malformed("request")));
}
