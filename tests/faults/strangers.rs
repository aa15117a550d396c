//! Strangers who reach the ports: what they do costs a bounded amount of memory, and honest clients do not notice.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use http_body_util::StreamBody;
use hyper::{
    Request,
    body::{Bytes, Frame},
    client::conn::http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use psi_api::{
    replica::{Frame as LinkFrame, Heartbeat, Hello, frame::Body},
    v1::{PingRequest, replication_service_client::ReplicationServiceClient},
};
use psi_tests::{
    DEADLINE, INCIDENT, eventually,
    process::{Launch, Process},
};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::{PROGRAM, gossip::links};

/// By as much a node may grow, whatever strangers do.
pub(crate) const GROWTH_KIB: u64 = 64 * 1024;
const LIMIT: usize = 64;

fn launch() -> Launch {
    Launch::new(PROGRAM, "n1").with("--limits-connections-max", &LIMIT).with("--limits-streams-max", &8)
}

/// Memory that is resident, kB.
pub(crate) fn resident_kib(node: &Process) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("resident memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// A client of HTTP that keeps its connection.
struct Client(TcpStream);

impl Client {
    fn connect(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self(stream))
    }

    /// The first bytes of the answer.
    fn ask(&mut self, request: &str) -> Result<String> {
        self.0.write_all(request.as_bytes())?;
        let mut answer = vec![0; 4096];
        let length = self.0.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    fn step(&mut self) -> Result<()> {
        let body = format!("{{\"x\": {INCIDENT:?}}}");
        let head = format!("POST /step HTTP/1.1\r\nhost: n1\r\ncontent-length: {}\r\n\r\n", body.len());
        let answer = self.ask(&format!("{head}{body}"))?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        Ok(())
    }
}

/// Honest clients, one that keeps its connection and ones that don't, go on while strangers do something.
fn is_unimpressed(node: &Process, mut strangers: impl FnMut(usize) -> Result<()>) -> Result<()> {
    let mut kept = Client::connect(node.http)?;
    kept.step()?;
    let before = resident_kib(node)?;
    for round in 0..3 * LIMIT {
        strangers(round)?;
        kept.step().with_context(|| format!("the kept connection, round {round}"))?;
        Client::connect(node.http)?.step().with_context(|| format!("a new connection, round {round}"))?;
    }
    let grown = resident_kib(node)?.saturating_sub(before);
    ensure!(grown < GROWTH_KIB, "grown by {grown} kB");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_give_way_to_clients() -> Result<()> {
    let node = launch().start()?;
    node.ready().await?;
    for port in [node.http, node.grpc] {
        let mut idle = Vec::new();
        is_unimpressed(&node, |_| {
            idle.push(TcpStream::connect(port)?);
            Ok(())
        })?;
    }
    ensure!(node.series("psi_node_connections_evicted_total").await? > 0.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_requests_give_way_to_clients() -> Result<()> {
    let node = launch().start()?;
    node.ready().await?;
    let body = "x".repeat(900_000);
    for (head, sent) in [
        ("POST /step HTTP/1.1\r\nhost: n1\r\ncontent-length: 1000000\r\n\r\n", body.as_str()),
        ("POST /step HTTP/1.1\r\nhost: n1\r\ncontent-length: 1000000\r\n\r\n", "{"),
        ("POST /step HTTP/1.1\r\nhost: n1\r\nx-long: ", &body[..20_000]),
    ] {
        let mut slow = Vec::new();
        is_unimpressed(&node, |_| {
            let mut stream = TcpStream::connect(node.http)?;
            stream.set_write_timeout(Some(DEADLINE))?;
            stream.write_all(head.as_bytes())?;
            // The node may have closed it by now.
            let _ = stream.write_all(sent.as_bytes());
            slow.push(stream);
            Ok(())
        })?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_end_are_refused() -> Result<()> {
    let node = launch().start()?;
    node.ready().await?;
    let mut client = Client::connect(node.http)?;
    let answer = client.ask(&format!("GET /state HTTP/1.1\r\nhost: n1\r\nx-long: {}", "x".repeat(100_000)))?;
    ensure!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed() -> Result<()> {
    let node = launch().start()?;
    node.ready().await?;
    for port in [node.http, node.grpc] {
        let mut silent = Client::connect(port)?;
        ensure!(silent.0.read(&mut [0; 1])? == 0, "closed");
        // A preface that stops in the middle; what was not read resets the connection.
        let mut slow = Client::connect(port)?;
        slow.0.write_all(b"PRI * HTTP/2")?;
        let end = slow.0.read(&mut [0; 1]).or_else(|error| match error.kind() {
            std::io::ErrorKind::ConnectionReset => Ok(0),
            _ => Err(error),
        })?;
        ensure!(end == 0, "closed");
    }
    Ok(())
}

/// A call of Step whose message announces this length, and has this much of it.
fn unfinished(node: &Process, announced: u32, sent: usize) -> Request<UnfinishedBody> {
    let mut begun = vec![0];
    begun.extend(announced.to_be_bytes());
    begun.resize(begun.len() + sent, 0);
    let first = tokio_stream::once(Ok::<_, std::io::Error>(Frame::data(Bytes::from(begun))));
    let body: UnfinishedBody = StreamBody::new(Box::pin(first.chain(tokio_stream::pending())));
    Request::post(format!("http://{}/psi.v1.PsiFieldService/StepBatch", node.grpc))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .expect("a request")
}

type UnfinishedBody =
    StreamBody<std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send>>>;

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_announced_take_no_memory_until_they_come() -> Result<()> {
    let node = launch().start()?;
    node.ready().await?;
    let before = resident_kib(&node)?;
    for (announced, sent) in [(4_000_000, 5), (4_000_000, 60_000)] {
        let mut calls = Vec::new();
        for _ in 0..4 {
            let stream = TokioIo::new(tokio::net::TcpStream::connect(node.grpc).await?);
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            for _ in 0..200 {
                sender.ready().await?;
                calls.push(tokio::spawn(sender.send_request(unfinished(&node, announced, sent))));
            }
        }
        for _ in 0..50 {
            node.step("", &INCIDENT).await?;
            node.cluster.clone().ping(PingRequest::default()).await?;
        }
        let grown = resident_kib(&node)?.saturating_sub(before);
        ensure!(grown < GROWTH_KIB, "grown by {grown} kB by {} messages of which {sent} bytes came", calls.len());
        calls.iter().for_each(tokio::task::JoinHandle::abort);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_does_not_come_is_refused_in_words() -> Result<()> {
    let node = launch().start()?;
    node.ready().await?;
    let stream = TokioIo::new(tokio::net::TcpStream::connect(node.grpc).await?);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    let answer = sender.send_request(unfinished(&node, 1000, 5)).await?;
    let said = answer.headers().get("grpc-message").context("a message")?.to_str()?.to_owned();
    ensure!(said.contains("within"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_all_clients_together_are_limited_and_steps_are_not() -> Result<()> {
    let node = launch().start()?;
    node.ready().await?;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(node.field.clone().watch_state(psi_api::v1::WatchStateRequest::default()).await?.into_inner());
    }
    let mut events = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(node.http)?;
        let answer = client.ask("GET /state/watch HTTP/1.1\r\nhost: n1\r\n\r\n")?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        events.push(client);
    }
    let refused = node.field.clone().watch_state(psi_api::v1::WatchStateRequest::default()).await.err();
    let refused = refused.context("one too many")?;
    ensure!(refused.code() == Code::Unavailable && refused.message().contains("limits.streams_max"), "{refused:?}");
    let answer = Client::connect(node.http)?.ask("GET /state/watch HTTP/1.1\r\nhost: n1\r\n\r\n")?;
    ensure!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("TOO_MANY_STREAMS"), "{answer:?}");
    node.step("", &INCIDENT).await?;
    // The end of one makes room, over either protocol.
    events[0].0.shutdown(Shutdown::Both)?;
    drop(open.pop());
    eventually("there is room again", async || {
        let watch = node.field.clone().watch_state(psi_api::v1::WatchStateRequest::default()).await;
        Ok(watch.is_ok())
    })
    .await?;
    // Connections with open streams don't give way.
    let mut idle = Vec::new();
    for _ in 0..3 * LIMIT {
        idle.push(TcpStream::connect(node.http)?);
    }
    node.step("", &INCIDENT).await?;
    for event in &mut events[1..] {
        event.0.set_read_timeout(Some(Duration::from_secs(5)))?;
        ensure!(event.0.read(&mut [0; 4096])? > 0, "the stream goes on");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_cut_no_link() -> Result<()> {
    const CONNECTIONS_MAX: usize = 16;
    let launch = |name| Launch::new(PROGRAM, name).with("--limits-connections-max", &CONNECTIONS_MAX);
    let first = launch("n1").start()?;
    let nodes = [launch("n2").with("--cluster-seeds", &first.advertised.gossip).start()?, first];
    // Who was evicted calls again.
    let linked = async |node: &Process| links(node).await.is_ok_and(|links| links == 1);
    for node in &nodes {
        node.ready().await?;
        eventually("the two are linked", async || Ok(linked(node).await)).await?;
    }
    let opened = || nodes.each_ref().map(|node| node.said().matches("link opened").count());
    let before = opened();

    let mut idle = Vec::new();
    for node in &nodes {
        for _ in 0..4 * CONNECTIONS_MAX {
            idle.push(TcpStream::connect(node.grpc)?);
        }
        eventually("idle connections give way", async || {
            let evicted = node.series("psi_node_connections_evicted_total").await.unwrap_or_default();
            Ok(evicted >= 2.0 * CONNECTIONS_MAX as f64)
        })
        .await?;
    }
    let [second, first] = &nodes;
    eventually("a step gets from the second to the first", async || {
        Ok(second.step("", &INCIDENT).await.is_ok() && first.count("").await > 0)
    })
    .await?;
    for node in &nodes {
        eventually("the two are still linked", async || Ok(linked(node).await)).await?;
    }
    ensure!(opened() == before, "a link was opened again: {}", second.said());
    Ok(())
}

/// First frames of links, and why each is refused.
fn refused_frames() -> Result<[(&'static str, Body); 5]> {
    let wall_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let name = |name: &str| Hello {
        cluster: "psi-field".to_owned(),
        node: name.to_owned(),
        protocol_min: 1,
        protocol_max: 1,
        wall_ms,
        ..Hello::default()
    };
    Ok([
        ("WRONG_CLUSTER", Body::Hello(Hello { cluster: "another".to_owned(), ..name("x") })),
        ("UNKNOWN_PROTOCOL", Body::Hello(Hello { protocol_min: 99, protocol_max: 99, ..name("x") })),
        ("SAME_NODE", Body::Hello(name("n1"))),
        ("BAD_NAME", Body::Hello(name("é"))),
        ("OUT_OF_TURN", Body::Heartbeat(Heartbeat::default())),
    ])
}

/// Opens links one after the other, each with the next of these frames, and sees each refused.
async fn dial_badly(to: SocketAddr, frames: [(&'static str, Body); 5], links: usize) -> Result<()> {
    let mut client = ReplicationServiceClient::connect(format!("http://{to}")).await?;
    for (want, body) in frames.iter().cycle().take(links) {
        let first = tokio_stream::once(LinkFrame { body: Some(body.clone()) });
        let refused = async {
            let mut answers = client.link(first.chain(tokio_stream::pending())).await?.into_inner();
            loop {
                match answers.message().await {
                    Ok(answer) => ensure!(answer.is_some(), "{want}: the link ended without a reason"),
                    Err(status) => return Ok(status),
                }
            }
        };
        let refused = tokio::time::timeout(DEADLINE, refused).await.with_context(|| format!("{want}: no end"))??;
        ensure!(psi_api::cause_of(&refused).is_some_and(|(reason, _)| reason == *want), "{want}: {refused:?}");
    }
    Ok(())
}

/// How often a node has said that it refused a link.
fn refusals_said(node: &Process) -> usize {
    node.said().matches("refused a link").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_links_are_counted_each_and_logged_by_reason() -> Result<()> {
    const LINKS: usize = 2_000;
    const STRANGERS: usize = 20;
    let node = launch().start()?;
    // A node that knows of no other looks for one of its own name for two seconds before it looks at a link.
    let other = Launch::new(PROGRAM, "n2").with("--cluster-seeds", &node.advertised.gossip).start()?;
    for node in [&node, &other] {
        node.ready().await?;
    }
    eventually("the two are linked", async || Ok(links(&node).await? == 1)).await?;
    node.step("", &INCIDENT).await?;
    let (before, frames) = (resident_kib(&node)?, refused_frames()?);
    let begun = Instant::now();
    let strangers: Vec<_> =
        (0..STRANGERS).map(|_| tokio::spawn(dial_badly(node.grpc, frames.clone(), LINKS / STRANGERS))).collect();
    for stranger in strangers {
        stranger.await??;
    }
    for (reason, _) in &frames {
        let series = format!("psi_replica_refused_total{{reason=\"{}\"}}", reason.to_lowercase());
        ensure!(node.series(&series).await? == (LINKS / frames.len()) as f64, "{series}");
    }
    let most = frames.len() * (1 + usize::try_from(begun.elapsed().as_secs() / 60)?);
    ensure!((frames.len()..=most).contains(&refusals_said(&node)), "{}", node.said());
    let grown = resident_kib(&node)?.saturating_sub(before);
    ensure!(grown < GROWTH_KIB, "grown by {grown} kB");
    node.step("", &INCIDENT).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_links_take_little_memory_and_few_lines() -> Result<()> {
    const CONNECTIONS: usize = 12;
    const LINKS: usize = 3_000;
    let node = launch().start()?;
    node.ready().await?;
    node.step("", &INCIDENT).await?;
    let (before, mut most, begun) = (resident_kib(&node)?, 0, Instant::now());
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = ReplicationServiceClient::connect(format!("http://{}", node.grpc)).await?;
        for _ in 0..LINKS / CONNECTIONS {
            silent.push(client.link(tokio_stream::pending()).await?.into_inner());
        }
        node.step("", &INCIDENT).await?;
        most = most.max(resident_kib(&node)?);
    }
    eventually("all are sent away", async || {
        let refused = node.series("psi_replica_refused_total{reason=\"silent_peer\"}").await?;
        Ok(refused >= LINKS as f64)
    })
    .await?;
    let grown = most.max(resident_kib(&node)?).saturating_sub(before);
    ensure!(grown < GROWTH_KIB, "grown by {grown} kB");
    let lines = 1 + usize::try_from(begun.elapsed().as_secs() / 60)?;
    ensure!((1..=lines).contains(&refusals_said(&node)), "{}", node.said());
    Ok(())
}
