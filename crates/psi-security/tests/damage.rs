//! A million damaged datagrams, tokens, key files and certificates: none is accepted as something else, none panics.
//!
//! Certificates have a smaller part, as each takes a verification on P-256. A failure names its round; the seed is
//! fixed, so `cargo test -p psi-security --test damage` finds it again.

use std::{fmt::Debug, time::Duration};

use psi_security::{
    certificate::{Authority, NamePattern, ServerTrust, TrustAnchors},
    key::{ClusterKey, KeyRing},
    seal::{Opener, Sealer},
    token::{Revocations, Role, TokenClaims, TokenId},
};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use rustls::{
    client::danger::ServerCertVerifier,
    pki_types::{CertificateDer, UnixTime},
};

const NOW_S: u64 = 1_800_000_000;
const DATAGRAMS: usize = 480_000;
const TOKENS: usize = 300_000;
const KEY_FILES: usize = 200_000;
const CERTIFICATES: usize = 20_000;
const _: () = assert!(DATAGRAMS + TOKENS + KEY_FILES + CERTIFICATES == 1_000_000, "a million in all");

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_random([byte; 32])
}

/// Damages bytes in one to three of the ways that networks, disks, people and attackers do.
fn damage(random: &mut StdRng, bytes: &mut Vec<u8>) {
    for _ in 0..random.random_range(1..=3) {
        let at = random.random_range(0..bytes.len().max(1));
        let to = (at + random.random_range(0..40)).min(bytes.len());
        match random.random_range(0..8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            2 if at < bytes.len() => bytes[at] = random.random(),
            3 => bytes.truncate(at),
            4 => bytes.insert(at.min(bytes.len()), random.random()),
            5 => bytes.extend_from_within(at.min(to)..to),
            6 => drop(bytes.drain(at.min(to)..to)),
            _ => random.fill_bytes(&mut bytes[at.min(to)..to]),
        }
    }
}

/// Shows damaged copies of `whole`. `verdict` says whether one is refused, or is accepted as no more than the whole
/// was.
fn check<E: Debug>(what: &str, rounds: usize, whole: &[u8], mut verdict: impl FnMut(&[u8]) -> Result<(), E>) {
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..rounds {
        let mut bytes = whole.to_vec();
        damage(&mut random, &mut bytes);
        if bytes != whole {
            let verdict = verdict(&bytes);
            assert!(verdict.is_ok(), "{what} of round {round} was accepted: {verdict:?} {bytes:02x?}");
        }
    }
}

/// What must not be accepted at all.
fn refused<T, E>(result: Result<T, E>) -> Result<(), T> {
    result.map_or(Ok(()), Err)
}

#[test]
fn damaged_datagrams_are_refused() {
    let whole =
        Sealer::new(&key(1), "prod", [1; 16]).seal(NOW_S * 1_000, b"who is alive and at which version").unwrap();
    let mut opener = Opener::new(key(1).into(), "prod");
    check("the datagram", DATAGRAMS, &whole[0], |bytes| refused(opener.open(NOW_S * 1_000, bytes)));
    assert!(opener.open(NOW_S * 1_000, &whole[0]).is_ok(), "the whole one is accepted");
}

#[test]
fn damaged_tokens_are_refused() {
    let claims = TokenClaims {
        id: TokenId::from_random([3; 8]),
        name: "feeder".to_owned(),
        role: Role::Step,
        fields: vec!["boiler".to_owned()],
        not_after_s: NOW_S,
        authorities: vec![Authority::derive(&key(1), "prod").hash()],
        cluster: "prod".to_owned(),
    };
    let (keys, revoked) = (KeyRing::from(key(1)), Revocations::default());
    let whole = claims.issue(&keys).unwrap();
    check("the token", TOKENS, whole.as_bytes(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        // Spaces around a token are skipped.
        if text.trim_ascii() == whole {
            Ok(())
        } else {
            refused(TokenClaims::verify(&keys, "prod", NOW_S, &revoked, &text))
        }
    });
    assert_eq!(TokenClaims::verify(&keys, "prod", NOW_S, &revoked, &whole), Ok(claims), "the whole one is accepted");
}

#[test]
fn damaged_key_files_never_hold_another_key() {
    let whole = format!("# new\n{}\n\n# old\n{}\n", key(1), key(2));
    let known = [key(1).id(), key(2).id()];
    check("the key file", KEY_FILES, whole.as_bytes(), |bytes| match KeyRing::parse(bytes) {
        Ok(keys) if keys.ids().iter().any(|id| !known.contains(id)) => Err(keys),
        _ => Ok(()),
    });
}

#[test]
fn damaged_certificates_are_refused() {
    let authority = Authority::derive(&key(1), "prod");
    let chain = authority.issue("n1", &["localhost"], NOW_S, 86_400).unwrap().chain_der;
    let [leaf, root] = [&chain[0], &chain[1]];
    let name = "localhost".try_into().unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW_S));
    let by_key = ServerTrust::node(TrustAnchors::derive(&key(1).into(), "prod"), NamePattern::of_cluster("prod"), "n1");
    let by_hash = ServerTrust::authorities(vec![authority.hash()], NamePattern::of_cluster("prod"));
    let verify = |trust: &ServerTrust, leaf: &CertificateDer<'_>, root: &CertificateDer<'_>| {
        trust.verify_server_cert(leaf, std::slice::from_ref(root), &name, &[], now)
    };
    check("the leaf", CERTIFICATES / 2, leaf, |bytes| refused(verify(&by_key, &bytes.into(), root)));
    // A root that only the client's hash vouches for: damaged, it may still be read, but vouches for nothing else.
    let other = Authority::derive(&key(2), "prod").issue("n1", &["localhost"], NOW_S, 86_400).unwrap().chain_der;
    check("the root", CERTIFICATES / 2, root, |bytes| {
        let _ = verify(&by_hash, leaf, &bytes.into());
        refused(verify(&by_hash, &other[0], &bytes.into()))
    });
    for trust in [by_key, by_hash] {
        assert!(verify(&trust, leaf, root).is_ok(), "the whole chain is accepted");
    }
}
