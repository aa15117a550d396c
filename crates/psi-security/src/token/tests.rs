use super::*;
use crate::{
    certificate::Authority,
    key::{ClusterKey, KeyRing},
};

const NOW: u64 = 1_795_946_400; // 2026-11-29T10:00:00Z

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_random([byte; 32])
}

fn ring(byte: u8) -> KeyRing {
    key(byte).into()
}

fn claims() -> TokenClaims {
    TokenClaims {
        id: TokenId::from_random([0x3f; 8]),
        name: "feeder".to_owned(),
        role: Role::Step,
        fields: vec!["boiler".to_owned()],
        not_after_s: NOW,
        authorities: vec![Authority::derive(&key(1), "prod").hash()],
        cluster: "prod".to_owned(),
    }
}

fn verify(text: &str) -> Result<TokenClaims, TokenRefusal> {
    TokenClaims::verify(&ring(1), "prod", NOW, &Revocations::default(), text)
}

fn refusal(text: &str) -> String {
    verify(text).expect_err("refused").to_string()
}

#[test]
fn a_token_says_what_it_was_made_to_say() {
    let text = claims().issue(&ring(1)).unwrap();
    assert!(text.starts_with("psi-token-") && text.len() < 250, "{text}");
    assert_eq!(verify(&text), Ok(claims()));
    assert_eq!(verify(&format!(" {text}\r\n")), Ok(claims()), "files end in a line break");
    let token = UnverifiedToken::read(&text).unwrap();
    assert_eq!((token.claims(), token.key_id()), (&claims(), key(1).id()));
}

#[test]
fn the_text_of_a_token_never_changes() {
    let text = claims().issue(&ring(1)).unwrap();
    assert_eq!(
        blake3::hash(text.as_bytes()).to_hex().as_str(),
        "4f6b184a60813d54501be605ae6a065dba760cd3c17077edfd9eac53a703376d"
    );
}

#[test]
fn each_role_may_do_what_those_before_it_may() {
    for (at, role) in Role::ALL.into_iter().enumerate() {
        for (other_at, other) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role.allows(other), at >= other_at, "{role} {other}");
        }
        assert_eq!(role.to_string().parse(), Ok(role));
    }
    assert_eq!("admin".parse::<Role>(), Err(ClaimsError::Role));
}

#[test]
fn a_token_covers_its_fields_or_all() {
    assert!(claims().covers("boiler") && !claims().covers("pump"));
    let all = TokenClaims { fields: Vec::new(), ..claims() };
    assert!(all.covers("boiler") && all.covers("pump"));
}

#[test]
fn no_flipped_bit_of_a_token_is_accepted() {
    let text = claims().issue(&ring(1)).unwrap();
    for at in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[at / 8] ^= 1 << (at % 8);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            assert!(verify(text).is_err(), "bit {at}");
        }
    }
    for length in 0..text.len() {
        assert!(verify(&text[..length]).is_err(), "{length} characters");
    }
}

#[test]
fn no_flipped_bit_of_what_a_token_says_is_accepted() {
    let text = claims().issue(&ring(1)).unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(&text.as_bytes()[10..]).unwrap();
    let mut reasons = std::collections::BTreeMap::new();
    for at in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        let text = format!("psi-token-{}", data_encoding::BASE64URL_NOPAD.encode(&bytes));
        let refusal = verify(&text).expect_err("refused");
        *reasons.entry(refusal.reason()).or_insert(0) += 1;
    }
    assert_eq!(
        reasons.keys().copied().collect::<Vec<_>>(),
        ["claims", "forged", "no_token", "other_cluster", "unknown_key"]
    );
    assert!(reasons["forged"] > 256, "{reasons:?}");
}

#[test]
fn what_is_no_token_is_refused_without_showing_it() {
    for (text, says) in [
        ("", "it doesn't start with `psi-token-`"),
        ("hunter2", "it doesn't start with `psi-token-`"),
        ("psi-token-", "it is shorter than a token"),
        ("psi-token-hunter2!", "it was cut, or has a character that no token has"),
        ("psi-token-hunter2=", "it was cut, or has a character that no token has"),
        (&format!("psi-token-{}", "A".repeat(4_087)), "it is longer than a token can be"),
        (&format!("psi-token-{}", "A".repeat(1_000)), "it was cut or changed"),
    ] {
        assert_eq!(refusal(text), format!("this is no access token: {says}; make one with `psi-field token`"));
    }
}

#[test]
fn what_a_later_version_adds_is_not_ignored() {
    use prost::Message;
    let mut bytes = encoding::message(&claims(), key(1).id()).encode_to_vec();
    bytes.extend_from_slice(&[0x7a, 0x01, b'x']); // field 15
    let mac = blake3::keyed_hash(&key(1).derive(crate::key::Purpose::Token, "prod", &[]), &bytes);
    bytes.extend_from_slice(mac.as_bytes());
    let text = format!("psi-token-{}", data_encoding::BASE64URL_NOPAD.encode(&bytes));
    assert!(refusal(&text).contains("made by a later version of psi-field"));
}

#[test]
fn a_token_of_another_cluster_or_key_is_refused() {
    let text = TokenClaims { cluster: "test".to_owned(), ..claims() }.issue(&ring(1)).unwrap();
    assert_eq!(
        refusal(&text),
        "the access token `feeder` (3f3f3f3f3f3f3f3f) is for cluster `test`, and this is `prod`; use a token of `prod`"
    );
    let text = claims().issue(&ring(2)).unwrap();
    let (shown, accepted) = (key(2).id(), key(1).id());
    assert_eq!(
        refusal(&text),
        format!(
            "the access token `feeder` (3f3f3f3f3f3f3f3f) is signed by key {shown}, and this node accepts {accepted}; \
             make a new one with `psi-field token` from the key file of this cluster"
        )
    );
}

