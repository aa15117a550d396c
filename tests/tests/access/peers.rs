//! Who may join, and what nodes without the key see.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use psi_api::{
    replica::{Frame, Heartbeat, Hello, frame::Body},
    v1::{
        self, GetClockRequest, cluster_service_client::ClusterServiceClient,
        replication_service_client::ReplicationServiceClient,
    },
};
use psi_node::{Endpoint, IdentityError, Node, StartError};
use psi_tests::{DEADLINE, INCIDENT, eventually, settings};
use serde_json::{Value, json};
use tokio::{net::UdpSocket, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

use crate::{
    client::{self, Dialler},
    identities::{CLUSTER, Identity, Keys},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Names of live, linked members as a node sees them, and of itself.
pub(crate) async fn members(node: &Node, keys: &Keys) -> Result<Vec<String>> {
    let (status, body) =
        client::request(node.addresses().http, &keys.ring, Identity::Operator, "GET", "/members").await?;
    ensure!(status == 200, "{status} {body}");
    let body: Value = serde_json::from_str(&body)?;
    let members = body["members"].as_array().context("members")?;
    let own = node.node_id().as_str();
    let is_there = |member: &&Value| member["state"] == "live" && (member["linked"] == true || member["node"] == own);
    Ok(members.iter().filter(is_there).filter_map(|member| member["node"].as_str().map(str::to_owned)).collect())
}

/// What a node counted of a metric with this beginning.
async fn counted(node: &Node, keys: &Keys, series: &str) -> Result<f64> {
    let (_, text) = client::request(node.addresses().http, &keys.ring, Identity::Operator, "GET", "/metrics").await?;
    let line = text.lines().find(|line| line.starts_with(series)).context("the series")?;
    Ok(line.rsplit(' ').next().context("a value")?.parse()?)
}

async fn expect_members(node: &Node, keys: &Keys, names: &[&str]) -> Result<()> {
    eventually("the members know each other", async || Ok(members(node, keys).await? == names)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_a_key_find_each_other_and_take_no_one_else() -> Result<()> {
    let (keys, others) = (Keys::new(&[1])?, Keys::new(&[7])?);
    let first = keys.start("n1", &[]).await?;
    let seed = [first.addresses().gossip];
    let second = keys.start("n2", &seed).await?;
    expect_members(&first, &keys, &["n1", "n2"]).await?;
    expect_members(&second, &keys, &["n1", "n2"]).await?;

    // One has no key, one has another; both know where to ask.
    let keyless = Node::start(settings("n3", &seed)).await?;
    let stranger = Node::start(others.settings("n4", &seed)).await?;
    for reason in ["unsealed", "unknown_key"] {
        let series = format!("psi_gossip_dropped_total{{reason=\"{reason}\"}}");
        eventually("what they send is dropped", async || Ok(counted(&first, &keys, &series).await? >= 5.0)).await?;
    }
    ensure!(members(&first, &keys).await? == ["n1", "n2"]);
    for node in [keyless, stranger, second, first] {
        node.shutdown().await;
    }
    Ok(())
}

/// A first message of gossip, without members; it asks the receiver for all that it knows.
fn question() -> Vec<u8> {
    const HEADER: [u8; 4] = [0x53, 0xb0, 0, 0];
    const NO_MEMBERS: [u8; 2] = [0, 0];
    let cluster = b"psi-field";
    [&HEADER[..], &NO_MEMBERS, &[9, 0], cluster].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_no_answer_to_a_datagram() -> Result<()> {
    let ask = async |to: SocketAddr| -> Result<UdpSocket> {
        let stranger = UdpSocket::bind("127.0.0.1:0").await?;
        stranger.connect(to).await?;
        stranger.send(&question()).await?;
        Ok(stranger)
    };
    // Without a key it is answered, so the question is one.
    let open = Node::start(settings("n1", &[])).await?;
    let answered = ask(open.addresses().gossip).await?;
    let mut answer = [0; 2048];
    ensure!(tokio::time::timeout(DEADLINE, answered.recv(&mut answer)).await?? > 20);

    let keys = Keys::new(&[1])?;
    let keyed = keys.start("n1", &[]).await?;
    let unanswered = ask(keyed.addresses().gossip).await?;
    let series = "psi_gossip_dropped_total{reason=\"unsealed\"}";
    eventually("it is dropped", async || Ok(counted(&keyed, &keys, series).await? == 1.0)).await?;
    ensure!(unanswered.try_recv(&mut answer).is_err());
    open.shutdown().await;
    keyed.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_key_starts_on_loopback_alone() -> Result<()> {
    let everywhere = Endpoint::new(SocketAddr::from(([0, 0, 0, 0], 0)));
    for setting in ["grpc.listen", "http.listen", "gossip.listen"] {
        let mut exposed = settings("n1", &[]);
        let endpoint = match setting {
            "grpc.listen" => &mut exposed.grpc,
            "http.listen" => &mut exposed.http,
            _ => &mut exposed.gossip,
        };
        *endpoint = everywhere;
        match Node::start(exposed.clone()).await.err() {
            Some(StartError::Identity(error @ IdentityError::Exposed { .. })) => {
                let text = error.to_string();
                for part in [setting, "psi-field key", "security.insecure"] {
                    ensure!(text.contains(part), "{text}");
                }
            }
            other => bail!("{setting}: {other:?}"),
        }
        exposed.security.insecure = true;
        Node::start(exposed).await?.shutdown().await;
    }
    let keys = Keys::new(&[1])?;
    let exposed = psi_node::Settings { grpc: everywhere, ..keys.settings("n1", &[]) };
    Node::start(exposed).await?.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_cannot_be_used_is_named_and_its_content_is_not() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let secret = std::fs::read_to_string(keys.path())?;
    for (content, part) in [(String::new(), "holds no key"), (format!("\n{}", &secret[..20]), "line 2")] {
        std::fs::write(keys.path(), &content)?;
        let error = Node::start(keys.settings("n1", &[])).await.err().context("it does not start")?.to_string();
        ensure!(error.contains(part) && error.contains("cluster.key"), "{error}");
        ensure!(!error.contains(&secret[8..16]), "{error}");
    }
    std::fs::remove_file(keys.path())?;
    let error = Node::start(keys.settings("n1", &[])).await.err().context("it does not start")?.to_string();
    ensure!(error.contains("can't read") && error.contains("psi-field key"), "{error}");
    Ok(())
}

/// A link of someone who shows the certificate of `n9`, and whose clock is a day ahead.
struct FastLink {
    frames: mpsc::Sender<Frame>,
    answers: Streaming<Frame>,
}

impl FastLink {
    /// Introduces itself by a name, as a run of these microseconds.
    async fn open(channel: &Channel, node: &str, incarnation: u64) -> Result<Self> {
        let (frames, outbound) = mpsc::channel(16);
        let mut client = ReplicationServiceClient::new(channel.clone());
        let answers = client.link(ReceiverStream::new(outbound)).await?.into_inner();
        let hello = Hello {
            cluster: CLUSTER.to_owned(),
            node: node.to_owned(),
            incarnation,
            protocol_min: 1,
            protocol_max: 1,
            wall_ms: tomorrow_ms()?,
            ready: true,
            steady_lead_ms: 0,
        };
        frames.send(Frame { body: Some(Body::Hello(hello)) }).await?;
        Ok(Self { frames, answers })
    }

    async fn beat(&self, incarnation: u64) -> Result<()> {
        let heartbeat = Heartbeat { wall_ms: tomorrow_ms()?, ready: true, incarnation, ..Heartbeat::default() };
        Ok(self.frames.send(Frame { body: Some(Body::Heartbeat(heartbeat)) }).await?)
    }

    /// How the link ends.
    async fn end(mut self) -> Result<Status> {
        let end = async {
            loop {
                match self.answers.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Status::ok("it ends without a reason"),
                    Err(status) => return status,
                }
            }
        };
        tokio::time::timeout(DEADLINE, end).await.context("it does not end")
    }
}

fn tomorrow_ms() -> Result<u64> {
    Ok(u64::try_from((SystemTime::now().duration_since(UNIX_EPOCH)? + DAY).as_millis())?)
}

async fn clock(channel: &Channel) -> Result<v1::Clock> {
    Ok(ClusterServiceClient::new(channel.clone()).get_clock(GetClockRequest {}).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_introduces_itself_by_the_name_of_its_certificate_alone() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    let channel = Dialler::of(&keys.ring, Identity::Peer)?.channel(node.addresses().grpc).await?;
    let before = clock(&channel).await?;
    for number in 0..6 {
        let status = FastLink::open(&channel, &format!("fake{number}"), 0).await?.end().await?;
        let (reason, _) = psi_api::cause_of(&status).unwrap_or_default();
        ensure!((status.code(), reason.as_str()) == (Code::PermissionDenied, "WRONG_PEER"), "{status:?}");
        ensure!(status.message().contains(&format!("`fake{number}`")) && status.message().contains("`n9`"));
    }
    ensure!(counted(&node, &keys, "psi_replica_refused_total{reason=\"wrong_peer\"}").await? == 6.0);
    let after = clock(&channel).await?;
    ensure!(after.hybrid_ms < before.hybrid_ms + 60_000, "{before:?} {after:?}");
    node.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn six_runs_of_one_certificate_have_one_voice_in_what_time_it_is() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let first = keys.start("n1", &[]).await?;
    let second = keys.start("n2", &[first.addresses().gossip]).await?;
    expect_members(&first, &keys, &["n1", "n2"]).await?;
    let channel = Dialler::of(&keys.ring, Identity::Peer)?.channel(first.addresses().grpc).await?;
    let stepper = Dialler::of(&keys.ring, Identity::Stepper)?;
    let before = clock(&channel).await?;

    let incarnations: Vec<u64> = (0..6).map(|run| (before.hybrid_ms - 1_000 + run) * 1_000).collect();
    let mut links = Vec::new();
    for incarnation in &incarnations {
        let mut link = FastLink::open(&channel, "n9", *incarnation).await?;
        let answer = tokio::time::timeout(DEADLINE, link.answers.message()).await??;
        ensure!(matches!(answer, Some(Frame { body: Some(Body::Hello(_)) })), "{answer:?}");
        links.push(link);
    }
    let (begun, mut steps) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(5) {
        for (link, incarnation) in links.iter().zip(&incarnations) {
            link.beat(*incarnation).await?;
        }
        for node in [&first, &second] {
            let (status, body) = stepper.post(node.addresses().http, "/step", &json!({ "x": INCIDENT })).await?;
            ensure!(status == 200, "after {steps} steps: {status} {body}");
            steps += 1;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let after = clock(&channel).await?;
    let moved_ms = after.hybrid_ms - before.hybrid_ms;
    ensure!(moved_ms < 60_000 && !after.is_off, "hybrid time moved by {moved_ms} ms: {after:?}");
    ensure!(links.iter().all(|link| !link.frames.is_closed()), "the links were held");
    for node in [second, first] {
        node.shutdown().await;
    }
    Ok(())
}
