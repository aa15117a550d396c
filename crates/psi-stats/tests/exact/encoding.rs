//! One byte string for each value, and no other one taken.

use num_bigint::BigInt;
use num_traits::Zero;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use psi_stats::{COUNT_LIMIT, DecodeError, Moments, Scale, SumsFault, quantize};

use crate::inputs::moments;

/// What the format says for one dimension, whether or not any inputs could have these sums.
pub(crate) fn claimed(count: u64, sum: i128, squares: &BigInt) -> Vec<u8> {
    let mut bytes = varint(count);
    bytes.extend(varint(1));
    bytes.extend(dimension(&BigInt::from(sum), squares));
    bytes
}

fn dimension(sum: &BigInt, squares: &BigInt) -> Vec<u8> {
    let sum = if sum.is_zero() { vec![] } else { sum.to_signed_bytes_le() };
    let squares = if squares.is_zero() { vec![] } else { squares.to_bytes_le().1 };
    [vec![sum.len().to_le_bytes()[0]], sum, vec![squares.len().to_le_bytes()[0]], squares].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Checks that bytes either are refused or are the one encoding of what they mean.
fn check_canonical(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(moments) = Moments::decode(bytes) {
        prop_assert_eq!(moments.encode(), bytes);
    }
    Ok(())
}

/// Bytes that look like an encoding: small numbers are common, so that many get far.
fn plausible_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![0..4u8, 0..40u8, Just(0x7f), Just(0x80), Just(0xff), any::<u8>()];
    (0..9u8, 0..4u8, vec(byte, 0..40)).prop_map(|(count, width, rest)| [vec![count, width], rest].concat())
}

proptest! {
    #[test]
    fn moments_survive_the_round_trip(moments in moments()) {
        prop_assert_eq!(Moments::decode(&moments.encode()), Ok(moments));
    }

    #[test]
    fn encoding_appends_to_what_is_there(moments in moments(), mut bytes in vec(any::<u8>(), 0..9)) {
        let want = [bytes.clone(), moments.encode()].concat();
        moments.encode_into(&mut bytes);
        prop_assert_eq!(bytes, want);
    }

    #[test]
    fn arbitrary_bytes_are_canonical_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        check_canonical(&bytes)?;
    }

    #[test]
    fn plausible_bytes_are_canonical_or_refused(bytes in plausible_bytes()) {
        check_canonical(&bytes)?;
    }

    #[test]
    fn damaged_encodings_are_canonical_or_refused(moments in moments(), at: usize, byte: u8) {
        let mut bytes = moments.encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        check_canonical(&bytes)?;
    }

    #[test]
    fn cut_encodings_are_refused(moments in moments(), at: usize) {
        let bytes = moments.encode();
        prop_assert!(Moments::decode(&bytes[..at % bytes.len()]).is_err());
    }

    #[test]
    fn claims_are_taken_exactly_if_inputs_could_have_made_them(count in 0..4u64, sum in -9..9i128, squares in 0..40u64) {
        let possible = match count {
            0 => sum == 0 && squares == 0,
            _ => i128::from(count * squares) >= sum * sum,
        };
        prop_assert_eq!(Moments::decode(&claimed(count, sum, &BigInt::from(squares))).is_ok(), possible);
    }
}

#[test]
fn decoding_random_bytes_gets_past_the_checks_often_enough_to_matter() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..2000).filter(|_| {
        let bytes = plausible_bytes().new_tree(&mut runner).unwrap().current();
        (0..=bytes.len()).any(|length| Moments::decode(&bytes[..length]).is_ok())
    });
    assert!(accepted.count() > 100);
}

#[test]
fn the_format_is_fixed() {
    let input = quantize(&[1.0, -2f64.powi(-56), 0.0], Scale::default()).unwrap();
    let mut moments = Moments::new(3);
    moments.add(&input).unwrap();
    let one = [8, 0, 0, 0, 0, 0, 0, 0, 1].as_slice();
    let one_squared = [15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].as_slice();
    let want = [[1, 3].as_slice(), one, one_squared, &[1, 0xff, 1, 1], &[0, 0]].concat();
    assert_eq!(moments.encode(), want);
    assert_eq!(Moments::new(300).encode().len(), 1 + 2 + 600);
}

