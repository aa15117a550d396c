use super::{
    datagram::{Header, Part},
    *,
};
use crate::key::{ClusterKey, KeyRing};

const NOW: u64 = 1_800_000_000_000;

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_random([byte; 32])
}

fn sealer(session: u8) -> Sealer {
    Sealer::new(&key(1), "prod", [session; 16])
}

fn opener() -> Opener {
    Opener::new(key(1).into(), "prod")
}

/// One datagram of a short payload.
fn sealed(sealer: &mut Sealer, now_ms: u64, payload: &[u8]) -> Vec<u8> {
    let mut datagrams = sealer.seal(now_ms, payload).unwrap();
    assert_eq!(datagrams.len(), 1);
    datagrams.remove(0)
}

fn payload_of(opened: Result<Option<Message>, Refusal>) -> Vec<u8> {
    opened.unwrap().expect("a whole payload").payload
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn payloads_come_out_as_they_went_in() {
    let (mut sealer, mut opener) = (sealer(1), opener());
    for length in [0, 1, 100, 1_400, PART_BYTES_MAX] {
        let datagram = sealed(&mut sealer, NOW, &bytes(length));
        assert_eq!(datagram.len(), length + OVERHEAD_BYTES);
        let message = opener.open(NOW + 5, &datagram).unwrap().unwrap();
        assert_eq!(message, Message { payload: bytes(length), sent_at_ms: NOW, key_id: key(1).id() });
    }
}

#[test]
fn long_payloads_go_in_two_datagrams_which_may_overtake_each_other() {
    let (mut sealer, mut opener) = (sealer(1), opener());
    for length in [PART_BYTES_MAX + 1, 70_000, DATAGRAM_BYTES_MAX, PAYLOAD_BYTES_MAX] {
        for order in [[0, 1], [1, 0]] {
            let datagrams = sealer.seal(NOW, &bytes(length)).unwrap();
            assert_eq!(datagrams.len(), 2);
            assert!(datagrams.iter().all(|datagram| datagram.len() <= DATAGRAM_BYTES_MAX));
            assert_eq!(opener.open(NOW, &datagrams[order[0]]), Ok(None));
            assert_eq!(payload_of(opener.open(NOW, &datagrams[order[1]])), bytes(length));
            assert_eq!(opener.waiting_halves(), 0);
        }
    }
    let got = PAYLOAD_BYTES_MAX + 1;
    assert_eq!(sealer.seal(NOW, &bytes(got)), Err(SealError::TooLong { got }));
}

#[test]
fn halves_of_different_payloads_are_never_joined() {
    let (mut sealer, mut opener) = (sealer(1), opener());
    let first = sealer.seal(NOW, &bytes(70_000)).unwrap();
    let second = sealer.seal(NOW, &vec![9; 70_000]).unwrap();
    assert_eq!(opener.open(NOW, &first[0]), Ok(None));
    assert_eq!(opener.open(NOW, &second[1]), Ok(None));
    assert_eq!(opener.waiting_halves(), 2);
    assert_eq!(payload_of(opener.open(NOW, &second[0])), vec![9; 70_000]);
    assert_eq!(payload_of(opener.open(NOW, &first[1])), bytes(70_000));
}

#[test]
fn waiting_halves_are_few_and_do_not_wait_long() {
    let (mut sealer, mut opener) = (sealer(1), opener());
    let payload = bytes(PART_BYTES_MAX + 1);
    let oldest = sealer.seal(NOW, &payload).unwrap();
    assert_eq!(opener.open(NOW, &oldest[1]), Ok(None));
    for later in 1..=64 {
        assert_eq!(opener.open(NOW, &sealer.seal(NOW + later, &payload).unwrap()[1]), Ok(None));
    }
    assert_eq!(opener.waiting_halves(), 64);
    assert_eq!(opener.open(NOW, &oldest[0]), Ok(None), "its other half was dropped");
    let late = NOW + 60_065;
    assert_eq!(opener.open(late, &sealer.seal(late, &payload).unwrap()[1]), Ok(None));
    assert_eq!(opener.waiting_halves(), 1);
}

#[test]
fn no_flipped_bit_is_accepted() {
    let datagram = sealed(&mut sealer(1), NOW, b"a gossip message");
    let mut opener = opener();
    for at in 0..datagram.len() * 8 {
        let mut datagram = datagram.clone();
        datagram[at / 8] ^= 1 << (at % 8);
        let refusal = opener.open(NOW, &datagram).expect_err("refused");
        let want: &[&str] = match at / 8 {
            0..4 => &["unsealed"],
            4..12 => &["unknown_key"],
            36 => &["malformed", "forged"],
            _ => &["forged"],
        };
        assert!(want.contains(&refusal.reason()), "bit {at}: {refusal}");
    }
    assert_eq!(payload_of(opener.open(NOW, &datagram)), b"a gossip message", "no forgery was remembered");
}

#[test]
fn datagrams_that_are_cut_or_longer_are_refused() {
    let datagram = sealed(&mut sealer(1), NOW, b"a gossip message");
    let mut opener = opener();
    for length in 0..datagram.len() {
        let refusal = opener.open(NOW, &datagram[..length]).expect_err("refused");
        assert!(["unsealed", "malformed", "forged"].contains(&refusal.reason()), "{length}: {refusal}");
    }
    let longer = [&datagram[..], &[0]].concat();
    assert_eq!(opener.open(NOW, &longer), Err(Refusal::Forged(key(1).id())));
    let mut longest = datagram.clone();
    longest.resize(DATAGRAM_BYTES_MAX + 1, 0);
    assert_eq!(opener.open(NOW, &longest), Err(Refusal::Malformed));
}

#[test]
fn a_second_half_with_no_counter_before_it_is_malformed() {
    let header = Header { session: (key(1).id(), [1; 16]), counter: 0, part: Part::Second };
    let datagram = [&header.to_bytes()[..], &[0; 24]].concat();
    assert_eq!(opener().open(NOW, &datagram), Err(Refusal::Malformed));
}

#[test]
fn another_key_or_cluster_is_refused() {
    let other = sealed(&mut Sealer::new(&key(2), "prod", [1; 16]), NOW, b"x");
    assert_eq!(opener().open(NOW, &other), Err(Refusal::UnknownKey(key(2).id())));
    let other = sealed(&mut Sealer::new(&key(1), "test", [1; 16]), NOW, b"x");
    assert_eq!(opener().open(NOW, &other), Err(Refusal::Forged(key(1).id())));
    assert_eq!(opener().open(NOW, b"\x00\x01 chitchat"), Err(Refusal::Unsealed));
}

#[test]
fn a_datagram_is_opened_once() {
    let (mut sealer, mut opener) = (sealer(1), opener());
    let first = sealed(&mut sealer, NOW, b"1");
    let second = sealed(&mut sealer, NOW, b"2");
    assert_eq!(payload_of(opener.open(NOW, &second)), b"2");
    assert_eq!(payload_of(opener.open(NOW, &first)), b"1", "overtaken on the way");
    for datagram in [&first, &second] {
        assert_eq!(opener.open(NOW, datagram), Err(Refusal::Replayed));
        assert_eq!(opener.open(NOW + 3_600_000, datagram), Err(Refusal::Replayed), "rather than stale");
    }
}

#[test]
fn what_1024_others_overtook_is_refused() {
    let (mut sealer, mut opener) = (sealer(1), opener());
    let datagrams: Vec<_> = (0..1_025).map(|_| sealed(&mut sealer, NOW, b"x")).collect();
    assert!(opener.open(NOW, &datagrams[1_024]).is_ok());
    assert!(opener.open(NOW, &datagrams[1]).is_ok());
    assert_eq!(opener.open(NOW, &datagrams[0]), Err(Refusal::Replayed));
}

#[test]
fn a_clock_may_be_set_while_a_session_goes_on() {
    const YEAR_MS: u64 = 365 * 86_400_000;
    let (mut sealer, mut opener) = (sealer(1), opener());
    assert_eq!(payload_of(opener.open(NOW, &sealed(&mut sealer, NOW, b"1"))), b"1");
    for sent_at in [NOW + YEAR_MS, NOW - YEAR_MS, NOW] {
        let datagram = sealed(&mut sealer, sent_at, b"2");
        assert_eq!(payload_of(opener.open(NOW, &datagram)), b"2", "{sent_at}");
        assert_eq!(opener.open(NOW, &datagram), Err(Refusal::Replayed));
    }
}

#[test]
fn a_clock_may_be_a_minute_off_and_more_is_said() {
    let sent = |at| sealed(&mut sealer(1), at, b"x");
    for (sent_at, offset_ms) in [
        (NOW - 60_000, None),
        (NOW + 60_000, None),
        (NOW - 60_001, Some(-60_001)),
        (NOW + 60_001, Some(60_001)),
        (0, Some(-1_800_000_000_000)),
        (u64::MAX, Some(i64::MAX)),
    ] {
        let refused = opener().open(NOW, &sent(sent_at)).err();
        assert_eq!(refused, offset_ms.map(|offset_ms| Refusal::Stale { offset_ms }));
    }
    let says = Refusal::Stale { offset_ms: -61_000 }.to_string();
    assert!(
        says.starts_with("the datagram was sent 61 s ago by the clock of its sender; nodes whose clocks"),
        "{says}"
    );
}

#[test]
fn what_is_stale_takes_no_room() {
    let mut opener = Opener::with_sessions_max(key(1).into(), "prod", 1);
    let datagram = sealed(&mut sealer(1), NOW, b"x");
    assert!(opener.open(NOW, &datagram).is_ok());
    assert!(opener.open(NOW, &sealed(&mut sealer(2), NOW - 60_001, b"x")).is_err());
    assert_eq!(opener.open(NOW, &datagram), Err(Refusal::Replayed), "its session is known as before");
}

#[test]
fn a_forgotten_session_opens_no_replay() {
    let mut opener = Opener::with_sessions_max(key(1).into(), "prod", 2);
    let datagrams: Vec<_> =
        (0..3).map(|session| sealed(&mut sealer(session), NOW + u64::from(session), b"x")).collect();
    for datagram in &datagrams {
        assert!(opener.open(NOW, datagram).is_ok());
    }
    assert_eq!(opener.open(NOW, &datagrams[0]), Err(Refusal::Overflow), "forgotten for the third");
    let later = sealed(&mut sealer(0), NOW + 1, b"y");
    assert!(opener.open(NOW, &later).is_ok(), "what was sent after it is accepted");
}

#[test]
fn a_session_that_is_learnt_again_opens_no_replay() {
    let mut opener = Opener::with_sessions_max(key(1).into(), "prod", 1);
    let mut forgotten = sealer(1);
    let old = sealed(&mut forgotten, NOW, b"x");
    assert!(opener.open(NOW, &old).is_ok());
    assert!(opener.open(NOW, &sealed(&mut sealer(2), NOW, b"x")).is_ok());
    assert!(opener.open(NOW, &sealed(&mut forgotten, NOW + 1, b"y")).is_ok());
    assert_eq!(opener.open(NOW, &old), Err(Refusal::Overflow));
}

#[test]
fn keys_are_rotated_without_a_datagram_lost() {
    let (old, both, new) = (
        KeyRing::from(key(1)),
        KeyRing::parse(format!("{}\n{}", key(2), key(1)).as_bytes()).unwrap(),
        KeyRing::from(key(2)),
    );
    let (mut by_old, mut by_new) = (sealer(1), Sealer::new(&key(2), "prod", [2; 16]));
    let mut opener = Opener::new(old, "prod");
    assert!(opener.open(NOW, &sealed(&mut by_old, NOW, b"x")).is_ok());
    assert_eq!(opener.open(NOW, &sealed(&mut by_new, NOW, b"x")), Err(Refusal::UnknownKey(key(2).id())));

    opener.replace_keys(both.clone());
    let last = sealed(&mut by_old, NOW, b"x");
    let half = &by_old.seal(NOW, &bytes(70_000)).unwrap()[0];
    assert!(opener.open(NOW, &last).is_ok() && opener.open(NOW, half).is_ok());
    assert_eq!(opener.open(NOW, &sealed(&mut by_new, NOW, b"x")).unwrap().unwrap().key_id, by_new.key_id());

    opener.replace_keys(new);
    assert_eq!(opener.waiting_halves(), 0, "no half of the old key waits");
    assert_eq!(opener.open(NOW, &last), Err(Refusal::UnknownKey(key(1).id())));
    opener.replace_keys(both);
    assert_eq!(opener.open(NOW, &last), Err(Refusal::Replayed), "a key that comes back opens no replay");
}

#[test]
fn a_session_ends_before_its_counter_repeats() {
    let mut sealer = sealer(1).with_counter(u64::MAX - 2);
    let mut opener = opener();
    let last = sealer.seal(NOW, &bytes(70_000)).unwrap();
    assert_eq!(opener.open(NOW, &last[0]), Ok(None));
    assert_eq!(payload_of(opener.open(NOW, &last[1])), bytes(70_000));
    assert_eq!(sealer.seal(NOW, b"x"), Err(SealError::Exhausted));
    let mut near = self::sealer(1).with_counter(u64::MAX - 1);
    assert_eq!(near.seal(NOW, &bytes(70_000)), Err(SealError::Exhausted), "there is no room for both halves");
}

#[test]
fn the_format_of_a_datagram_never_changes() {
    let datagram = sealed(&mut sealer(2), NOW, b"psi");
    assert_eq!(datagram[..4], [0xcf, 0x88, b'g', 1]);
    assert_eq!(
        blake3::hash(&datagram).to_hex().as_str(),
        "a61c8fe77e4b21c352499464d5ed6557d0c1eb1dd1030a00078f64a299a112ea"
    );
}

#[test]
fn reasons_are_one_word_each() {
    let refusals = [
        Refusal::Unsealed,
        Refusal::Malformed,
        Refusal::UnknownKey(key(1).id()),
        Refusal::Forged(key(1).id()),
        Refusal::Replayed,
        Refusal::Stale { offset_ms: 1 },
        Refusal::Overflow,
    ];
    assert_eq!(refusals.map(|refusal| refusal.reason()), Refusal::REASONS);
}
