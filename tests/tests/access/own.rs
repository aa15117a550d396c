//! Nodes with certificates that others issued, as cert-manager and SPIRE do.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use psi_node::{Node, Security, Settings, TlsFiles};
use psi_tests::{
    DEADLINE,
    certificates::{CertificateFolder, IssuedCertificate, TestAuthority, USUAL_DAYS},
    eventually,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::Code;

use crate::{
    client::Dialler,
    identities::{Identity, Keys},
};

const PING: &str = "/psi.v1.ClusterService/Ping";
const IDENTIFY: &str = "/psi.v1.ClusterService/Identify";

/// A node's settings, and the folder of its certificate.
struct Site {
    settings: Settings,
    files: CertificateFolder,
    _folder: TempDir,
}

impl Site {
    /// With a certificate of this authority, which believes that authority.
    fn new(keys: &Keys, name: &str, seeds: &[SocketAddr], authority: &TestAuthority) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let files = CertificateFolder::new(folder.path());
        files.write(&authority.issue_to(name)?)?;
        files.write_bundle(&[authority])?;
        let settings = keys.settings(name, seeds);
        let security = Security { tls: files.settings(), ..settings.security };
        Ok(Self { settings: Settings { security, ..settings }, files, _folder: folder })
    }

    async fn start(&self) -> Result<Node> {
        let node = Node::start(self.settings.clone()).await?;
        eventually("the node is ready", async || Ok(node.is_ready())).await?;
        Ok(node)
    }

    async fn refusal(&self) -> Result<String> {
        Ok(Node::start(self.settings.clone()).await.err().context("it does not start")?.to_string())
    }
}

/// An operator of the key who believes these authorities.
fn operator(keys: &Keys, authorities: &[&TestAuthority]) -> Result<Dialler> {
    let bundle: String = authorities.iter().map(|authority| authority.pem.as_str()).collect();
    Dialler::of(&keys.ring, Identity::Operator)?.believing(&bundle)
}

/// One who shows a certificate and no token, and believes these authorities.
fn peer(keys: &Keys, authorities: &[&TestAuthority], issued: &IssuedCertificate) -> Result<Dialler> {
    operator(keys, authorities)?.without_token().showing(issued)
}

/// Names of members as a node sees them: those that are linked, and itself.
async fn linked(node: &Node, caller: &Dialler) -> Result<Vec<String>> {
    let (status, body) = caller.request(node.addresses().http, "GET", "/members").await?;
    ensure!(status == 200, "{status} {body}");
    let body: Value = serde_json::from_str(&body)?;
    let members = body["members"].as_array().context("members")?;
    let is_there = |member: &&Value| member["linked"] == true || member["node"] == node.node_id().as_str();
    Ok(members.iter().filter(is_there).filter_map(|member| member["node"].as_str().map(str::to_owned)).collect())
}

async fn expect_linked(nodes: &[Node], caller: &Dialler, names: &[&str]) -> Result<()> {
    for node in nodes {
        eventually("the nodes are linked", async || Ok(linked(node, caller).await? == names)).await?;
    }
    Ok(())
}

/// Three nodes, `n1` to `n3`, that are linked.
async fn three(keys: &Keys, authority: &TestAuthority) -> Result<(Vec<Site>, Vec<Node>)> {
    let (mut sites, mut nodes) = (Vec::new(), Vec::<Node>::new());
    for name in ["n1", "n2", "n3"] {
        let seeds: Vec<SocketAddr> = nodes.first().map(|first| first.addresses().gossip).into_iter().collect();
        let site = Site::new(keys, name, &seeds, authority)?;
        nodes.push(site.start().await?);
        sites.push(site);
    }
    expect_linked(&nodes, &operator(keys, &[authority])?, &["n1", "n2", "n3"]).await?;
    Ok((sites, nodes))
}

