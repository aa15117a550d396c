//! What is deployed beside the nodes: Prometheus rules, their tests and runbooks, and Alertmanager's routing, held
//! against each other and against what a node really shows.
//!
//! That rules compute what they should is tested by `promtool test rules` (`just rules`). The test of Alertmanager
//! needs its program (Debian: `apt-get install prometheus-alertmanager`); without it the test says so and passes,
//! unless the variable CI is set.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result};
use psi_api::v1::{StepBatchRequest, Vector};
use psi_tests::{INCIDENT, KillableNode, Member, cluster, eventually, settings};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

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

// --- Alertmanager

/// A program that ends with the test.
struct ChildGuard(Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Its program under the name that it has here; `None` if it isn't installed.
fn alertmanager() -> Option<&'static str> {
    let runs =
        |name: &&str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    ["alertmanager", "prometheus-alertmanager"].into_iter().find(runs)
}

/// What a webhook was sent: by path, the alerts that fire.
type Notifications = Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>;

/// Takes one message and says thanks.
async fn take(stream: TcpStream, notified: &Notifications) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        if let Some(asked) = line.strip_prefix("POST ") {
            path = asked.split(' ').next().unwrap_or_default().to_owned();
        }
        if let Some((name, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().with_context(|| name.to_owned())?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body: Value = serde_json::from_slice(&body)?;
    let firing = list(&body["alerts"]).filter(|alert| alert["status"] == "firing");
    let names = firing.map(|alert| text(&alert["labels"]["alertname"]).to_owned());
    notified.lock().unwrap().entry(path).or_default().extend(names);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
    Ok(())
}

/// Alertmanager with the deployed configuration, except for the receivers, which are here, and the time until it notifies them.
struct Manager {
    _program: ChildGuard,
    data: tempfile::TempDir,
    api: String,
    notified: Notifications,
}

impl Manager {
    async fn start(program: &str) -> Result<Self> {
        let notified = Notifications::default();
        let receiver = TcpListener::bind("127.0.0.1:0").await?;
        let deployed = fs::read_to_string(root().join("deploy/alertmanager/alertmanager.yml"))?;
        let placeholder = "http://receiver.invalid/";
        assert_eq!(deployed.matches(placeholder).count(), 2, "the two receivers are placeholders");
        let here = format!("http://{}/", receiver.local_addr()?);
        let at_once = |line: &str| match line.split_once("group_wait: ").or(line.split_once("group_interval: ")) {
            Some((indent, _)) if indent.trim().is_empty() => line.replace(&line[line.rfind(' ').unwrap_or(0)..], " 1s"),
            _ => line.to_owned(),
        };
        let configured: Vec<String> = deployed.replace(placeholder, &here).lines().map(at_once).collect();
        let data = tempfile::tempdir()?;
        fs::write(data.path().join("alertmanager.yml"), configured.join("\n"))?;
        let listen = free_address().await?;
        let child = Command::new(program)
            .arg("--config.file=alertmanager.yml")
            .arg("--storage.path=data")
            .arg(format!("--web.listen-address={listen}"))
            .arg("--cluster.listen-address=")
            .current_dir(data.path())
            .stdout(Stdio::null())
            .stderr(fs::File::create(data.path().join("log"))?)
            .spawn()?;
        let taken = notified.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = receiver.accept().await {
                take(stream, &taken).await.unwrap();
            }
        });
        let manager = Self { _program: ChildGuard(child), data, api: format!("http://{listen}/api/v2"), notified };
        eventually("Alertmanager is up", async || {
            Ok(reqwest::get(format!("{}/status", manager.api)).await.is_ok_and(|answer| answer.status().is_success()))
        })
        .await
        .with_context(|| fs::read_to_string(manager.data.path().join("log")).unwrap_or_default())?;
        Ok(manager)
    }

    /// Reports alerts, each with its labels, as firing or as over.
    async fn report(&self, alerts: &[Value], firing: bool) -> Result<()> {
        let ends = if firing { "2100-01-01T00:00:00Z" } else { "2026-01-01T00:00:00Z" };
        let body: Vec<Value> = alerts.iter().map(|labels| json!({ "labels": labels, "endsAt": ends })).collect();
        let answer = reqwest::Client::new().post(format!("{}/alerts", self.api)).json(&body).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// The alerts that are held back by others.
    async fn inhibited(&self) -> Result<BTreeSet<String>> {
        let alerts: Value = reqwest::get(format!("{}/alerts", self.api)).await?.json().await?;
        let inhibited = list(&alerts).filter(|alert| list(&alert["status"]["inhibitedBy"]).next().is_some());
        Ok(inhibited.map(|alert| text(&alert["labels"]["alertname"]).to_owned()).collect())
    }

    fn notified(&self, path: &str) -> BTreeSet<String> {
        self.notified.lock().unwrap().get(path).cloned().unwrap_or_default()
    }
}

async fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

/// The labels of an alert as Prometheus reports it: those of its rule, and these.
fn alert(name: &str, labels: &[(&str, &str)]) -> Value {
    let rule = alerts().into_iter().find(|rule| rule["alert"] == name).unwrap_or_else(|| panic!("no alert {name}"));
    let mut all = rule["labels"].clone();
    all["alertname"] = name.into();
    for (label, value) in [("job", "psi-field")].iter().chain(labels) {
        all[*label] = (*value).into();
    }
    all
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|name| format!("PsiField{name}")).collect()
}

