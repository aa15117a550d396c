//! What happens to models is posted: signed, again where it is not taken, and by another node where one can't.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use data_encoding::BASE64;
use psi_api::v1::{self, lease_service_client::LeaseServiceClient, rollout_service_client::RolloutServiceClient};
use psi_node::{Node, Notify, Settings};
use psi_tests::{
    Member,
    certificates::{TestAuthority, USUAL_DAYS},
    eventually,
    receiver::{Post, Receiver},
    settings,
};
use ring::hmac;
use tonic::transport::Channel;

const SECRET: &[u8] = b"a secret of at least twenty-four bytes";

/// Two nodes that vote, each with a file of the secret of its own.
struct Pair {
    members: [Member; 2],
    _folder: tempfile::TempDir,
}

impl Pair {
    async fn start(webhook: &str, ca: Option<&str>, has_secret: [bool; 2]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let of = |number: usize, seeds: &[_]| -> Result<Settings> {
            let file = folder.path().join(format!("secret-{number}"));
            if has_secret[number - 1] {
                fs::write(&file, format!("whsec_{}\n", BASE64.encode(SECRET)))?;
            }
            let notify = notify(webhook, &file, ca, folder.path())?;
            Ok(Settings { notify, ..settings(&format!("n{number}"), seeds) })
        };
        let first = Member::start(of(1, &[])?).await?;
        let seeds = [first.node.addresses().gossip];
        let members = [first, Member::start(of(2, &seeds)?).await?];
        eventually("the nodes vote", async || {
            let mut leases = LeaseServiceClient::new(channel(&members[0])?);
            let nodes = ["n1", "n2"].map(str::to_owned).into();
            Ok(leases.set_voters(v1::SetVotersRequest { nodes }).await.is_ok())
        })
        .await?;
        eventually("the other node knows of it", async || {
            let mut leases = LeaseServiceClient::new(channel(&members[1])?);
            Ok(leases.get_voters(v1::GetVotersRequest {}).await?.into_inner().voters.len() == 2)
        })
        .await?;
        Ok(Self { members, _folder: folder })
    }

    /// Says on one node that a version of a model waits.
    async fn stage(&self, node: usize, version: &str) -> Result<()> {
        let (model, version, stage) = ("churn".to_owned(), version.to_owned(), "STAGING".to_owned());
        let (reason, deadline_ms) = ("to be tried".to_owned(), 20_000);
        let request = v1::SetStageRequest { model, version, stage, reason, deadline_ms, forced: false };
        RolloutServiceClient::new(channel(&self.members[node])?).set_stage(request).await?;
        Ok(())
    }
}

fn notify(webhook: &str, secret_file: &Path, ca: Option<&str>, folder: &Path) -> Result<Notify> {
    let file = folder.join("ca.pem");
    if let Some(pem) = ca {
        fs::write(&file, pem)?;
    }
    Ok(Notify { webhook: Some(webhook.parse()?), secret_file: Some(secret_file.to_owned()), ca: file })
}

fn channel(member: &Member) -> Result<Channel> {
    Ok(Channel::from_shared(format!("http://{}", member.node.addresses().grpc))?.connect_lazy())
}

/// Waits until versions were taken.
async fn all_taken(receiver: &Receiver, versions: &[&str]) -> Result<()> {
    eventually(&format!("{versions:?} are posted and taken"), async || {
        let posts = receiver.posts();
        let is_taken = |version: &&str| posts.iter().any(|post| post.answered == 200 && post.body.contains(version));
        Ok(versions.iter().all(is_taken))
    })
    .await
}

