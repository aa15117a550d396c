//! Time passes for identities by a clock of the test: certificates and tokens end, and are renewed.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::HeaderValue;
use psi_replica::NodeId;
use psi_security::{
    certificate::Authority,
    key::{ClusterKey, KeyRing},
    token::{Role, TokenClaims, TokenId},
};
use rustls::{
    pki_types::{ServerName, UnixTime},
    time_provider::TimeProvider,
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::{
    Identity, Requirement, caller::Caller, clock::WallClock, port::Port, shown::ShownIdentity, tls::Admission,
};
use crate::settings::{Addresses, Security, Settings};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 3_600;

/// A clock that stands until it is set.
#[derive(Debug)]
struct TestClock(AtomicU64);

impl TestClock {
    fn at(second: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(second)))
    }

    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl TimeProvider for TestClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

fn key() -> ClusterKey {
    ClusterKey::from_random([1; 32])
}

/// A node's settings, with the key in a file.
fn settings(folder: &TempDir, name: &str) -> Settings {
    let path = folder.path().join("cluster.key");
    std::fs::write(&path, key().to_string()).expect("written");
    let revoked_file = Some(folder.path().join("revoked"));
    let security = Security { key_file: Some(path), revoked_file, ..Security::default() };
    Settings { security, ..Settings::new(NodeId::new(name).expect("a name")) }
}

fn identity(folder: &TempDir, name: &str, clock: &Arc<TestClock>) -> Arc<Identity> {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let addresses = Addresses { grpc: address, http: address, gossip: address };
    let opened = Identity::open(&settings(folder, name), &addresses, WallClock::of(clock.clone()));
    Arc::new(opened.expect("a key"))
}

/// Who the accepting end takes the dialling end for.
async fn shake(dialler: &Arc<Identity>, acceptor: &Arc<Identity>) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let config = dialler.credentials().expect("a key").client_config(None).expect("a configuration");
    let dial = async {
        let name = ServerName::IpAddress(address.ip().into());
        TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
    };
    let accept = async {
        let (stream, _) = listener.accept().await?;
        acceptor.accept(stream, Port::Grpc, 22).await
    };
    let (_dialled, accepted) = tokio::try_join!(dial, accept)?;
    match accepted {
        Admission::Ready(_, shown) => Ok(shown.certified.to_string()),
        Admission::Unencrypted(_) => Ok("unencrypted".to_owned()),
    }
}

fn days_left(identity: &Identity, clock: &TestClock) -> u64 {
    let (source, validity) = identity.credentials().and_then(|held| held.validity()).expect("a certificate");
    assert_eq!(source, "derived");
    validity.not_after_s.saturating_sub(clock.0.load(Ordering::Relaxed)) / DAY
}

#[tokio::test]
async fn a_machine_that_stood_still_for_a_month_shows_another_certificate_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, others) = (TestClock::at(NOW), TestClock::at(NOW));
    let (paused, other) = (identity(&folder, "n1", &clock), identity(&folder, "n2", &others));
    assert_eq!(shake(&paused, &other).await.expect("a handshake"), "node n1");
    assert_eq!(days_left(&paused, &clock), 7);
    for passed in [3_600, DAY - 3_601, 1, 30 * DAY] {
        clock.pass(passed);
        others.pass(passed);
        assert_eq!(shake(&paused, &other).await.expect("a handshake"), "node n1", "it dials");
        assert_eq!(shake(&other, &paused).await.expect("a handshake"), "node n2", "it is dialled");
        assert!(days_left(&paused, &clock) >= 6, "and its metric says so");
    }
    // By the clock of one that stood still, the others' are valid too: those of a week ago.
    others.pass(6 * DAY);
    assert!(shake(&paused, &other).await.is_ok() && shake(&other, &paused).await.is_ok());
    others.pass(2 * DAY);
    let error = shake(&paused, &other).await.expect_err("eight days apart");
    assert!(error.to_string().contains("begins at 2027-02-16T08:00:00Z"), "{error}");
}

fn token(folder: &TempDir, not_after_s: u64) -> HeaderValue {
    token_for(folder, not_after_s, &[])
}

