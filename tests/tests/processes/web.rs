//! Processes by HTTP alone.

use anyhow::{Context, Result, ensure};
use data_encoding::BASE64;
use psi_tests::{Member, eventually};
use serde_json::{Value, json};

use crate::support::{NINE_PHASES, SMALL, envelope, three};

const MIB: usize = 1 << 20;

/// One node, asked over HTTP.
struct Web {
    client: reqwest::Client,
    base: String,
}

impl Web {
    fn of(member: &Member) -> Self {
        Self { client: reqwest::Client::new(), base: format!("http://{}/api/v1/", member.node.addresses().http) }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, Value)> {
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), serde_json::from_str(&answer.text().await?)?))
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let (status, answer) = self.send(self.client.get(format!("{}{path}", self.base))).await?;
        ensure!(status == 200, "{path}: {answer}");
        Ok(answer)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.send(self.client.post(format!("{}{path}", self.base)).json(body)).await?;
        ensure!(status == 200, "{path} {body}: {answer}");
        Ok(answer)
    }

    /// The status, the reason and the message of a refusal.
    async fn refusal(&self, path: &str, body: &Value) -> Result<(u16, String, String)> {
        let (status, answer) = self.send(self.client.post(format!("{}{path}", self.base)).json(body)).await?;
        let text = |name: &str| answer["error"][name].as_str().unwrap_or_default().to_owned();
        Ok((status, text("reason"), text("message")))
    }

    /// Where the task `main` stands, once the node knows of a step.
    async fn at(&self, process: &str, step: u64) -> Result<Value> {
        let path = format!("processes/{process}?task=main");
        eventually(&format!("step {step} of {process} is known"), async || {
            Ok(self.get(&path).await.is_ok_and(|state| state["step"].as_u64() >= Some(step)))
        })
        .await?;
        self.get(&path).await
    }

    /// Advances from where the node sees the task.
    async fn advance(&self, step: u64) -> Result<(Value, Value)> {
        let head = self.at("nine-phases", step).await?["head"].clone();
        let body = json!({ "task": "main", "after": head, "work": work(), "deadline_ms": 20_000 });
        let answer = self.post("processes/nine-phases/advance", &body).await?;
        Ok((json!([answer["action"], answer["state"]["phase"]]), answer["judgements"].clone()))
    }

    async fn give(&self, name: &str, piece: &Value) -> Result<Value> {
        let mut body = json!({ "task": "main", "name": name });
        body.as_object_mut().context("an object")?.extend(piece.as_object().context("an object")?.clone());
        self.post("processes/nine-phases/evidence", &body).await
    }
}

