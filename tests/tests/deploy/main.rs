//! What is deployed beside the nodes: Prometheus rules, their tests and runbooks, and Alertmanager's routing, held
//! against each other and against what a node really shows.
//!
//! That rules compute what they should is tested by `promtool test rules` (`just rules`). The test of Alertmanager
//! needs its program (Debian: `apt-get install prometheus-alertmanager`); without it the test says so and passes,
//! unless the variable CI is set.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

mod alertmanager;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use psi_api::v1::{
    self, StepBatchRequest, Vector, lease_service_client::LeaseServiceClient,
    rollout_service_client::RolloutServiceClient,
};
use psi_tests::{INCIDENT, KillableNode, Member, cluster, eventually, settings};
use serde_json::Value;
use tonic::transport::Channel;

const RUNBOOKS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks/");

/// What every runbook says, in this order.
const HEADINGS: [&str; 4] = ["## What it means", "## How to look", "## What to do", "## How to know it is over"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The YAML files of a folder.
fn documents(folder: &str) -> Vec<Value> {
    let files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|end| end == "yml")).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has files");
    let read = |file: &PathBuf| serde_yaml_ng::from_str(&fs::read_to_string(file).unwrap());
    files.iter().map(|file| read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))).collect()
}

/// The elements of a list, none if it isn't there.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every rule of Prometheus.
fn rules() -> Vec<Value> {
    let groups = documents("deploy/prometheus/rules");
    groups.iter().flat_map(|file| list(&file["groups"])).flat_map(|group| list(&group["rules"])).cloned().collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

/// Every case of the tests of rules.
fn cases() -> Vec<Value> {
    documents("deploy/prometheus/tests").iter().flat_map(|file| list(&file["tests"])).cloned().collect()
}

#[test]
fn every_alert_is_tested_firing_and_silent() {
    let (mut firing, mut silent) = (BTreeSet::new(), BTreeSet::new());
    let cases = cases();
    for test in cases.iter().flat_map(|case| list(&case["alert_rule_test"])) {
        let tested = if list(&test["exp_alerts"]).next().is_some() { &mut firing } else { &mut silent };
        tested.insert(text(&test["alertname"]));
    }
    let alerts = alerts();
    assert!(alerts.len() > 20);
    for alert in alerts.iter().map(|alert| text(&alert["alert"])) {
        assert!(firing.contains(alert), "{alert} is not tested firing");
        assert!(silent.contains(alert), "{alert} is not tested silent");
    }
    let known: BTreeSet<&str> = alerts.iter().map(|alert| text(&alert["alert"])).collect();
    assert_eq!(known.len(), alerts.len(), "two alerts have one name");
    assert!(firing.union(&silent).all(|tested| known.contains(tested)), "an alert is tested that there is not");
}

#[test]
fn every_recorded_series_is_tested() {
    let cases = cases();
    let tests = cases.iter().flat_map(|case| list(&case["promql_expr_test"]));
    let tested: BTreeSet<&str> = tests.flat_map(|test| words(text(&test["expr"]))).collect();
    for rule in rules() {
        let name = text(&rule["record"]);
        assert!(name.is_empty() || tested.contains(name), "{name} is not tested");
    }
}

/// The names and numbers in an expression.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter)))
}

#[test]
fn every_alert_says_what_where_and_what_to_do() {
    let alerts = alerts();
    let mut pages = BTreeSet::new();
    for alert in &alerts {
        let name = text(&alert["alert"]);
        let annotations = &alert["annotations"];
        assert!(["critical", "warning"].contains(&text(&alert["labels"]["severity"])), "{name}: {alert}");
        assert!(!text(&annotations["summary"]).is_empty(), "{name} has no summary");
        assert!(
            text(&annotations["description"]).contains("$value"),
            "the description of {name} does not have the value"
        );
        let page = text(&annotations["runbook_url"]).strip_prefix(RUNBOOKS);
        let page = page.unwrap_or_else(|| panic!("the runbook of {name} is not in {RUNBOOKS}"));
        let runbook = fs::read_to_string(root().join("docs/runbooks").join(page));
        let runbook = runbook.unwrap_or_else(|error| panic!("docs/runbooks/{page}, runbook of {name}: {error}"));
        let headings: Vec<&str> = runbook.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, HEADINGS, "{page}");
        assert!(runbook.contains(&format!("`{name}`")), "{page} does not name {name}");
        pages.insert(page.to_owned());
    }
    let files = fs::read_dir(root().join("docs/runbooks")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let without: Vec<String> = files.filter(|file| !pages.contains(file) && file != "README.md").collect();
    assert!(without.is_empty(), "no alert leads to {without:?}");
}

/// A series that is asked for: a metric with labels that it must have.
fn selectors(expression: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let names = expression.match_indices("psi_").filter(|(at, _)| {
        let before = expression[..*at].chars().next_back();
        before.is_none_or(|letter| !(letter.is_alphanumeric() || "_:".contains(letter)))
    });
    let selector = |(at, _)| {
        let rest: &str = &expression[at..];
        let (name, rest) =
            rest.split_at(rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(rest.len()));
        let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let equal = labels.split(',').filter_map(|label| label.trim().split_once("=\""));
        (name, equal.map(|(label, value)| (label, value.trim_end_matches('"'))).collect())
    };
    names.map(selector).collect()
}