/// Whether the signature is that of the body, as a receiver checks it.
fn is_signed(post: &Post) -> Result<bool> {
    let header = |name: &str| post.headers.get(name).with_context(|| format!("{name} in {post:?}"));
    let signature = header("webhook-signature")?.strip_prefix("v1,").context("a signature")?.to_owned();
    let text = format!("{}.{}.{}", header("webhook-id")?, header("webhook-timestamp")?, post.body);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    Ok(hmac::verify(&key, text.as_bytes(), &BASE64.decode(signature.as_bytes())?).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_posted_until_they_are_taken_and_once_each_then() -> Result<()> {
    let receiver = Receiver::start(2, None).await?;
    let pair = Pair::start(&format!("http://{}/hook", receiver.address), None, [true, true]).await?;
    pair.stage(1, "v1").await?;
    all_taken(&receiver, &["v1"]).await?;
    pair.stage(0, "v2").await?;
    all_taken(&receiver, &["v1", "v2"]).await?;
    let posts = receiver.posts();
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for post in &posts {
        ensure!(post.path == "/hook" && is_signed(post)?, "{post:?}");
        let event = post.json()?;
        ensure!(event["specversion"] == "1.0" && event["source"] == "/psi-field/psi-field", "{event}");
        ensure!(event["type"] == "psi_field.model.change" && event["subject"] == "churn", "{event}");
        let (method, reason) = ("psi.v1.RolloutService/SetStage", "to be tried");
        ensure!(event["data"]["method"] == method && event["data"]["reason"] == reason, "{event}");
        ensure!(event["id"] == post.headers["webhook-id"].as_str(), "{event}");
        *taken.entry(event["id"].to_string()).or_default() += usize::from(post.answered == 200);
    }
    // Two were refused, and the nodes know of each other's posts.
    ensure!(posts.len() == 4 && taken.len() == 2 && taken.values().all(|count| *count == 1), "{posts:?}");
    ensure!(
        posts[0].json()?["id"].as_str().is_some_and(|id| id.starts_with("n2/")),
        "who wrote it posts it: {posts:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_can_not_post_another_does() -> Result<()> {
    let receiver = Receiver::start(0, None).await?;
    // The second node has no secret: it posts nothing.
    let pair = Pair::start(&format!("http://{}/", receiver.address), None, [true, false]).await?;
    pair.stage(1, "v1").await?;
    all_taken(&receiver, &["v1"]).await?;
    let posts = receiver.posts();
    ensure!(posts.len() == 1 && is_signed(&posts[0])?, "{posts:?}");
    let metrics =
        reqwest::get(format!("http://{}/metrics", pair.members[1].node.addresses().http)).await?.text().await?;
    let refused = metrics.lines().find(|line| line.starts_with(r#"psi_notifications_total{result="refused"}"#));
    ensure!(refused.is_some_and(|line| !line.ends_with(" 0")), "{refused:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_believed_by_its_certificate_alone() -> Result<()> {
    let (authority, other) = (TestAuthority::new("hooks")?, TestAuthority::new("others")?);
    let certificate = authority.issue("spiffe://hooks/receiver", USUAL_DAYS)?;
    let receiver = Receiver::start(0, Some(&certificate)).await?;
    let webhook = format!("https://localhost:{}/hook", receiver.address.port());
    let misled = Pair::start(&webhook, Some(&other.pem), [true, true]).await?;
    misled.stage(0, "v9").await?;
    let refused = async || {
        let url = format!("http://{}/metrics", misled.members[0].node.addresses().http);
        let metrics = reqwest::get(url).await?.text().await?;
        let line = metrics.lines().find(|line| line.starts_with(r#"psi_notifications_total{result="refused"}"#));
        Ok(line.is_some_and(|line| !line.ends_with(" 0")))
    };
    eventually("the node refuses the receiver", refused).await?;
    let pair = Pair::start(&webhook, Some(&authority.pem), [true, true]).await?;
    pair.stage(0, "v1").await?;
    all_taken(&receiver, &["v1"]).await?;
    ensure!(
        receiver.posts().iter().all(|post| !post.body.contains("v9")),
        "it was told nothing by nodes that do not know it"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_without_a_secret_is_refused_at_the_start() -> Result<()> {
    let webhook = Some("https://hooks.example/psi-field".parse()?);
    let settings = Settings { notify: Notify { webhook, ..Notify::default() }, ..settings("n1", &[]) };
    let Err(refused) = tokio::time::timeout(Duration::from_secs(20), Node::start(settings)).await? else {
        anyhow::bail!("it starts");
    };
    let text = format!("{refused:#}");
    ensure!(text.contains("notify.secret_file is not set") && text.contains("openssl rand"), "{text}");
    for wrong in ["hooks.example", "ftp://hooks.example/", "https://user:word@hooks.example/", "https:///x", ""] {
        ensure!(wrong.parse::<psi_node::Webhook>().is_err(), "{wrong}");
    }
    Ok(())
}