fn work() -> Value {
    json!({ "requirements": "faster", "gates": ["tests"], "artifacts": [], "model": null })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nine_phases_are_walked_through_by_http_alone() -> Result<()> {
    let members = three(None).await?;
    let [n1, n2, n3] = [0, 1, 2].map(|place| Web::of(&members[place]));
    let applied = n1.post("processes", &json!({ "spec": NINE_PHASES })).await?;
    ensure!((&applied["step"], &applied["mode"]) == (&json!(1), &json!("watch")), "{applied}");
    let enforce = json!({ "mode": "enforce", "after": applied["head"], "reason": "it judges well" });
    let enforced = n1.post("processes/nine-phases/mode", &enforce).await?;
    ensure!((&enforced["step"], &enforced["mode"]) == (&json!(2), &json!("enforce")), "{enforced}");
    let started = n1.post("processes/nine-phases/advance", &json!({ "task": "main" })).await?;
    ensure!(started["action"] == "start" && started["state"]["phase"] == "strategize", "{started}");
    let (held, judgements) = n2.advance(1).await?;
    ensure!(held == json!([null, "strategize"]) && judgements[0]["missing"] == json!(["goal"]), "{held} {judgements}");

    // Evidence as text, as base64, by its hash, and as JSON, whose bytes are those of the body.
    let kept = n1.give("goal", &json!({ "document": "be faster" })).await?;
    ensure!(kept["nodes"] == json!(["n1", "n2", "n3"]) && kept["evidence"][0]["size"] == 9, "{kept}");
    ensure!(n3.get("processes/nine-phases/evidence?task=main").await?["evidence"] == kept["evidence"], "{kept}");
    ensure!(n2.advance(1).await?.0 == json!(["advance", "spec"]));
    n1.give("requirements", &json!({ "document_base64": BASE64.encode(&[0, 255, 10]) })).await?;
    n2.give("acceptance-tests", &json!({ "sha256": "0".repeat(64), "size": 1 << 30 })).await?;
    let head = n1.at("nine-phases", 2).await?["head"].clone();
    let baseline = json!({ "task": "main", "after": head, "work": work() });
    let set = n1.post("processes/nine-phases/baseline", &baseline).await?;
    ensure!((&set["step"], &set["baseline"]) == (&json!(3), &json!("set")), "{set}");
    ensure!(n2.advance(3).await?.0 == json!(["advance", "plan"]));
    n3.give("plan", &json!({ "document": ["first", "then"] })).await?;
    ensure!(n3.advance(4).await?.0 == json!(["advance", "think"]));
    n1.give("design", &json!({ "document": "-" })).await?;
    ensure!(n1.advance(5).await?.0 == json!(["advance", "implement"]));
    let report = json!({ "tests_run": 412, "tests_failed": 0, "build_passed": true, "coverage": 81.25 });
    let kept = n2.give("test-report", &json!({ "document": report })).await?;
    ensure!(kept.to_string().contains(&format!("\"size\":{}", report.to_string().len())), "{kept}");
    ensure!(n1.advance(6).await?.0 == json!(["advance", "verify"]));
    ensure!(n2.advance(7).await?.0 == json!(["advance", "review"]));
    review_and_end([&n1, &n2, &n3]).await
}

/// From `review` to the end, forced past gates that have no data.
async fn review_and_end([n1, n2, n3]: [&Web; 3]) -> Result<()> {
    let subject = n1.at("nine-phases", 8).await?["phase_hash"].as_str().context("a subject")?.to_owned();
    let signed: Value = serde_json::from_str(&envelope("main", &subject, r#"{"approved":true}"#, &[2, 3]))?;
    n1.give("review", &json!({ "document": signed })).await?;
    ensure!(n2.advance(8).await?.0 == json!(["advance", "pr"]));
    n3.give("merge", &json!({ "document": { "checks_passed": true, "conflicts": 0 } })).await?;
    ensure!(n3.advance(9).await?.0 == json!(["advance", "monitor"]));
    ensure!(n1.advance(10).await?.0 == json!([null, "monitor"]));

    let on = json!({ "on": true, "reason": "an outage", "deadline_ms": 20_000 });
    ensure!(n2.post("process-emergency", &on).await?["on"] == true);
    eventually("n3 knows of the switch", async || Ok(n3.get("process-emergency").await?["reason"] == "an outage"))
        .await?;
    ensure!(n2.post("process-emergency", &json!({ "on": false })).await?["on"] == false);
    eventually("n3 knows of that too", async || Ok(n3.get("process-emergency").await?["on"] == false)).await?;

    let force = |after: &Value, reason: &str| json!({ "task": "main", "after": after, "force": true, "reason": reason, "deadline_ms": 20_000 });
    let head = n3.at("nine-phases", 10).await?["head"].clone();
    let refused = n3.refusal("processes/nine-phases/advance", &force(&head, "")).await?;
    ensure!((refused.0, refused.1.as_str()) == (422, "BAD_PROCESS"), "{refused:?}");
    let done = n3.post("processes/nine-phases/advance", &force(&head, "watched elsewhere")).await?;
    ensure!(done["state"]["end"] == "done", "{done}");
    let mut logs = Vec::new();
    for node in [n1, n2, n3] {
        node.at("nine-phases", 11).await?;
        logs.push(node.get("processes/nine-phases/log?task=main").await?["transitions"].clone());
    }
    ensure!(logs.iter().all(|log| *log == logs[0]) && logs[0].as_array().map(Vec::len) == Some(11), "{logs:?}");
    ensure!(logs[0][0]["forced"] == true && logs[0][0]["reason"] == "watched elsewhere", "{}", logs[0][0]);
    let head = n1.at("nine-phases", 11).await?["head"].clone();
    let refused = n1.refusal("processes/nine-phases/abort", &json!({ "task": "main", "after": head })).await?;
    ensure!((refused.0, refused.1.as_str()) == (409, "PROCESS_ENDED"), "{refused:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_http_refuses_is_named_and_changes_nothing() -> Result<()> {
    let members = three(None).await?;
    let [n1, n2] = [0, 1].map(|place| Web::of(&members[place]));
    n1.post("processes", &json!({ "spec": SMALL })).await?;
    let started = n1.post("processes/small/advance", &json!({ "task": "main" })).await?["state"].clone();
    let piece =
        |document: &[u8]| json!({ "task": "main", "name": "report", "document_base64": BASE64.encode(document) });
    n1.post("processes/small/evidence", &piece(&vec![0; MIB])).await?;
    let (large, huge) = (piece(&vec![0; MIB + 1]), piece(&vec![0; 2 * MIB]));
    for (path, body, want, words) in [
        ("processes/small/evidence", large, (422, "BAD_PROCESS"), "at most 1048576"),
        ("processes/small/evidence", huge, (413, "BODY_TOO_LARGE"), "larger than 1572864 bytes"),
        ("processes/small/advance", json!({ "task": "main" }), (409, "STALE_PREDECESSOR"), "current"),
        ("processes/small/advance", json!({ "task": "main", "afer": "x" }), (422, "BAD_BODY"), "did you mean `after`?"),
        ("processes/small/advance", json!({ "work": { "persona": 1 } }), (422, "BAD_BODY"), "task: required"),
        ("processes/small/abort", json!({ "after": "A" }), (422, "BAD_PROCESS"), "64 small hexadecimal digits"),
        ("processes/small/mode", json!({ "mode": "off" }), (422, "BAD_PROCESS"), "`watch` or `enforce`"),
        ("processes/small/baseline", json!({ "task": "main" }), (422, "BAD_PROCESS"), "work"),
        ("processes", json!({ "spec": "name =" }), (422, "BAD_SPEC"), "line 1"),
        ("processes", json!({ "toml": SMALL }), (422, "BAD_BODY"), "spec: required"),
        ("process-emergency", json!({ "on": true }), (422, "BAD_PROCESS"), "reason"),
        ("process-emergency", json!({ "on": "yes" }), (422, "BAD_BODY"), "on takes true or false"),
    ] {
        let (status, reason, message) = n1.refusal(path, &body).await?;
        ensure!((status, reason.as_str()) == want && message.contains(words), "{path}: {status} {reason}: {message}");
    }
    let both = json!({ "task": "main", "name": "r", "document": {}, "document_base64": "QQ==" });
    let (_, reason, message) = n1.refusal("processes/small/evidence", &both).await?;
    ensure!(reason == "BAD_BODY" && message.contains("not both"), "{reason} {message}");
    ensure!(n2.at("small", 1).await?["head"] == started["head"], "nothing was decided");

    // No name of a process leads elsewhere.
    n1.post("processes", &json!({ "spec": SMALL.replace("\"small\"", "\"emergency\"") })).await?;
    ensure!(n1.get("processes/emergency").await?["process"] == "emergency");
    Ok(())
}