#[test]
fn a_token_that_claims_another_key_or_role_is_forged() {
    let text = encoding::write(&encoding::message(&claims(), key(1).id()), &key(2), "prod");
    assert_eq!(
        refusal(&text),
        format!(
            "the access token `feeder` (3f3f3f3f3f3f3f3f) claims to be signed by key {} and is not: it was changed; \
             copy it again, or make a new one with `psi-field token`",
            key(1).id()
        )
    );
    let text = encoding::write(&encoding::message(&claims(), key(1).id()), &key(1), "test");
    assert_eq!(verify(&text).expect_err("a MAC of another cluster").reason(), "forged");
}

#[test]
fn a_token_ends_after_its_last_second() {
    let text = TokenClaims { fields: vec!["a b".to_owned(), "c".to_owned()], ..claims() }.issue(&ring(1)).unwrap();
    assert!(verify(&text).is_ok());
    let refusal = TokenClaims::verify(&ring(1), "prod", NOW + 1, &Revocations::default(), &text).expect_err("over");
    assert_eq!(
        refusal.to_string(),
        "the access token `feeder` (3f3f3f3f3f3f3f3f) expired at 2026-11-29T10:00:00Z, and it is 2026-11-29T10:00:01Z; \
         make a new one with `psi-field token --role step --name feeder --field 'a b' --field c`"
    );
}

#[test]
fn tokens_are_revoked_by_name_or_id() {
    let text = claims().issue(&ring(1)).unwrap();
    for (entries, by) in [
        (vec!["feeder"], Some("feeder")),
        (vec!["other", "3F3F3f3f3f3f3f3f"], Some("3f3f3f3f3f3f3f3f")),
        (vec!["Feeder", "feede", "3f3f3f3f3f3f3f3e", "3f3f"], None),
        (vec![], None),
    ] {
        let file = format!("# gone\r\n\n{}\n", entries.join(" \n"));
        let revoked = Revocations::parse(file.as_bytes()).unwrap();
        assert_eq!((revoked.len(), revoked.is_empty()), (entries.len(), entries.is_empty()));
        let refusal = TokenClaims::verify(&ring(1), "prod", NOW, &revoked, &text).err();
        let want = by.map(|entry| TokenRefusal::Revoked { token: claims().label(), entry: entry.to_owned() });
        assert_eq!(refusal, want, "{entries:?}");
    }
    assert_eq!(Revocations::parse("a\n\né".as_bytes()), Err(RevocationError { line: 3 }));
    assert_eq!(Revocations::parse("x".repeat(65).as_bytes()), Err(RevocationError { line: 1 }));
    assert_eq!(Revocations::parse("\u{feff}a".as_bytes()).unwrap().names().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_token_is_accepted_by_any_key_of_the_ring() {
    let old = claims().issue(&ring(1)).unwrap();
    let both = KeyRing::parse(format!("{}\n{}", key(2), key(1)).as_bytes()).unwrap();
    let new = claims().issue(&both).unwrap();
    assert_eq!(UnverifiedToken::read(&new).unwrap().key_id(), key(2).id(), "the first key signs");
    for text in [&old, &new] {
        assert_eq!(TokenClaims::verify(&both, "prod", NOW, &Revocations::default(), text), Ok(claims()));
    }
}

#[test]
fn claims_have_bounds_which_hold_for_issue_and_verify() {
    let names = |count: usize, length: usize| (0..count).map(|at| format!("{at:0length$}")).collect::<Vec<_>>();
    let authority = claims().authorities[0];
    for (bad, want) in [
        (TokenClaims { name: String::new(), ..claims() }, ClaimsError::Name { what: "name" }),
        (TokenClaims { name: "x".repeat(65), ..claims() }, ClaimsError::Name { what: "name" }),
        (TokenClaims { name: "a\nb".to_owned(), ..claims() }, ClaimsError::Name { what: "name" }),
        (TokenClaims { name: "é".to_owned(), ..claims() }, ClaimsError::Name { what: "name" }),
        (TokenClaims { cluster: "\u{1b}[2J".to_owned(), ..claims() }, ClaimsError::Name { what: "cluster" }),
        (TokenClaims { fields: vec![String::new()], ..claims() }, ClaimsError::Name { what: "field" }),
        (TokenClaims { fields: names(17, 2), ..claims() }, ClaimsError::Fields { got: 17 }),
        (TokenClaims { role: Role::Operator, ..claims() }, ClaimsError::OperatorFields),
        (TokenClaims { authorities: Vec::new(), ..claims() }, ClaimsError::Authorities { got: 0 }),
        (TokenClaims { authorities: vec![authority; 9], ..claims() }, ClaimsError::Authorities { got: 9 }),
    ] {
        assert_eq!(bad.issue(&ring(1)), Err(want.clone()));
        let text = encoding::write(&encoding::message(&bad, key(1).id()), &key(1), "prod");
        assert_eq!(verify(&text), Err(TokenRefusal::Claims(want)));
    }
    let largest = TokenClaims {
        name: "x".repeat(64),
        fields: names(16, 64),
        authorities: vec![authority; 8],
        not_after_s: u64::MAX,
        ..claims()
    };
    let text = largest.issue(&ring(1)).unwrap();
    assert!(text.len() <= TEXT_BYTES_MAX, "{}", text.len());
    assert_eq!(verify(&text), Ok(largest));
}

#[test]
fn an_unknown_role_is_refused() {
    for role in [0, 4, -1] {
        let mut message = encoding::message(&claims(), key(1).id());
        message.set_role(role);
        let text = encoding::write(&message, &key(1), "prod");
        assert_eq!(verify(&text), Err(TokenRefusal::Claims(ClaimsError::Role)), "{role}");
    }
}
