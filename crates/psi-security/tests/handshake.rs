//! Handshakes of rustls between nodes and clients, over bytes in memory. Time is an argument here too.

use std::{sync::Arc, time::Duration};

use psi_security::{
    certificate::{
        Authority, AuthorityHash, CertificateRefusal, ClientTrust, NamePattern, NodeCertificate, ServerTrust,
        TrustAnchors, tls,
    },
    key::{ClusterKey, KeyRing},
};
use rustls::{
    ClientConfig, ClientConnection, ServerConnection,
    client::ResolvesClientCert,
    pki_types::{ServerName, UnixTime},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    time_provider::TimeProvider,
};

const NOW: u64 = 1_800_000_000;
const WEEK: u64 = 7 * 86_400;

/// A clock that stands.
#[derive(Debug)]
struct Clock(u64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

/// One certificate, whatever is asked for.
#[derive(Debug)]
struct Certificate(Arc<CertifiedKey>);

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl ResolvesClientCert for Certificate {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A node: what it shows, and what it trusts.
struct Node {
    certificate: NodeCertificate,
    keys: KeyRing,
    now_s: u64,
}

/// What both ends know after the handshake; each end's error, else.
#[derive(Debug)]
struct Outcome {
    client: Result<Option<String>, rustls::Error>,
    server: Result<Option<String>, rustls::Error>,
}

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_random([byte; 32])
}

fn ring(bytes: &[u8]) -> KeyRing {
    let file: String = bytes.iter().map(|byte| format!("{}\n", key(*byte))).collect();
    KeyRing::parse(file.as_bytes()).expect("sound")
}

fn hash(byte: u8) -> AuthorityHash {
    Authority::derive(&key(byte), "prod").hash()
}

fn names() -> NamePattern {
    NamePattern::of_cluster("prod")
}

/// The names in the certificate of a node.
fn names_of(node: &str) -> Vec<String> {
    vec![names().name(node)]
}

impl Node {
    /// A node that shows a certificate of the first of these keys, made now.
    fn new(name: &str, keys: &[u8]) -> Self {
        let keys = ring(keys);
        let certificate =
            Authority::derive(keys.first(), "prod").issue(name, &["localhost"], NOW, WEEK).expect("sound");
        Self { certificate, keys, now_s: NOW }
    }

    fn anchors(&self) -> TrustAnchors {
        TrustAnchors::derive(&self.keys, "prod")
    }

    fn resolver(&self) -> Arc<Certificate> {
        Arc::new(Certificate(self.certificate.certified_key().expect("sound")))
    }

    fn clock(&self) -> Arc<Clock> {
        Arc::new(Clock(self.now_s))
    }

    /// As it dials another node.
    fn client(&self, wanted: Option<&str>) -> ClientConfig {
        let trust = match wanted {
            Some(node) => ServerTrust::node(self.anchors(), names(), node),
            None => ServerTrust::any_node(self.anchors(), names()),
        };
        tls::client_config(Arc::new(trust), Some(self.resolver()), &[b"h2"], self.clock()).expect("sound")
    }

    fn server(&self) -> ServerConnection {
        let trust = ClientTrust::new(self.anchors(), names());
        let config =
            tls::server_config(Arc::new(trust), self.resolver(), &[b"h2", b"http/1.1"], self.clock()).expect("sound");
        ServerConnection::new(Arc::new(config)).expect("sound")
    }
}

/// A client that knows an authority only by its hash, and shows no certificate.
fn client_by_hash(hashes: Vec<AuthorityHash>, cluster: &str) -> ClientConfig {
    let trust = ServerTrust::authorities(hashes, NamePattern::of_cluster(cluster));
    tls::client_config(Arc::new(trust), None, &[b"h2"], Arc::new(Clock(NOW))).expect("sound")
}

/// Passes bytes both ways until neither end has any, or one has failed.
fn shake(client: ClientConfig, server: &Node) -> Outcome {
    // The name in the URL is looked at by nobody.
    let mut client =
        ClientConnection::new(Arc::new(client), ServerName::try_from("any.example").expect("sound")).expect("sound");
    let mut server = server.server();
    let (mut client_result, mut server_result) = (Ok(()), Ok(()));
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("bytes in memory");
        }
        server_result = server_result.and_then(|()| {
            server.read_tls(&mut bytes.as_slice()).expect("bytes in memory");
            server.process_new_packets().map(drop)
        });
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("bytes in memory");
        }
        client_result = client_result.and_then(|()| {
            client.read_tls(&mut bytes.as_slice()).expect("bytes in memory");
            client.process_new_packets().map(drop)
        });
    }
    if client_result.is_ok() && server_result.is_ok() {
        assert!(!client.is_handshaking() && !server.is_handshaking(), "neither end waits");
        assert_eq!(client.alpn_protocol(), Some(&b"h2"[..]));
    }
    Outcome {
        client: client_result.map(|()| client.peer_certificates().and_then(|chain| names().peer_node(chain))),
        server: server_result.map(|()| server.peer_certificates().and_then(|chain| names().peer_node(chain))),
    }
}

