use rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject};
use webpki::KeyUsage;

use super::{chain::ShownChain, *};
use crate::key::{ClusterKey, KeyRing};

const NOW: u64 = 1_800_000_000;
const WEEK: u64 = 7 * 86_400;
const NO_NAMES: [&str; 0] = [];

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_random([byte; 32])
}

fn authority(byte: u8) -> Authority {
    Authority::derive(&key(byte), "prod")
}

fn at(second: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(second))
}

fn verify(
    keys: impl Into<KeyRing>,
    chain: &[CertificateDer<'_>],
    now_s: u64,
    cluster: &str,
) -> Result<String, CertificateRefusal> {
    let chain = ShownChain { leaf: &chain[0], rest: &chain[1..] };
    TrustAnchors::derive(&keys.into(), "prod").verify(chain, at(now_s), KeyUsage::server_auth(), &pattern(cluster))
}

fn pattern(cluster: &str) -> NamePattern {
    NamePattern::of_cluster(cluster)
}

fn n1() -> String {
    "n1".to_owned()
}

#[test]
fn an_authority_is_the_same_each_time() {
    let authority = authority(1);
    assert_eq!(authority.certificate_der(), super::tests::authority(1).certificate_der());
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    assert_eq!(hash(authority.certificate_der()), "b90dd23d65ff93844050b0532930b059dc69cf9bdab4a1b3fb24a10b601cb2aa");
    assert_eq!(authority.hash().to_string(), "1cd8cd9cabea815b1b9532e6750dd92893bcd6d91f353ecb8a1de2a231a6bbbe");
}

#[test]
fn each_key_and_cluster_has_its_own_authority() {
    let others = [authority(2), Authority::derive(&key(1), "test"), Authority::derive(&key(1), "")];
    assert!(others.iter().all(|other| other.hash() != authority(1).hash()));
}

#[test]
fn the_hash_is_that_of_the_certificate_s_public_key() {
    let authority = authority(1);
    assert_eq!(AuthorityHash::of_certificate(authority.certificate_der()), Some(authority.hash()));
    assert_eq!(AuthorityHash::of_certificate(&CertificateDer::from(vec![0x30, 0])), None);
    assert_eq!(AuthorityHash::from_bytes(*authority.hash().as_bytes()), authority.hash());
}

#[test]
fn the_pem_is_read_by_others() {
    let pem = authority(1).certificate_pem();
    assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
    assert_eq!(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(), *authority(1).certificate_der());
}

#[test]
fn debug_shows_no_secret() {
    let node = authority(1).issue("n1", &NO_NAMES, NOW, WEEK).unwrap();
    assert_eq!(format!("{:?}", authority(1)), format!("Authority(prod of key {})", key(1).id()));
    assert!(format!("{node:?}").contains("elided"), "{node:?}");
}

#[test]
fn a_certificate_names_its_node_and_its_addresses() {
    let names = ["localhost", "n1.example.org", "127.0.0.1", "::1"];
    let node = authority(1).issue("n1", &names, NOW, WEEK).unwrap();
    assert_eq!(node.not_after_s, NOW + WEEK);
    assert_eq!(node.chain_der[1], *authority(1).certificate_der());
    assert_eq!(pattern("prod").peer_node(&node.chain_der), Some(n1()));
    assert_eq!(verify(key(1), &node.chain_der, NOW, "prod"), Ok(n1()));
    let leaf = webpki::EndEntityCert::try_from(&node.chain_der[0]).unwrap();
    for name in names {
        assert_eq!(leaf.verify_is_valid_for_subject_name(&name.try_into().unwrap()), Ok(()), "{name}");
    }
    assert!(node.certified_key().unwrap().keys_match().is_ok());
}

#[test]
fn each_certificate_has_a_key_and_a_serial_of_its_own() {
    let [first, second] = [(); 2].map(|()| authority(1).issue("n1", &NO_NAMES, NOW, WEEK).unwrap());
    let serial =
        |node: &NodeCertificate| webpki::EndEntityCert::try_from(&node.chain_der[0]).unwrap().serial().to_vec();
    assert_ne!(serial(&first), serial(&second));
    assert_ne!(first.private_key_der.secret_der(), second.private_key_der.secret_der());
}

#[test]
fn names_that_no_certificate_can_have_are_refused() {
    for name in ["", "a b", "é.example.org", "a..b", "10.0.0.1:80", "\u{1b}[2J"] {
        let error = authority(1).issue("n1", &[name], NOW, WEEK).expect_err("refused");
        assert!(
            error.to_string().ends_with("is no DNS name and no IP address, so no certificate can have it"),
            "{error}"
        );
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let error = authority(1).issue("n1", &NO_NAMES, u64::MAX, WEEK).expect_err("refused");
    assert!(matches!(error, IssueError::Validity(_)), "{error}");
}

#[test]
fn names_that_a_uri_encodes_come_back() {
    for node in ["a b", "é/node/ψ", &"x".repeat(200)] {
        let authority = Authority::derive(&key(1), "a cluster: ψ");
        let chain = authority.issue(node, &NO_NAMES, NOW, WEEK).unwrap().chain_der;
        assert_eq!(pattern("a cluster: ψ").peer_node(&chain).as_deref(), Some(node));
    }
}

#[test]
fn peer_node_needs_a_certificate_of_a_node() {
    for chain in [&[][..], &[CertificateDer::from(vec![0])], &[authority(1).certificate_der().clone()]] {
        assert_eq!(pattern("prod").peer_node(chain), None);
    }
}

#[test]
fn a_certificate_is_valid_from_a_week_ago_to_its_last_second() {
    let chain = authority(1).issue("n1", &NO_NAMES, NOW, WEEK).unwrap().chain_der;
    for now_s in [NOW - WEEK, NOW + WEEK] {
        assert_eq!(verify(key(1), &chain, now_s, "prod"), Ok(n1()), "{now_s}");
    }
    let early = verify(key(1), &chain, NOW - WEEK - 1, "prod").expect_err("premature");
    assert_eq!(
        early.to_string(),
        "the certificate of the other end (`spiffe://prod/node/n1`) begins at 2027-01-08T08:00:00Z, and it is \
         2027-01-08T07:59:59Z here; let both clocks follow a time server"
    );
    let late = verify(key(1), &chain, NOW + WEEK + 1, "prod").expect_err("expired");
    assert_eq!(
        late.to_string(),
        "the certificate of the other end (`spiffe://prod/node/n1`) expired at 2027-01-22T08:00:00Z, and it is \
         2027-01-22T08:00:01Z here; let both clocks follow a time server, and see why the other node does not renew it"
    );
}

#[test]
fn a_certificate_of_another_key_is_refused_with_both_authorities() {
    let chain = authority(2).issue("n1", &NO_NAMES, NOW, WEEK).unwrap().chain_der;
    let refusal = verify(key(1), &chain, NOW, "prod").expect_err("refused");
    assert_eq!(
        refusal.to_string(),
        format!(
            "the other end (`spiffe://prod/node/n1`) shows a certificate of another authority: it came with {:.12}…, \
             wanted is {:.12}…; give all nodes the same key file, and make tokens from it. With certificates of your \
             own, give nodes and clients the same tls.ca",
            authority(2).hash(),
            authority(1).hash()
        )
    );
    let swapped = [chain[0].clone(), authority(1).certificate_der().clone()];
    assert_eq!(verify(key(1), &swapped, NOW, "prod").expect_err("refused").reason(), "other_authority");
}

#[test]
fn a_certificate_of_any_key_of_the_ring_is_accepted() {
    let both = KeyRing::parse(format!("{}\n{}", key(2), key(1)).as_bytes()).unwrap();
    for byte in [1, 2] {
        let chain = authority(byte).issue("n1", &NO_NAMES, NOW, WEEK).unwrap().chain_der;
        assert_eq!(verify(both.clone(), &chain, NOW, "prod"), Ok(n1()));
    }
}

#[test]
fn a_certificate_of_another_cluster_is_refused() {
    let chain = authority(1).issue("n1", &NO_NAMES, NOW, WEEK).unwrap().chain_der;
    let refusal = verify(key(1), &chain, NOW, "test").expect_err("refused");
    assert_eq!(
        refusal.to_string(),
        "the certificate of the other end names no node of this cluster: wanted is one name `spiffe://test/node/{node}`, \
         shown are spiffe://prod/node/n1; check the address, cluster.name and tls.name"
    );
    let chain = Authority::derive(&key(1), "test").issue("n1", &NO_NAMES, NOW, WEEK).unwrap().chain_der;
    assert_eq!(verify(key(1), &chain, NOW, "prod").expect_err("refused").reason(), "other_authority");
}

#[test]
fn an_authority_s_own_certificate_is_no_node_s() {
    let chain = [authority(1).certificate_der().clone()];
    let refusal = verify(key(1), &chain, NOW, "prod").expect_err("refused");
    assert_eq!(refusal, CertificateRefusal::Unusable(webpki::Error::CaUsedAsEndEntity));
}

#[test]
fn a_certificate_without_a_node_s_name_is_refused() {
    use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
    // An authority that others run may issue anything.
    let authority_key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = parameters.self_signed(&authority_key).unwrap();
    let issuer = Issuer::from_params(&parameters, &authority_key);
    let anchors = TrustAnchors::from_certificates(&[root.der().clone()]).unwrap();
    for uris in [&[][..], &["spiffe://prod/ns/default/sa/x"], &["spiffe://prod/node/n1", "spiffe://prod/node/n2"]] {
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        let leaf = parameters.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        let chain = ShownChain { leaf: leaf.der(), rest: &[] };
        let refusal = anchors.verify(chain, at(NOW), KeyUsage::server_auth(), &pattern("prod"));
        let (shown, wanted) = (uris.iter().map(ToString::to_string).collect(), pattern("prod").to_string());
        assert_eq!(refusal, Err(CertificateRefusal::Nameless { shown, wanted }));
    }
    assert!(TrustAnchors::from_certificates(&[CertificateDer::from(vec![1])]).is_err());
}
