//! The keys that nodes sign by: every node knows those of the others, and whose they are.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use psi_node::{Node, Settings};
use psi_tests::eventually;
use serde_json::Value;

use crate::{
    client,
    identities::{Identity, Keys},
};

/// The keys that a node shows of its members, by name; empty where no voucher is good.
async fn shown(node: &Node, keys: &Keys) -> Result<BTreeMap<String, String>> {
    let (_, body) = client::request(node.addresses().http, &keys.ring, Identity::Operator, "GET", "/members").await?;
    let body: Value = serde_json::from_str(&body)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
    let members = body["members"].as_array().context("members")?;
    members.iter().map(|member| Ok((text(&member["node"])?, text(&member["node_key"])?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_keeps_its_key_with_its_directory_and_all_know_it() -> Result<()> {
    let (keys, directory) = (Keys::new(&[1])?, tempfile::tempdir()?);
    let first = keys.start("n1", &[]).await?;
    let seed = [first.addresses().gossip];
    let kept = |name: &str| -> Settings {
        Settings { data_directory: Some(directory.path().join(name)), ..keys.settings(name, &seed) }
    };
    let known = async |node: &Node| -> Result<String> {
        eventually("both show one key of n2", async || {
            let (own, others) = (shown(node, &keys).await?, shown(&first, &keys).await?);
            let is_key = |name: &str| own.get(name).is_some_and(|key| key.len() == 64);
            Ok(is_key("n1") && is_key("n2") && own.get("n2") == others.get("n2"))
        })
        .await?;
        shown(node, &keys).await?.remove("n2").context("its own key")
    };
    let second = Node::start(kept("n2")).await?;
    let key = known(&second).await?;
    let second = second.restart(Vec::new()).await?;
    ensure!(known(&second).await? == key, "a restart keeps it");
    second.shutdown().await;
    std::fs::remove_dir_all(directory.path().join("n2"))?;
    let second = Node::start(kept("n2")).await?;
    ensure!(known(&second).await? != key, "without its directory it has another");
    first.shutdown().await;
    second.shutdown().await;
    Ok(())
}