#[test]
fn sixteen_ordinary_dimensions_take_under_500_bytes() {
    let mut moments = Moments::new(16);
    for k in 0..1_000_000u32 {
        let input = [f64::from(k % 1000).mul_add(0.007, -3.1); 16];
        moments.add(&quantize(&input, Scale::default()).unwrap()).unwrap();
    }
    let length = moments.encode().len();
    assert!(length <= 16 * (10 + 17 + 2) + 4, "{length} bytes");
}

#[test]
fn each_departure_from_the_format_has_its_name() {
    use DecodeError::{
        CountLimit, Impossible, SumNotMinimal, SumTooLong, TrailingBytes, Truncated, VarintNotMinimal, VarintTooLarge,
        WidthTooLarge,
    };
    let impossible = |fault| Impossible { dimension: 0, fault };
    let limit = COUNT_LIMIT;
    let at_limit = claimed(limit, 0, &BigInt::zero());
    let largest: i128 = (1 << 80) - 1;
    let square = BigInt::from(largest).pow(2);
    let huge = claimed(1, 0, &((BigInt::from(1) << 256) - 1));
    let lowest = claimed(limit - 1, i128::MIN, &BigInt::zero());
    let too_wide = [vec![1], varint(u64::MAX), vec![0; 9]].concat();
    let too_long = [vec![1, 1, 17], vec![0; 20]].concat();
    let cases: Vec<(&[u8], DecodeError)> = vec![
        (&[], Truncated { offset: 0, missing: 1 }),
        (&[1], Truncated { offset: 1, missing: 1 }),
        (&[0x80], Truncated { offset: 1, missing: 1 }),
        (&[1, 1, 4, 0], Truncated { offset: 4, missing: 3 }),
        (&[1, 2, 0, 0, 1, 5], Truncated { offset: 6, missing: 1 }),
        (&[1, 1, 0, 0, 7], TrailingBytes { extra: 1 }),
        (&[0x81, 0, 1, 0, 0], VarintNotMinimal { offset: 0 }),
        (&[1, 0x80, 0, 0, 0], VarintNotMinimal { offset: 1 }),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], VarintTooLarge { offset: 0 }),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0], VarintTooLarge { offset: 0 }),
        (&[1, 2, 0, 0, 0], WidthTooLarge { width: 2, left: 3 }),
        (&too_wide, WidthTooLarge { width: u64::MAX, left: 9 }),
        (&too_long, SumTooLong { offset: 2, length: 17, max: 16 }),
        (&[1, 1, 0, 33], SumTooLong { offset: 3, length: 33, max: 32 }),
        (&[1, 1, 1, 0, 0], SumNotMinimal { offset: 2 }),
        (&[1, 1, 2, 1, 0, 1, 1], SumNotMinimal { offset: 2 }),
        (&[1, 1, 2, 0xff, 0xff, 1, 1], SumNotMinimal { offset: 2 }),
        (&[1, 1, 1, 1, 1, 0], SumNotMinimal { offset: 4 }),
        (&[1, 1, 1, 1, 2, 1, 0], SumNotMinimal { offset: 4 }),
        (&at_limit, CountLimit { count: limit }),
        (&[0, 1, 1, 1, 0], impossible(SumsFault::SumsWithoutCount)),
        (&[0, 1, 0, 1, 1], impossible(SumsFault::SumsWithoutCount)),
        (&lowest, impossible(SumsFault::SumTooLarge)),
        (&huge, impossible(SumsFault::SquaresTooLarge)),
        (&[1, 1, 1, 1, 0], impossible(SumsFault::SquaresTooSmall)),
    ];
    for (bytes, want) in cases {
        assert_eq!(Moments::decode(bytes), Err(want), "{bytes:?}");
    }
    for (sum, squares, want) in [
        (largest, square.clone(), Ok(1)),
        (-largest, square.clone(), Ok(1)),
        (largest + 1, square.clone(), Err(impossible(SumsFault::SumTooLarge))),
        (-largest - 1, square.clone(), Err(impossible(SumsFault::SumTooLarge))),
        (largest, square.clone() + 1, Err(impossible(SumsFault::SquaresTooLarge))),
        (largest, square - 1, Err(impossible(SumsFault::SquaresTooSmall))),
    ] {
        assert_eq!(Moments::decode(&claimed(1, sum, &squares)).map(|moments| moments.count()), want, "{sum}");
    }
}

#[test]
fn no_dimensions_are_a_width_too() {
    let moments = Moments::decode(&[5, 0]).unwrap();
    assert_eq!((moments.width(), moments.count()), (0, 5));
    assert_eq!(moments.mean(Scale::default()), Some(vec![]));
}