fn token_for(folder: &TempDir, not_after_s: u64, fields: &[&str]) -> HeaderValue {
    let ring = KeyRing::from(key());
    let cluster = settings(folder, "n1").cluster.to_string();
    let claims = TokenClaims {
        id: TokenId::from_random([1; 8]),
        name: "feeder".to_owned(),
        role: Role::Step,
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        not_after_s,
        authorities: vec![Authority::derive(&key(), &cluster).hash()],
        cluster,
    };
    format!("Bearer {}", claims.issue(&ring).expect("a token")).parse().expect("a header")
}

fn admit(identity: &Identity, token: &HeaderValue) -> Caller {
    let shown = ShownIdentity::new(Caller::Stranger);
    identity.admit(&shown, Some(token), Requirement::Role(Role::Step)).expect("accepted")
}

#[tokio::test]
async fn a_token_for_a_model_is_for_all_its_versions_and_one_for_a_version_for_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = identity(&folder, "n1", &TestClock::at(NOW));
    let of_model = admit(&identity, &token_for(&folder, NOW + 90, &["churn"]));
    for field in ["churn", "churn@v1", "churn@v2"] {
        assert!(of_model.check_field(field).is_ok(), "{field}");
    }
    for field in ["churn-2", "churn-2@v1", "v1@churn"] {
        assert!(of_model.check_field(field).is_err(), "{field}");
    }
    let of_version = admit(&identity, &token_for(&folder, NOW + 90, &["churn@v1"]));
    let error = of_version.check_field("churn@v1").expect_err("it does not name the model").to_string();
    assert!(error.contains("`churn`") && error.contains("churn@v1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_ends_what_it_has_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = TestClock::at(NOW);
    let identity = identity(&folder, "n1", &clock);
    let caller = admit(&identity, &token(&folder, NOW + 90));
    assert!(!format!("{caller:?}").contains("psi-token-"), "tokens are not shown: {caller:?}");
    let mut end = watch(identity.token_end(&caller).expect("a token ends"));
    for passed in [60, 30] {
        clock.pass(passed);
        assert!(end.after(Duration::from_secs(passed)).await.is_none(), "it is valid to its last second");
    }
    clock.pass(1);
    let error = end.after(Duration::from_secs(5)).await.expect("it is over");
    assert!(error.contains("expired at 2027-01-15T08:01:30Z") && error.contains("`feeder`"), "{error}");
    assert!(identity.token_end(&Caller::Stranger).is_none(), "who has no token has none that ends");
}

/// A future that is looked at after a while of tokio's time.
struct Watch<F>(std::pin::Pin<Box<F>>);

fn watch<F: Future>(future: F) -> Watch<F> {
    Watch(Box::pin(future))
}

impl<F: Future<Output: std::fmt::Display>> Watch<F> {
    async fn after(&mut self, time: Duration) -> Option<String> {
        tokio::time::timeout(time, self.0.as_mut()).await.ok().map(|output| output.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_of_revoked_tokens_that_appears_ends_what_they_have_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, path) = (TestClock::at(NOW), folder.path().join("revoked"));
    let identity = identity(&folder, "n1", &clock);
    let token = token(&folder, NOW + 90 * DAY);
    let mut end = watch(identity.token_end(&admit(&identity, &token)).expect("a token ends"));
    let follower = {
        let (identity, settings) = (identity.clone(), settings(&folder, "n1"));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let addresses = move || Addresses { grpc: address, http: address, gossip: address };
        tokio::spawn(async move { identity.follow_files(&settings, addresses).await })
    };
    std::fs::write(&path, "# none yet\nother\n").expect("written");
    assert!(end.after(Duration::from_secs(2)).await.is_none(), "another is revoked");
    std::fs::write(&path, "other\nfeeder\n").expect("written");
    let error = end.after(Duration::from_secs(2)).await.expect("it is revoked");
    assert!(error.contains("revoked by `feeder`"), "{error}");
    let shown = ShownIdentity::new(Caller::Stranger);
    let refused = |token: &HeaderValue| identity.admit(&shown, Some(token), Requirement::Role(Role::Step)).is_err();
    assert!(refused(&token));
    // A file that goes, or that can't be used, changes nothing.
    for content in [None, Some("\u{e9}\n")] {
        match content {
            Some(content) => std::fs::write(&path, content).expect("written"),
            None => std::fs::remove_file(&path).expect("removed"),
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(refused(&token));
    }
    std::fs::write(&path, "").expect("written");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!refused(&token), "an empty file revokes nothing");
    follower.abort();
}
