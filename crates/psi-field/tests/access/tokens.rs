//! Access tokens and commands: where a token comes from, how it is made, and what happens once nodes refuse it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use psi_tests::{
    eventually,
    process::{Launch, Process},
    service::{self, Service},
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");

/// Keys and tokens of a cluster, in a folder.
struct Keys(TempDir);

impl Keys {
    /// One key, in `cluster.key`.
    fn new() -> Result<Self> {
        let keys = Self(tempfile::tempdir()?);
        keys.make(&["key", "--write", &keys.text("cluster.key")])?;
        Ok(keys)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn make(&self, arguments: &[&str]) -> Result<String> {
        let output = service::command(PROGRAM, arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", said(&output));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A token of a role, by the key file of a name.
    fn token(&self, key_file: &str, role: &str, name: &str) -> Result<String> {
        self.make(&["token", "--key-file", &self.text(key_file), "--role", role, "--name", name])
    }

    /// A node with the key in `cluster.key`, ready.
    async fn start(&self, name: &str, seeds: &str, revoked: &str) -> Result<Process> {
        let list = format!("{name}.revoked");
        fs::write(self.text(&list), revoked.replace(',', "\n"))?;
        let node = Launch::new(PROGRAM, name)
            .with("--security-key-file", &self.text("cluster.key"))
            .with("--security-revoked-file", &self.text(&list))
            .with("--cluster-seeds", &seeds)
            .start()?;
        let address = node.grpc.to_string();
        eventually("the node is ready", async || {
            Ok(self.command(&["health", "--node", &address]).output()?.status.success())
        })
        .await?;
        Ok(node)
    }

    /// A command that shows the present key.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = service::command(PROGRAM, arguments);
        command.env("PSI_SECURITY_KEY_FILE", self.path("cluster.key"));
        command
    }

    /// Steps in a field, as a node counts them.
    fn count(&self, node: &Process, field: &str) -> Result<u64> {
        let output =
            self.command(&["state", "--field", field, "--node", &node.grpc.to_string(), "-o", "json"]).output()?;
        ensure!(output.status.success(), "{}", said(&output));
        let state: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        state["k"].as_u64().context("k")
    }

    /// Waits until a node has counted more steps of a field.
    async fn goes_on(&self, node: &Process, field: &str) -> Result<()> {
        let before = self.count(node, field).unwrap_or_default();
        eventually("steps go on", async || Ok(self.count(node, field).unwrap_or_default() > before + 3)).await
    }

    /// Gives the cluster another key alone. Waits until a node refuses a token of the key before.
    async fn replace_key(&self, node: &Process) -> Result<()> {
        let old = self.token("cluster.key", "read", "old")?;
        fs::rename(self.path("next.key"), self.path("cluster.key"))?;
        let address = node.grpc.to_string();
        eventually("the old key is gone", async || {
            let asked = service::command(PROGRAM, &["members", "--node", &address, "--token", &old]).output()?;
            Ok(!asked.status.success())
        })
        .await
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A feed of vectors without end, 50 a second.
fn endless(node: &str, token: &[&str]) -> Command {
    let feed = ["feed", "--walk", "--width", "4", "--field", "f", "--rate", "50", "--node", node];
    service::command(PROGRAM, &[&feed[..], token].concat())
}

async fn with_field(keys: &Keys, node: &Process) -> Result<()> {
    let made = keys.command(&["field", "create", "f", "--width", "4", "--node", &node.grpc.to_string()]).output()?;
    ensure!(made.status.success(), "{}", said(&made));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_from_a_flag_a_file_or_a_variable_and_flags_come_first() -> Result<()> {
    let keys = Keys::new()?;
    let node = keys.start("n1", "none", "none").await?;
    let address = node.grpc.to_string();
    let token = keys.token("cluster.key", "read", "reader")?;
    fs::write(keys.path("good.token"), format!("{token}\n"))?;
    fs::write(keys.path("bad.token"), "secret")?;
    fs::write(keys.path("empty.token"), "\n")?;
    let [good, bad, empty, missing, key] =
        ["good.token", "bad.token", "empty.token", "missing.token", "cluster.key"].map(|name| keys.text(name));
    for (flags, variables, code, part) in [
        (&["--token-file", &good][..], &[][..], 0, "n1"),
        (&[], &[("PSI_TOKEN_FILE", good.as_str())], 0, "n1"),
        // A flag before a variable.
        (&["--token-file", &good], &[("PSI_TOKEN", "no token")], 0, "n1"),
        (&["--key-file", &key], &[("PSI_TOKEN", "no token"), ("PSI_TOKEN_FILE", &bad)], 0, "n1"),
        // Of variables the token first, and the key last; empty ones are none.
        (&[], &[("PSI_TOKEN", &token), ("PSI_TOKEN_FILE", &missing)], 0, "n1"),
        (&[], &[("PSI_TOKEN", ""), ("PSI_TOKEN_FILE", &good), ("PSI_SECURITY_KEY_FILE", &missing)], 0, "n1"),
        (&[], &[("PSI_TOKEN_FILE", ""), ("PSI_SECURITY_KEY_FILE", &key)], 0, "n1"),
        (&["--token-file", &missing], &[], 2, "missing.token: No such file or directory"),
        (&["--token-file", &bad], &[], 2, "bad.token: this is no access token"),
        (&["--token-file", &empty], &[], 2, "empty.token: the file is empty"),
        (&["--key-file", &missing], &[], 2, "missing.token: No such file or directory"),
        (&["--token-file", &good, "--token", &token], &[], 2, "--token can't be used with --token-file"),
        (&[], &[], 1, "this node speaks TLS alone"),
    ] {
        let mut command = service::command(PROGRAM, &["members", "--node", &address]);
        let output = command.args(flags).envs(variables.iter().copied()).output()?;
        let said = said(&output);
        ensure!(output.status.code() == Some(code) && said.contains(part), "{flags:?} {variables:?}: {said}");
        ensure!(!said.contains("secret") && !said.contains(&token), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_stops_at_once_when_no_node_accepts_its_token_any_more() -> Result<()> {
    let keys = Keys::new()?;
    let node = keys.start("n1", "none", "none").await?;
    with_field(&keys, &node).await?;
    let address = node.grpc.to_string();
    fs::write(keys.path("a.token"), keys.token("cluster.key", "step", "feeder")?)?;
    let mut feed = Service::start(endless(&address, &["--token-file", &keys.text("a.token")]))?;
    keys.goes_on(&node, "f").await?;
    keys.make(&["key", "--write", &keys.text("next.key")])?;
    keys.replace_key(&node).await?;
    assert_eq!(feed.ended().await?.code(), Some(1), "{:?}", feed.lines());
    let why = feed.says("stopped, as no node accepts the access token: ").await?;
    assert!(why.contains(&address) && why.contains("is signed by key"), "{why}");
    assert!(!feed.said("accepted    ").is_empty(), "the summary is printed: {:?}", feed.lines());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_goes_on_by_the_new_token_in_its_file() -> Result<()> {
    let keys = Keys::new()?;
    let node = keys.start("n1", "none", "none").await?;
    with_field(&keys, &node).await?;
    let address = node.grpc.to_string();
    fs::write(keys.path("a.token"), keys.token("cluster.key", "step", "feeder")?)?;
    let mut feed = Service::start(endless(&address, &["--token-file", &keys.text("a.token")]))?;
    keys.goes_on(&node, "f").await?;
    keys.make(&["key", "--write", &keys.text("next.key")])?;
    fs::write(keys.path("a.token"), keys.token("next.key", "step", "feeder")?)?;
    keys.replace_key(&node).await?;
    keys.goes_on(&node, "f").await?;
    feed.stop().await?;
    assert!(!feed.said("refused     0").is_empty(), "{:?}", feed.lines());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_one_node_refuses_is_shown_to_the_others() -> Result<()> {
    let keys = Keys::new()?;
    let first = keys.start("n1", "none", "feeder,other").await?;
    let second = keys.start("n2", &first.advertised.gossip.to_string(), "other").await?;
    let nodes = format!("{},{}", first.grpc, second.grpc);
    let feed = |name: &str, role: &str| -> Result<Output> {
        let token = keys.token("cluster.key", role, name)?;
        let walk = ["feed", "--walk", "--width", "16", "--rate", "max", "--node", &nodes, "--token", &token];
        Ok(service::command(PROGRAM, &[&walk[..], &["--count", "20"]].concat()).output()?)
    };
    let taken = feed("feeder", "step")?;
    assert_eq!(taken.status.code(), Some(0), "{}", said(&taken));
    assert!(said(&taken).contains("is revoked") && said(&taken).contains("; trying on"), "{}", said(&taken));
    // By both, before a step is sent; and for its role, which shows with the first step.
    for (name, role, why) in [("other", "step", "is revoked"), ("reader", "read", "has role `read`")] {
        let refused = feed(name, role)?;
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(said(&refused).contains(why), "{}", said(&refused));
    }
    let token = keys.token("cluster.key", "read", "reader")?;
    let mut reader = Service::start({
        let walk = ["feed", "--walk", "--width", "16", "--rate", "50", "--node", &nodes, "--token", &token];
        service::command(PROGRAM, &walk)
    })?;
    assert_eq!(reader.ended().await?.code(), Some(1), "without an end of its source: {:?}", reader.lines());
    reader.says("stopped, as no node accepts the access token: ").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_nodes_reads_its_token_again_and_what_records_ends() -> Result<()> {
    let keys = Keys::new()?;
    let node = keys.start("n1", "none", "old").await?;
    let address = node.grpc.to_string();
    let file = keys.text("a.token");
    fs::write(&file, keys.token("cluster.key", "operator", "old")?)?;
    let at = ["--node", &address, "--token-file", &file];
    let recorded = service::command(PROGRAM, &[&["record", "-"], &at[..]].concat()).output()?;
    assert_eq!(recorded.status.code(), Some(1), "{}", said(&recorded));
    assert!(said(&recorded).contains("is revoked"), "{}", said(&recorded));

    let mut wait = Service::start(service::command(PROGRAM, &[&["members", "--wait", "60"], &at[..]].concat()))?;
    let every = ["probe", "--every-ms", "100", "--listen", "127.0.0.1:0"];
    let mut probe = Service::start(service::command(PROGRAM, &[&every[..], &at].concat()))?;
    let fails = probe.says("the node fails").await?;
    assert!(fails.contains("refused") && fails.contains("is revoked"), "{fails}");
    fs::write(&file, keys.token("cluster.key", "operator", "new")?)?;
    probe.says("the node is ok again").await?;
    assert_eq!(wait.ended().await?.code(), Some(0), "{:?}", wait.lines());
    assert_eq!(probe.stop().await?.code(), Some(0));
    Ok(())
}

#[test]
fn a_written_token_is_not_replaced_unless_that_is_asked_for_and_an_authority_is_kept_up_to_date() -> Result<()> {
    let keys = Keys::new()?;
    let (key, token, ca) = (keys.text("cluster.key"), keys.text("a.token"), keys.text("ca.pem"));
    let read = |path: &str| fs::read_to_string(Path::new(path));
    let run = |arguments: &[&str]| -> Result<(Option<i32>, String)> {
        let output = service::command(PROGRAM, arguments).output()?;
        Ok((output.status.code(), said(&output)))
    };
    let make_token = ["token", "--key-file", &key, "--role", "read", "--name", "a", "--write", &token];
    assert_eq!(run(&make_token)?.0, Some(0));
    let first = read(&token)?;
    let (code, refused) = run(&make_token)?;
    assert_eq!(code, Some(1), "{refused}");
    assert!(
        refused.contains("a.token exists") && refused.contains("--force") && refused.contains("remove it"),
        "{refused}"
    );
    assert_eq!(read(&token)?, first);
    let (code, replaced) = run(&[&make_token[..], &["--force"]].concat())?;
    assert_eq!((code, replaced.trim().ends_with("a.token: replaced")), (Some(0), true), "{replaced}");
    assert_ne!(read(&token)?, first);

    let make_ca = ["ca", "--key-file", &key, "--write", &ca];
    for (key_before, ends) in [(false, "written"), (false, "is up to date, and stays as it is"), (true, "replaced")] {
        if key_before {
            fs::remove_file(&key)?;
            keys.make(&["key", "--write", &key])?;
        }
        let (code, said) = run(&make_ca)?;
        assert_eq!((code, said.trim().ends_with(ends)), (Some(0), true), "{said}");
        assert_eq!(read(&ca)?, keys.make(&["ca", "--key-file", &key])? + "\n");
    }
    let (code, said) = run(&["key", "--write", &key])?;
    assert_eq!((code, said.trim().ends_with("exists, and stays as it is")), (Some(0), true), "{said}");
    Ok(())
}
