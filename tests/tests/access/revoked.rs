//! A token is revoked, or expires, while nodes run: its calls are refused, and what it has opened ends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt;
use hyper::{Response, body::Incoming};
use prost::Message;
use prost_types::FileDescriptorSet;
use psi_node::Node;
use psi_security::{
    certificate::Authority,
    token::{Role, TokenClaims, TokenId},
};
use psi_tests::{DEADLINE, eventually};
use tonic::Code;

use crate::{
    client::{Dialler, OpenConnection, end},
    identities::{CLUSTER, Identity, Keys, now_s},
};

/// Streams that are open to all, or to nodes alone.
const WITHOUT_TOKEN: [&str; 2] = ["/psi.v1.ReplicationService/Link", "/grpc.health.v1.Health/Watch"];
/// A stream that is over as soon as all is sent; it may be before its token is.
const ENDS_BY_ITSELF: &str = "/psi.v1.LedgerService/Export";
/// Streams of services that are not ours.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Every method whose answer is a stream, and that a token lets in; and whether its client streams too.
fn streams() -> Result<Vec<(String, bool)>> {
    let files = FileDescriptorSet::decode(psi_api::DESCRIPTORS)?.file;
    let mut paths: Vec<(String, bool)> = REFLECTION.map(|path| (path.to_owned(), true)).into();
    for file in &files {
        for service in &file.service {
            let streams = service.method.iter().filter(|method| method.server_streaming());
            let path = |name: &str| format!("/{}.{}/{name}", file.package(), service.name());
            paths.extend(streams.map(|method| (path(method.name()), method.client_streaming())));
        }
    }
    paths.retain(|(path, _)| !WITHOUT_TOKEN.contains(&path.as_str()) && path != ENDS_BY_ITSELF);
    ensure!(paths.len() >= 5, "{paths:?}");
    Ok(paths)
}

fn holder(keys: &Keys, name: &str, lasts_s: u64) -> Result<Dialler> {
    let claims = TokenClaims {
        id: TokenId::from_random([7; 8]),
        name: name.to_owned(),
        role: Role::Operator,
        fields: Vec::new(),
        not_after_s: now_s() + lasts_s,
        authorities: vec![Authority::derive(keys.ring.first(), CLUSTER).hash()],
        cluster: CLUSTER.to_owned(),
    };
    Ok(Dialler::of(&keys.ring, Identity::Nobody)?.holding(claims.issue(&keys.ring)?))
}

async fn ended(answer: Response<Incoming>) -> Result<(Code, String)> {
    tokio::time::timeout(DEADLINE, end(answer)).await.context("the stream goes on")?
}

/// Streams of every method, each with its connection.
async fn open(dialler: &Dialler, node: &Node) -> Result<Vec<(String, OpenConnection, Response<Incoming>)>> {
    let mut open = Vec::new();
    for (path, client_streams) in streams()? {
        let (connection, answer) = dialler.stream(node.addresses().grpc, &path, client_streams).await?;
        open.push((path, connection, answer));
    }
    Ok(open)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_opens_nothing_and_what_it_has_opened_ends() -> Result<()> {
    const PING: &str = "/psi.v1.ClusterService/Ping";
    let keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    let (grpc, http) = (node.addresses().grpc, node.addresses().http);
    let (gone, stays) = (holder(&keys, "gone", 3_600)?, holder(&keys, "stays", 3_600)?);
    let (revoked, others) = (open(&gone, &node).await?, open(&stays, &node).await?);
    let (_driver, events) = gone.ask(http, "GET", "/state/watch").await?;
    ensure!(events.status() == 200, "{events:?}");
    ensure!(gone.call(grpc, PING).await? == Code::Ok && stays.call(grpc, PING).await? == Code::Ok);

    std::fs::write(keys.revoked_path(), "# left the company\ngone\n")?;
    for (path, _connection, answer) in revoked {
        let (code, message) = ended(answer).await.with_context(|| path.clone())?;
        ensure!(code == Code::Unauthenticated, "{path}: {code:?}");
        ensure!(message.contains("revoked") && message.contains("gone"), "{path}: {message}");
    }
    let events = tokio::time::timeout(DEADLINE, events.into_body().collect()).await??.to_bytes();
    let events = String::from_utf8_lossy(&events);
    let (_, last) = events.split_once("event: refusal").context("a refusal")?;
    ensure!(last.contains("ACCESS_TOKEN_REFUSED"), "{events}");
    eventually("its calls are refused", async || Ok(gone.call(grpc, PING).await? == Code::Unauthenticated)).await?;

    // Others don't notice.
    ensure!(stays.call(grpc, PING).await? == Code::Ok);
    for (path, connection, answer) in others {
        let ended = tokio::time::timeout(Duration::from_millis(1), end(answer)).await;
        ensure!(ended.is_err() && !connection.task.is_finished(), "{path} goes on: {ended:?}");
    }
    node.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_ends_what_it_has_opened() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    // Valid for another second at least, and for two at most.
    for (path, _connection, answer) in open(&holder(&keys, "guest", 1)?, &node).await? {
        let (code, message) = ended(answer).await.with_context(|| path.clone())?;
        ensure!(code == Code::Unauthenticated && message.contains("expired"), "{path}: {code:?} {message}");
    }
    node.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_key_that_is_removed_ends_what_it_has_opened() -> Result<()> {
    let mut keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    let streams = open(&holder(&keys, "feeder", 3_600)?, &node).await?;
    keys.write(&[2])?;
    for (path, _connection, answer) in streams {
        let (code, message) = ended(answer).await.with_context(|| path.clone())?;
        ensure!(code == Code::Unauthenticated && message.contains("signed"), "{path}: {code:?} {message}");
    }
    node.shutdown().await;
    Ok(())
}
