//! Who may join, and what nodes without the key see.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use psi_node::{Endpoint, IdentityError, Node, StartError};
use psi_tests::{eventually, settings};
use serde_json::Value;

use crate::{
    client,
    identities::{Identity, Keys},
};

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