fn check_accepted(outcome: &Outcome, server: &str, client: Option<&str>) {
    assert_eq!(outcome.client.as_ref().expect("sound"), &Some(server.to_owned()));
    assert_eq!(outcome.server.as_ref().expect("sound"), &client.map(str::to_owned));
}

/// Why the end that saw the certificate refused it.
fn refusal<T: std::fmt::Debug>(result: Result<T, rustls::Error>) -> CertificateRefusal {
    let error = result.expect_err("refused");
    let refusal = CertificateRefusal::of(&error).unwrap_or_else(|| panic!("another error: {error}"));
    assert!(error.to_string().contains(&refusal.to_string()), "{error}");
    refusal.clone()
}

#[test]
fn nodes_of_one_key_know_each_other_by_name() {
    let (a, b) = (Node::new("a", &[1]), Node::new("b", &[1]));
    check_accepted(&shake(a.client(Some("b")), &b), "b", Some("a"));
    check_accepted(&shake(a.client(None), &b), "b", Some("a"));
}

#[test]
fn a_node_of_another_key_is_refused_by_who_dials() {
    let outcome = shake(Node::new("a", &[1]).client(None), &Node::new("b", &[2]));
    let want = CertificateRefusal::OtherAuthority { names: names_of("b"), shown: vec![hash(2)], wanted: vec![hash(1)] };
    assert_eq!(refusal(outcome.client), want);
    assert!(outcome.server.is_err(), "the server hears an alert");
}

#[test]
fn a_client_of_another_key_is_refused_by_the_server() {
    // It trusts the server's key, and shows a certificate of another.
    let mut a = Node::new("a", &[2]);
    a.keys = ring(&[1]);
    let outcome = shake(a.client(None), &Node::new("b", &[1]));
    let want = CertificateRefusal::OtherAuthority { names: names_of("a"), shown: vec![hash(2)], wanted: vec![hash(1)] };
    assert_eq!(refusal(outcome.server), want);
    assert!(outcome.client.is_err());
}

#[test]
fn another_node_than_the_one_wanted_is_refused() {
    let outcome = shake(Node::new("a", &[1]).client(Some("c")), &Node::new("b", &[1]));
    assert_eq!(
        refusal(outcome.client),
        CertificateRefusal::OtherNode { shown: "b".to_owned(), wanted: "c".to_owned() }
    );
}

