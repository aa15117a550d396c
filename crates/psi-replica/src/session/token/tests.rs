use proptest::prelude::*;

use super::*;
use crate::NodeId;

fn origin(number: u64) -> Origin {
    Origin { node: NodeId::new(&format!("n{number}")).unwrap(), incarnation: 1_000_000 + number }
}

fn token(origins: u64, version: u64) -> Token {
    let cluster = ClusterName::new("test").unwrap();
    let seen = (0..origins).map(|number| (NameHash::of_origin(&origin(number)), Version(version)));
    Token::new(
        NameHash::of_cluster(&cluster),
        Some(NameHash::of_origin(&origin(0))),
        seen.collect(),
        Some(Digest::ZERO),
    )
}

#[test]
fn a_token_of_the_largest_versions_stays_under_a_thousand_characters() {
    let text = token(40, u64::MAX).to_string();
    assert_eq!(text.len(), TOKEN_LENGTH_MAX, "the limit is what the largest needs");
    assert_eq!(text.parse(), Ok(token(40, u64::MAX)));
}

#[test]
fn a_token_is_read_back_as_it_was_given() {
    for token in [token(0, 1), token(1, 1), token(3, 300), token(40, 1 << 40)] {
        assert_eq!(token.to_string().parse(), Ok(token));
    }
}

#[test]
fn every_flipped_character_is_found() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ .+/=\xc3";
    let text = token(3, 300).to_string();
    for at in 0..text.len() {
        for letter in ALPHABET {
            let mut bytes = text.clone().into_bytes();
            if bytes[at] == *letter {
                continue;
            }
            bytes[at] = *letter;
            let damaged = String::from_utf8_lossy(&bytes);
            let error = Token::from_str(&damaged).expect_err(&damaged);
            let reason = error.reason();
            assert!(matches!(reason, "SESSION_TOKEN_DAMAGED" | "SESSION_TOKEN_MALFORMED"), "{reason} for {damaged}");
        }
    }
}

#[test]
fn every_cut_and_doubled_token_is_found() {
    let text = token(3, 300).to_string();
    for end in 0..text.len() {
        assert!(Token::from_str(&text[..end]).is_err(), "{end}");
        assert!(Token::from_str(&text[end..]).is_err() || end == 0, "{end}");
    }
    assert!(Token::from_str(&format!("{text}{text}")).is_err());
}

#[test]
fn a_whole_token_that_this_program_does_not_write_is_refused_by_name() {
    let with_sum = |mut bytes: Vec<u8>| {
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        BASE64URL_NOPAD.encode(&bytes)
    };
    let body = |token: &Token| {
        let mut bytes = token.to_bytes();
        bytes.truncate(bytes.len() - CHECKSUM);
        bytes
    };
    let mut later = body(&token(1, 1));
    later[0] = 9;
    let mut many = body(&token(40, 1));
    many.extend_from_slice(&[1; 9]);
    let mut cut = body(&token(2, 1));
    cut.pop();
    for (bytes, reason) in [
        (later, "SESSION_TOKEN_FORMAT_UNKNOWN"),
        (many, "SESSION_TOKEN_TOO_MANY_ORIGINS"),
        (cut, "SESSION_TOKEN_MALFORMED"),
        (vec![], "SESSION_TOKEN_MALFORMED"),
        (vec![FORMAT], "SESSION_TOKEN_MALFORMED"),
    ] {
        assert_eq!(Token::from_str(&with_sum(bytes)).unwrap_err().reason(), reason);
    }
    assert_eq!(Token::from_str(&"A".repeat(1000)).unwrap_err(), TokenError::TooLong { got: 1000 });
    assert!(Token::from_str("é").unwrap_err().to_string().contains("character 1 is"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,1100}") {
        let _ = Token::from_str(&text);
    }

    /// Bytes that pass the checksum reach the reader's depths.
    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..760), ours: bool) {
        if let (true, Some(first)) = (ours, bytes.first_mut()) {
            *first = FORMAT;
        }
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        if let Ok(token) = Token::from_str(&BASE64URL_NOPAD.encode(&bytes)) {
            prop_assert_eq!(token.to_string().parse(), Ok(token));
        }
    }
}