async fn stop(nodes: Vec<Node>) {
    for node in nodes {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_with_certificates_of_their_own_form_a_cluster_and_step() -> Result<()> {
    let (keys, authority) = (Keys::new(&[1])?, TestAuthority::new("a")?);
    let (_sites, nodes) = three(&keys, &authority).await?;
    let caller = operator(&keys, &[&authority])?;
    for node in &nodes {
        let body = json!({ "x": psi_tests::INCIDENT });
        let (status, body) = caller.post(node.addresses().http, "/step", &body).await?;
        ensure!(status == 200, "{status} {body}");
    }
    for node in &nodes {
        eventually("every node counts three steps", async || {
            let (_, state) = caller.request(node.addresses().http, "GET", "/state").await?;
            Ok(serde_json::from_str::<Value>(&state)?["k"] == 3)
        })
        .await?;
    }
    // The key's own authority leads nowhere here, in either direction.
    let derived = Dialler::of(&keys.ring, Identity::Operator)?;
    let error = derived.connect(nodes[0].addresses().grpc, b"h2").await.err().context("refused")?.to_string();
    ensure!(error.contains("another authority") && error.contains("tls.ca"), "{error}");
    let peer = Dialler::of(&keys.ring, Identity::Peer)?.believing(&authority.pem)?;
    ensure!(peer.call(nodes[0].addresses().grpc, IDENTIFY).await.is_err(), "a certificate of the key is refused");
    let (_, metrics) = caller.request(nodes[0].addresses().http, "GET", "/metrics").await?;
    let series = "psi_certificate_not_after_timestamp_seconds{source=\"own\"} ";
    let expires: f64 = metrics.lines().find_map(|line| line.strip_prefix(series)).context("the metric")?.parse()?;
    let left_days = (expires - crate::identities::now_s() as f64) / 86_400.0;
    ensure!((88.9..=89.0).contains(&left_days), "{left_days}");
    stop(nodes).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_name_or_authority_opens_no_link() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let (authority, other) = (TestAuthority::new("a")?, TestAuthority::new("b")?);
    let first = Site::new(&keys, "n1", &[], &authority)?.start().await?;
    let (address, gossip) = (first.addresses().grpc, first.addresses().gossip);
    let anyone = operator(&keys, &[&authority])?;
    for (issued, is_node) in [
        (authority.issue_to("n9")?, true),
        (authority.issue("spiffe://psi-field/workload/n9", USUAL_DAYS)?, false),
        (authority.issue("spiffe://test/node/n9", USUAL_DAYS)?, false),
        (authority.issue("spiffe://psi-field/node/n9", -9..-1)?, false),
        (other.issue_to("n9")?, false),
    ] {
        let called = peer(&keys, &[&authority], &issued)?.call(address, IDENTIFY).await;
        ensure!(called.as_ref().is_ok_and(|code| *code == Code::Ok) == is_node, "{called:?}");
    }
    ensure!(anyone.call(address, IDENTIFY).await? == Code::PermissionDenied, "a token is no node's");

    // A node that holds the key, and whose certificate the others do not believe.
    let stranger = Site::new(&keys, "n2", &[gossip], &other)?;
    stranger.files.write_bundle(&[&authority, &other])?;
    let stranger = Node::start(stranger.settings.clone()).await?;
    eventually("gossip knows it", async || {
        let (_, body) = anyone.request(first.addresses().http, "GET", "/members").await?;
        let body: Value = serde_json::from_str(&body)?;
        Ok(body["members"].as_array().context("members")?.iter().any(|member| member["node"] == "n2"))
    })
    .await?;
    eventually("it has tried to link", async || {
        let (_, metrics) = anyone.request(first.addresses().http, "GET", "/metrics").await?;
        let series = "psi_node_certificates_refused_total{reason=\"other_authority\"} ";
        let refused = metrics.lines().find_map(|line| line.strip_prefix(series)).context("the metric")?;
        Ok(refused.parse::<f64>()? > 1.0)
    })
    .await?;
    ensure!(linked(&first, &anyone).await? == ["n1"] && !stranger.is_ready());
    stop(vec![stranger, first]).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_files_is_said_at_the_start() -> Result<()> {
    let (keys, authority) = (Keys::new(&[1])?, TestAuthority::new("a")?);
    let site = Site::new(&keys, "n1", &[], &authority)?;
    site.files.write(&authority.issue("spiffe://psi-field/node/n1", -30..-1)?)?;
    let error = site.refusal().await?;
    for part in ["tls.crt", "the certificate of tls.cert is valid from", "and it is", "have it issued again"] {
        ensure!(error.contains(part), "{error}");
    }
    site.files.write(&authority.issue_to("n2")?)?;
    let error = site.refusal().await?;
    ensure!(
        error.contains("is for spiffe://psi-field/node/n2") && error.contains("`spiffe://psi-field/node/n1`"),
        "{error}"
    );
    site.files.write(&authority.issue_to("n1")?)?;

    let with = |security: Security| Settings { security, ..site.settings.clone() };
    let security = || site.settings.security.clone();
    let tls = || site.files.settings();
    for (settings, parts) in [
        (with(Security { key_file: None, ..security() }), ["security.key_file is not", "psi-field key --write"]),
        (
            with(Security { tls: TlsFiles { key: None, ..tls() }, ..security() }),
            ["tls.cert and tls.ca is set and tls.key is not", "set all three, or none"],
        ),
        (
            with(Security { tls: TlsFiles { ca: Some("/nowhere/ca.crt".into()), ..tls() }, ..security() }),
            ["can't read the file of tls.ca /nowhere/ca.crt", "make it readable"],
        ),
        (
            with(Security {
                tls: TlsFiles { name: "spiffe://example.org/psi/{node}".to_owned(), ..tls() },
                ..security()
            }),
            ["`spiffe://example.org/psi/n1`", "tls.name"],
        ),
    ] {
        let checked = psi_node::check_security(&settings).err().context("it is refused")?.to_string();
        let error = Node::start(settings).await.err().context("it does not start")?.to_string();
        ensure!(checked == error && parts.iter().all(|part| error.contains(part)), "{error}");
    }
    ensure!(psi_node::check_security(&site.settings).is_ok());
    Ok(())
}

/// Calls a node again and again, each time over a new connection.
fn call_on(caller: Dialler, address: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<Result<u32>> {
    tokio::spawn(async move {
        let mut calls = 0;
        while !stop.load(Ordering::Relaxed) {
            let status = caller.call(address, PING).await.with_context(|| format!("call {calls}"))?;
            ensure!(status == Code::Ok, "call {calls}: {status:?}");
            calls += 1;
        }
        Ok(calls)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn all_certificates_and_their_authority_are_replaced_and_no_call_fails() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let (old, new) = (TestAuthority::new("old")?, TestAuthority::new("new")?);
    let (sites, nodes) = three(&keys, &old).await?;
    let both = operator(&keys, &[&old, &new])?;
    let (only_old, only_new) = (operator(&keys, &[&old])?, operator(&keys, &[&new])?);
    let stop_calls = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> =
        nodes.iter().map(|node| call_on(both.clone(), node.addresses().grpc, stop_calls.clone())).collect();
    let address = |node: &Node| node.addresses().grpc;
    let opened = peer(&keys, &[&old, &new], &old.issue_to("n9")?)?.open(address(&nodes[0])).await?;

    // A key that is not the certificate's changes nothing; nor does an authority that does not lead to it.
    sites[0].files.write(&IssuedCertificate { cert: old.issue_to("n1")?.cert, key: new.issue_to("n1")?.key })?;
    sites[1].files.write_bundle(&[&new])?;
    // Meanwhile the third takes the authority over that is to come.
    sites[2].files.write_bundle(&[&old, &new])?;
    let new_peer = peer(&keys, &[&old, &new], &new.issue_to("n9")?)?;
    let accepts_new =
        async |node: &Node| Ok(new_peer.call(address(node), IDENTIFY).await.is_ok_and(|code| code == Code::Ok));
    eventually("it accepts certificates of both", async || accepts_new(&nodes[2]).await).await?;
    for node in &nodes[..2] {
        ensure!(only_old.connect(address(node), b"h2").await.is_ok() && !accepts_new(node).await?);
    }

    for site in &sites {
        site.files.write_bundle(&[&old, &new])?;
    }
    sites[0].files.write(&old.issue_to("n1")?)?;
    for node in &nodes {
        eventually("it accepts certificates of both", async || accepts_new(node).await).await?;
    }
    for (site, name) in sites.iter().zip(["n1", "n2", "n3"]) {
        site.files.write(&new.issue_to(name)?)?;
    }
    for node in &nodes {
        eventually("it shows the new one", async || Ok(only_new.connect(address(node), b"h2").await.is_ok())).await?;
    }
    ensure!(!opened.task.is_finished(), "a connection stays while its authority is believed");
    expect_linked(&nodes, &both, &["n1", "n2", "n3"]).await?;
    for site in &sites {
        site.files.write_bundle(&[&new])?;
    }
    let _ = tokio::time::timeout(DEADLINE, opened.task).await.context("it shows a certificate again")?;
    expect_linked(&nodes, &both, &["n1", "n2", "n3"]).await?;
    let old_peer = peer(&keys, &[&old, &new], &old.issue_to("n9")?)?;
    for node in &nodes {
        eventually("the old authority is gone", async || Ok(old_peer.call(address(node), IDENTIFY).await.is_err()))
            .await?;
    }
    stop_calls.store(true, Ordering::Relaxed);
    for caller in callers {
        ensure!(caller.await?? > 0);
    }
    stop(nodes).await;
    Ok(())
}