/// Steps `default` and makes that its baseline, which takes eight seconds with inputs, until a verdict `is_shown`.
async fn watch_for_drift(member: &Member, is_shown: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let baseline = format!("http://{}/api/v1/drift/models/default/baseline", member.node.addresses().http);
    let client = reqwest::Client::new();
    let mut has_baseline = false;
    // Four batches of 50 a second: a window needs 100 inputs.
    for turn in 0..120_u32 {
        let number = |row: u32, column: u32| (f64::from(turn * 50 + row) * 0.7 + f64::from(column)).sin();
        let input = |row| Vector { values: (0..16).map(|column| number(row, column)).collect() };
        let batch = StepBatchRequest { inputs: (0..50).map(input).collect(), ..Default::default() };
        member.field.clone().step_batch(batch).await?;
        has_baseline = has_baseline || client.post(&baseline).send().await?.status().is_success();
        if has_baseline && is_shown().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    anyhow::bail!("no verdict after half a minute; a baseline: {has_baseline}")
}

/// Tries version `v2` of a model beside `v1`.
async fn begin_a_rollout(members: &[Member]) -> Result<()> {
    let channel = Channel::from_shared(format!("http://{}", members[0].node.addresses().grpc))?.connect_lazy();
    let nodes: Vec<String> = ["n1", "n2"].map(str::to_owned).into();
    eventually("the nodes vote", async || {
        let mut leases = LeaseServiceClient::new(channel.clone());
        Ok(leases.set_voters(v1::SetVotersRequest { nodes: nodes.clone() }).await.is_ok())
    })
    .await?;
    let mut rollouts = RolloutServiceClient::new(channel);
    let (model, deadline_ms) = ("churn".to_owned(), 20_000);
    for (version, stage) in [("v1", "PRODUCTION"), ("v2", "STAGING")] {
        let (name, engine) = (format!("churn@{version}"), "synthetic".to_owned());
        let field = v1::CreateFieldRequest { name, engine, width: 2, ..Default::default() };
        members[0].field.clone().create_field(field).await?;
        let (model, version, stage) = (model.clone(), version.to_owned(), stage.to_owned());
        rollouts.set_stage(v1::SetStageRequest { model, version, stage, deadline_ms, ..Default::default() }).await?;
    }
    let (version, plan) = ("v2".to_owned(), Some(v1::RolloutPlan::default()));
    rollouts.start_rollout(v1::StartRolloutRequest { model, version, plan, deadline_ms, ..Default::default() }).await?;
    Ok(())
}

/// The series of a scrape: each metric with its labels.
fn scraped(text: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    text.lines().filter(|line| !line.starts_with('#')).flat_map(selectors).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_ask_for_what_nodes_show() -> Result<()> {
    let members = cluster(2).await?;
    members[0].step("", &INCIDENT).await?;
    // Refused, so that there are errors to show.
    members[0].step("", &[1.0]).await.expect_err("too short");
    let addresses = members[0].node.addresses();
    begin_a_rollout(&members).await?;
    let scrape = async || -> Result<String> {
        Ok(reqwest::get(format!("http://{}/metrics", addresses.http)).await?.text().await?)
    };
    let shows = async |what: &str| Ok(scrape().await?.lines().any(|line| line.starts_with(what)));
    watch_for_drift(&members[0], async || shows("psi_drift_severity{").await).await?;
    // A dead member is shown where there is one.
    let killable = KillableNode::start(settings("n3", &[addresses.gossip])).await?;
    eventually("there are three", async || shows(r#"psi_cluster_members{state="live"} 3"#).await).await?;
    killable.die();
    eventually("one has died", async || shows(r#"psi_cluster_members{state="dead"} 1"#).await).await?;
    // So is a machine that has another's name.
    let twin = KillableNode::start(settings("n2", &[addresses.gossip])).await?;
    eventually("one waits", async || shows(r#"psi_cluster_namesakes{node="n2"} 1"#).await).await?;
    eventually("a rollout is known", async || shows(r#"psi_rollout_active{model="churn"} 1"#).await).await?;
    let shown = scrape().await?;
    let shown = scraped(&shown);
    let mut asked = 0;
    for rule in rules() {
        for (name, labels) in selectors(text(&rule["expr"])) {
            // The probe's are not a node's, and these have no key (see access/own.rs); `job` is added by the scrape.
            if ["psi_probe_", "psi_certificate_"].iter().any(|other| name.starts_with(other)) {
                continue;
            }
            let has = |(shown, with): &(&str, Vec<(&str, &str)>)| {
                *shown == name && labels.iter().all(|label| label.0 == "job" || with.contains(label))
            };
            assert!(shown.iter().any(has), "no node shows {name} with {labels:?}, which {} asks for", rule);
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
    twin.die();
    Ok(())
}