#[test]
fn a_certificate_that_expired_is_refused_by_either_end() {
    let late = |name| Node { now_s: NOW + WEEK + 1, ..Node::new(name, &[1]) };
    let fresh = |name| {
        let certificate = Authority::derive(&key(1), "prod").issue(name, &["localhost"], NOW + WEEK, WEEK).unwrap();
        Node { certificate, ..late(name) }
    };
    let expired =
        |node| CertificateRefusal::Expired { names: names_of(node), not_after_s: NOW + WEEK, now_s: NOW + WEEK + 1 };
    assert_eq!(refusal(shake(fresh("a").client(None), &late("b")).client), expired("b"));
    assert_eq!(refusal(shake(late("a").client(None), &fresh("b")).server), expired("a"));
    check_accepted(&shake(fresh("a").client(None), &fresh("b")), "b", Some("a"));
}

#[test]
fn a_client_may_know_the_authority_by_its_hash_and_show_no_certificate() {
    let node = Node::new("b", &[1]);
    check_accepted(&shake(client_by_hash(vec![hash(1)], "prod"), &node), "b", None);
    check_accepted(&shake(client_by_hash(vec![hash(2), hash(1)], "prod"), &node), "b", None);
    let outcome = shake(client_by_hash(vec![hash(2)], "prod"), &node);
    let want = CertificateRefusal::OtherAuthority { names: names_of("b"), shown: vec![hash(1)], wanted: vec![hash(2)] };
    assert_eq!(refusal(outcome.client), want);
    let outcome = shake(client_by_hash(vec![hash(1)], "test"), &node);
    let wanted = NamePattern::of_cluster("test").to_string();
    assert_eq!(refusal(outcome.client), CertificateRefusal::Nameless { shown: names_of("b"), wanted });
}

#[test]
fn an_authority_s_certificate_beside_a_leaf_of_another_proves_nothing() {
    let mut node = Node::new("b", &[2]);
    node.certificate.chain_der.push(Authority::derive(&key(1), "prod").certificate_der().clone());
    let outcome = shake(client_by_hash(vec![hash(1)], "prod"), &node);
    assert_eq!(refusal(outcome.client).reason(), "other_authority");
}

#[test]
fn a_client_finds_its_authority_among_several() {
    let mut node = Node::new("b", &[1]);
    node.certificate.chain_der.insert(1, Authority::derive(&key(2), "prod").certificate_der().clone());
    check_accepted(&shake(client_by_hash(vec![hash(2), hash(1)], "prod"), &node), "b", None);
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    let (own, other) = (Node::new("a", &[1]), Node::new("b", &[1]));
    let stolen = NodeCertificate {
        chain_der: other.certificate.chain_der.clone(),
        private_key_der: own.certificate.private_key_der.clone_key(),
        not_after_s: NOW + WEEK,
    };
    let thief = Node { certificate: stolen, ..Node::new("b", &[1]) };
    assert!(shake(own.client(Some("b")), &thief).client.is_err());
    assert!(shake(thief.client(None), &own).server.is_err());
}

#[test]
fn keys_are_rotated_without_a_refusal() {
    // Old, both accepted, new first, new alone: neighbours in time accept each other.
    let stages = [&[1][..], &[1, 2], &[2, 1], &[2]];
    for pair in stages.windows(2) {
        let (before, after) = (Node::new("a", pair[0]), Node::new("b", pair[1]));
        check_accepted(&shake(before.client(Some("b")), &after), "b", Some("a"));
        check_accepted(&shake(after.client(Some("a")), &before), "a", Some("b"));
        // A token made from the new file and the old one names both authorities.
        for node in [&before, &after] {
            let outcome = shake(client_by_hash(vec![hash(2), hash(1)], "prod"), node);
            assert!(outcome.client.is_ok());
        }
    }
    let outcome = shake(Node::new("a", &[1]).client(None), &Node::new("b", &[2]));
    assert_eq!(refusal(outcome.client).reason(), "other_authority");
}

#[test]
fn older_clients_of_http_may_speak_tls_1_2() {
    let node = Node::new("b", &[1]);
    let trust = Arc::new(ServerTrust::any_node(node.anchors(), names()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider, node.clock())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap();
    let mut config = builder.dangerous().with_custom_certificate_verifier(trust).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    check_accepted(&shake(config, &node), "b", None);
}
