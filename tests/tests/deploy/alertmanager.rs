//! Alertmanager with the deployed routing: receivers get causes, and not what follows from them.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use psi_tests::{eventually, receiver::Receiver};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{alerts, list, root, text};

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

/// Alertmanager with the deployed configuration, except for the receivers, which are here, and the time until it notifies them.
struct Manager {
    _program: ChildGuard,
    data: tempfile::TempDir,
    api: String,
    receiver: Receiver,
}

impl Manager {
    async fn start(program: &str) -> Result<Self> {
        let receiver = Receiver::start(0, None).await?;
        let deployed = fs::read_to_string(root().join("deploy/alertmanager/alertmanager.yml"))?;
        let placeholder = "http://receiver.invalid/";
        assert_eq!(deployed.matches(placeholder).count(), 2, "the two receivers are placeholders");
        let here = format!("http://{}/", receiver.address);
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
        let manager = Self { _program: ChildGuard(child), data, api: format!("http://{listen}/api/v2"), receiver };
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

    /// The alerts of which a path was told that they fire.
    fn notified(&self, path: &str) -> BTreeSet<String> {
        let posts = self.receiver.posts().into_iter().filter(|post| post.path == path);
        let bodies = posts.map(|post| post.json().expect("JSON"));
        let names = |body: Value| {
            let firing = list(&body["alerts"]).filter(|alert| alert["status"] == "firing");
            firing.map(|alert| text(&alert["labels"]["alertname"]).to_owned()).collect::<Vec<_>>()
        };
        bodies.flat_map(names).collect()
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
    .with_context(|| format!("{:?}", manager.receiver.posts()))
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
        assert!(manager.notified(path).is_disjoint(&figures()), "{:?}", manager.receiver.posts());
    }
    Ok(())
}