/// Alerts that say what is wrong; each makes itself known at once.
fn causes() -> [Value; 3] {
    [
        alert("PsiFieldDown", &[("instance", "node3:8000")]),
        alert("PsiFieldReplicaDivergence", &[("instance", "node1:8000")]),
        alert("PsiFieldStepLatencyBurnMedium", &[]),
    ]
}

/// Alerts that follow from the causes, and are held back.
fn consequences() -> [Value; 7] {
    [
        // The field is not fed any more.
        alert("PsiFieldDriftWarning", &[("model", "default"), ("field", "default")]),
        alert("DriftRemediationPersistentHighSeverity", &[("model", "default"), ("field", "default")]),
        alert("PsiFieldMembersMissing", &[]),
        alert("PsiFieldReplicaLag", &[("peer", "node3")]),
        alert("PsiFieldPredictionErrorHigh", &[("field", "default"), ("engine", "synthetic")]),
        alert("PsiFieldProbeFailing", &[("job", "psi-probe"), ("target", "node3:50051")]),
        alert("PsiFieldStepLatencyBurnSlow", &[]),
    ]
}

/// Alerts that the causes don't explain.
fn others() -> [Value; 8] {
    [
        alert("PsiFieldDensityAnomaly", &[("field", "sensors"), ("engine", "synthetic")]),
        alert("PsiFieldColumnFrozen", &[("model", "sensors"), ("field", "sensors")]),
        alert("PsiFieldStepAvailabilityBurnFast", &[]),
        alert("PsiFieldRunsWaiting", &[]),
        // While other nodes are up.
        alert("PsiFieldStepErrors", &[("instance", "node1:8000")]),
        alert("PsiFieldStepsStopped", &[("field", "default"), ("engine", "synthetic")]),
        alert("PsiFieldClusterSplit", &[]),
        alert("PsiFieldClockOffset", &[("job", "psi-field-2"), ("instance", "x:8000")]),
    ]
}

/// What the drift of replicas and the stopped steps hold back.
fn figures() -> BTreeSet<String> {
    let remediation = "DriftRemediationPersistentHighSeverity".to_owned();
    names(&["PredictionErrorHigh", "DriftWarning"]).into_iter().chain([remediation]).collect()
}

/// What is held back once causes, the drift, consequences and others are reported.
fn held_back() -> BTreeSet<String> {
    let nodes = names(&["MembersMissing", "ReplicaLag", "PodDrift", "ProbeFailing", "StepLatencyBurnSlow"]);
    nodes.union(&figures()).cloned().collect()
}

/// Waits until both receivers know of the causes and of the others, and of nothing else.
async fn wait_for_receivers(manager: &Manager) -> Result<()> {
    let critical =
        names(&["Down", "ReplicaDivergence", "StepLatencyBurnMedium", "StepAvailabilityBurnFast", "ClusterSplit"]);
    let warning =
        names(&["DensityAnomaly", "ColumnFrozen", "RunsWaiting", "StepErrors", "StepsStopped", "ClockOffset"]);
    eventually("receivers are notified", async || {
        Ok(manager.notified("/critical") == critical && manager.notified("/warning") == warning)
    })
    .await
    .with_context(|| format!("{:?}", manager.notified))
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_get_causes_and_not_what_follows_from_them() -> Result<()> {
    let Some(program) = alertmanager() else {
        assert!(std::env::var_os("CI").is_none(), "Alertmanager is missing: apt-get install prometheus-alertmanager");
        eprintln!("SKIPPED: Alertmanager is missing (apt-get install prometheus-alertmanager)");
        return Ok(());
    };
    let manager = Manager::start(program).await?;
    // A drift follows from a divergence, and is itself what the figures of its field follow from.
    let drift = [alert("PsiFieldPodDrift", &[("field", "default")])];
    manager.report(&causes(), true).await?;
    eventually("causes are notified", async || Ok(manager.notified("/critical").len() == causes().len())).await?;
    manager.report(&drift, true).await?;
    eventually("the drift is held back", async || Ok(manager.inhibited().await? == names(&["PodDrift"]))).await?;
    manager.report(&others(), true).await?;
    wait_for_receivers(&manager).await?;
    manager.report(&consequences(), true).await?;
    eventually("consequences are held back", async || Ok(manager.inhibited().await? == held_back())).await?;
    wait_for_receivers(&manager).await?;
    // Without any node there are no steps.
    let all_down = [alert("PsiFieldAllDown", &[])];
    manager.report(&all_down, true).await?;
    let more = held_back().union(&names(&["StepErrors", "StepsStopped"])).cloned().collect::<BTreeSet<_>>();
    eventually("steps are held back too", async || Ok(manager.inhibited().await? == more)).await?;
    manager.report(&all_down, false).await?;
    // Once the causes are over, what is left speaks for itself.
    manager.report(&causes(), false).await?;
    eventually("figures are held back still", async || Ok(manager.inhibited().await? == figures())).await?;
    for path in ["/warning", "/critical"] {
        assert!(manager.notified(path).is_disjoint(&figures()), "{:?}", manager.notified);
    }
    Ok(())
}
