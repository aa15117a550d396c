//! The HTTP surface of a real node, over real sockets.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::time::Duration;

use psi_api::v1::{
    Agreement, CreateFieldRequest, GetDigestRequest, GetStateRequest, GuardianMode, StepRequest,
    cluster_service_client::ClusterServiceClient, psi_field_service_client::PsiFieldServiceClient,
};
use psi_node::{Endpoint, Node, Settings};
use psi_replica::NodeId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tonic::transport::Channel;

/// What the feeder sends every 30 s.
const FEEDER: [f64; 16] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.0, -0.1, 0.2, 0.9, -0.4, 0.1, 0.0, 0.2, -0.2, 0.3, 0.1];

/// How long a condition may take to come true, on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(20);

struct Server {
    node: Node,
    client: reqwest::Client,
}

/// Status, headers, body.
struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()
    }
}

impl Server {
    /// A node of its own that takes steps.
    async fn start() -> Self {
        let server = Self::start_with(|_| {}).await;
        wait("the node is ready", || server.node.is_ready()).await;
        server
    }

    async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let free = Endpoint::new(([127, 0, 0, 1], 0).into());
        let mut settings = Settings {
            grpc: free,
            http: free,
            gossip: free,
            join: Duration::from_millis(50),
            replication: false,
            ..Settings::new(NodeId::new("n1").unwrap())
        };
        change(&mut settings);
        let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
        Self { node: Node::start(settings).await.unwrap(), client }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.node.addresses().http)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.post(self.url(path)).json(body)).await
    }

    async fn post_text(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.client.post(self.url(path)).body(body);
        self.send(if content_type.is_empty() { request } else { request.header("Content-Type", content_type) }).await
    }

    async fn step(&self, x: &[f64]) -> Value {
        self.post("/step", &json!({ "x": x })).await.ok()
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.node.addresses().grpc)).unwrap().connect().await.unwrap()
    }

    /// Of all that was written by now.
    async fn digest(&self) -> Agreement {
        let mut cluster = ClusterServiceClient::new(self.channel().await);
        cluster.get_digest(GetDigestRequest {}).await.unwrap().into_inner()
    }

    /// A field of which figures are known.
    async fn create_field(&self, name: &str, width: u32) {
        let mut fields = PsiFieldServiceClient::new(self.channel().await);
        let request = CreateFieldRequest {
            name: name.to_owned(),
            engine: "synthetic".to_owned(),
            guardian: GuardianMode::Watch.into(),
            width,
            ..Default::default()
        };
        fields.create_field(request).await.unwrap();
    }

    /// What comes back for these bytes until the server closes or has answered as `until` says.
    async fn raw(&self, request: &str, until: &str) -> String {
        let mut stream = TcpStream::connect(self.node.addresses().http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let read = async {
            while !String::from_utf8_lossy(&got).contains(until) {
                if stream.read_buf(&mut got).await.unwrap() == 0 {
                    return;
                }
            }
        };
        timeout(DEADLINE, read).await.expect("an answer in time");
        String::from_utf8_lossy(&got).into_owned()
    }
}

async fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every key of `old` is in `new` with the same kind of value; numbers are equal to 1e-12 unless named in `changed`.
fn assert_has_all(call: &str, old: &Value, new: &Value, changed: &[&str]) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let new = new.get(key).unwrap_or_else(|| panic!("{call}: `{key}` is missing from {new:?}"));
                if changed.contains(&key.as_str()) {
                    assert_eq!(std::mem::discriminant(value), std::mem::discriminant(new), "{call} {key}: {new}");
                } else {
                    assert_has_all(&format!("{call} {key}"), value, new, changed);
                }
            }
        }
        (Value::Number(old), Value::Number(new)) => {
            assert_eq!(old.is_f64(), new.is_f64(), "{call}: {old} became {new}");
            assert!((old.as_f64().unwrap() - new.as_f64().unwrap()).abs() <= 1e-12, "{call}: {old} became {new}");
        }
        _ => assert_eq!(old, new, "{call}"),
    }
}

#[tokio::test]
async fn the_calls_of_the_service_of_old_are_answered_as_it_did() {
    let calls: Value = serde_json::from_str(include_str!("data/original_service.json")).unwrap();
    let server = Server::start().await;
    let mut counts = Vec::new();
    for call in calls.as_array().unwrap() {
        let (method, path) = (call["method"].as_str().unwrap(), call["path"].as_str().unwrap());
        let request = server.client.request(method.parse::<Method>().unwrap(), server.url(path));
        let request = if call["request"].is_null() { request } else { request.json(&call["request"]) };
        let answer = server.send(request).await;
        let name = format!("{method} {path}");
        let (status, old) = (call["status"].as_u64().unwrap(), &call["response"]);
        if status == 500 {
            // An empty vector broke the old service; it is the client's mistake.
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
            continue;
        }
        assert_eq!(u64::from(answer.status.as_u16()), status, "{name}: {}", answer.text);
        if path == "/metrics" {
            for line in old.as_str().unwrap().lines().filter(|line| line.starts_with("# TYPE")) {
                assert!(answer.text.contains(line), "{line}");
            }
            continue;
        }
        let new = answer.json();
        match status {
            404 => assert!(new["detail"].as_str().unwrap().starts_with(old["detail"].as_str().unwrap())),
            422 => {
                let (old, new) = (&old["detail"][0], &new["detail"][0]);
                assert_eq!((&old["loc"], &old["type"]), (&new["loc"], &new["type"]), "{name}");
                assert!(new["msg"].is_string());
            }
            _ => {
                let mut changed = vec!["timestamp", "k", "name", "version", "agent_id"];
                if path == "/health" {
                    changed.push("import_success");
                    assert!(new["import_success"].is_boolean());
                }
                if path == "/guardian/statistics" {
                    // The old one did not count interventions by hand, and saw some steps twice.
                    changed.extend(["total", "last_step", "mean", "std", "p95"]);
                    let errors = new["statistics"]["pe"]["mean"].as_f64().unwrap();
                    assert!((errors - (2.0 * 0.0625 + 0.8625) / 3.0).abs() < 1e-12, "{errors}");
                    let done = &new["interventions"];
                    let told = (&done["total"], &done["last_step"], &done["automatic"], &done["superseded"]);
                    assert_eq!(told, (&json!(2), &json!(2), &json!(0), &json!(0)));
                }
                if path == "/federation/swarm" {
                    // The old one was told of no other agents, and answered zeros.
                    changed.push("swarm_metrics");
                }
                let old = if path == "/health" { without(old, "import_success") } else { old.clone() };
                assert_has_all(&name, &old, &new, &changed);
            }
        }
        if new["k"].is_u64() && path != "/federation/metrics" {
            counts.push(new["k"].as_u64().unwrap());
        }
        if old["timestamp"].is_string() {
            let text = new["timestamp"].as_str().unwrap();
            assert!(text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{name}: {text}");
        }
    }
    // State, two steps, state, and the step after the interventions; the old service counted each step twice.
    assert_eq!(counts, [0, 1, 2, 2, 3]);
}

fn without(object: &Value, key: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove(key);
    object
}

#[tokio::test]
async fn a_step_by_curl_is_taken() {
    let server = Server::start().await;
    let body = format!("{{\"x\":{},\"apply_guardian\":false}}", json!(FEEDER));
    let request = |content_type: &str| {
        let length = body.len();
        format!(
            "POST /step HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
             Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let answer = server.raw(&request("application/json"), "\"att_gain\":").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"k\":1,"), "{answer}");
    // What curl -d sends where no header is given.
    let answer = server.raw(&request("application/x-www-form-urlencoded"), "\"reason\"").await;
    assert!(answer.starts_with("HTTP/1.1 415 ") && answer.contains("-H 'Content-Type: application/json'"), "{answer}");
    assert_eq!(server.get("/state").await.ok()["k"], 1);
}

#[tokio::test]
async fn refusals_name_the_cause_and_change_nothing() {
    const JSON: &str = "application/json";
    let server = Server::start().await;
    server.step(&FEEDER).await;
    let before = server.digest().await;
    let with = |index: usize, text: &str| {
        let mut numbers = FEEDER.map(|number| number.to_string());
        numbers[index] = text.to_owned();
        format!("{{\"x\":[{}]}}", numbers.join(","))
    };
    let (whole, short) = (with(0, "0.1"), "{\"x\":[1,2,3]}".to_owned());
    let cases: Vec<(&str, &str, String, u16, &str, &str)> = vec![
        ("/step", JSON, "{\"x\":".into(), 400, "BAD_JSON", "line 1 column 5"),
        ("/step", JSON, "{x:1}".into(), 400, "BAD_JSON", "not JSON"),
        ("/step", JSON, "[".repeat(100_000), 422, "BAD_BODY", "expected an object"),
        ("/step", JSON, format!("{{\"x\":{}", "[".repeat(100_000)), 400, "BAD_JSON", "recursion"),
        ("/step", JSON, String::new(), 422, "BAD_BODY", "field required"),
        ("/step", JSON, "{}".into(), 422, "BAD_BODY", "field required"),
        ("/step", JSON, "[]".into(), 422, "BAD_BODY", "expected an object"),
        ("/step", JSON, with(3, "\"a\""), 422, "BAD_BODY", "x[3] is a string"),
        ("/step", JSON, with(4, "null"), 422, "BAD_BODY", "x[4] is null"),
        ("/step", JSON, short, 422, "WRONG_WIDTH", "input has 3 numbers, field `default` takes 16"),
        ("/step", JSON, format!("{{\"x\":[{}1]}}", "1,".repeat(99_999)), 422, "WRONG_WIDTH", "100000 numbers"),
        ("/step", JSON, with(5, "1e999"), 422, "NOT_FINITE", "infinite"),
        ("/step", JSON, with(6, "NaN"), 422, "NOT_FINITE", "NaN"),
        ("/step", JSON, with(6, "-Infinity"), 422, "NOT_FINITE", "Infinity"),
        ("/step", JSON, with(7, "1e300"), 422, "OUT_OF_RANGE", "input[7]"),
        ("/step", JSON, with(7, "16777216"), 422, "OUT_OF_RANGE", "16777216"),
        ("/step?field=nope", JSON, whole.clone(), 404, "UNKNOWN_FIELD", "use one of: default"),
        ("/step?field=a%20b", JSON, whole.clone(), 422, "BAD_NAME", "`a b`"),
        ("/step?feild=a", JSON, whole.clone(), 422, "BAD_QUERY", "feild"),
        ("/step?field=default", JSON, whole.replace('}', ",\"field\":\"other\"}"), 422, "BAD_BODY", "`other`"),
        ("/step", JSON, whole.replace('}', ",\"apply_guardian\":1}"), 422, "BAD_BODY", "takes a boolean"),
        ("/step", "text/plain", whole.clone(), 415, "WRONG_CONTENT_TYPE", "text/plain"),
        ("/step", "application/x-www-form-urlencoded", whole.clone(), 415, "WRONG_CONTENT_TYPE", "-H"),
        ("/init", JSON, "{\"dt\":0,\"latentdim\":9}".into(), 422, "BAD_PARAMETER", "did you mean `latent_dim`?"),
        ("/init", JSON, "{\"N\":\"8\"}".into(), 422, "BAD_PARAMETER", "N takes a number, not a string"),
        ("/init?field=nope", JSON, "{}".into(), 404, "UNKNOWN_FIELD", "nope"),
        ("/guardian/nigredo?field=nope", JSON, String::new(), 404, "UNKNOWN_FIELD", "nope"),
        ("/stpe", JSON, whole.clone(), 404, "UNKNOWN_PATH", "did you mean /step?"),
        ("/step/", JSON, whole.clone(), 404, "UNKNOWN_PATH", "did you mean /step?"),
        ("/state", JSON, whole, 405, "WRONG_METHOD", "/state takes GET, not POST"),
    ];
    for (path, content_type, body, status, reason, says) in cases {
        let case = format!("{path} {}", body.chars().take(60).collect::<String>());
        let answer = server.post_text(path, content_type, body).await;
        assert_eq!(answer.status.as_u16(), status, "{case}: {}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["error"]["reason"], reason, "{case}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{case}: {answer}");
        let list = answer["detail"].as_array();
        assert_eq!(list.is_some(), status == 422, "{case}: {answer}");
        let complete =
            |problem: &Value| problem["loc"].is_array() && problem["msg"].is_string() && problem["type"].is_string();
        assert!(list.is_none_or(|problems| !problems.is_empty() && problems.iter().all(complete)), "{case}: {answer}");
    }
    for path in ["/state?field=nope", "/params?field=nope", "/federation/metrics?field=nope"] {
        assert_eq!(server.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(server.digest().await, before);
    let errors = server.get("/metrics").await.text;
    assert!(errors.contains("psi_node_errors_total{reason=\"WRONG_WIDTH\"} 2\n"), "{errors}");
    assert!(errors.contains("psi_node_errors_total{reason=\"BAD_PARAMETER\"} 2\n"), "{errors}");
    assert_eq!(server.step(&FEEDER).await["k"], 2);
    assert_ne!(server.digest().await, before);
}

#[tokio::test]
async fn several_problems_are_named_at_once_with_their_places() {
    let server = Server::start().await;
    let answer = server.post("/init", &json!({ "dt": 0, "N": 1.5, "wat": 1, "w1": 2 })).await.json();
    let places: Vec<&Value> = answer["detail"].as_array().unwrap().iter().map(|problem| &problem["loc"]).collect();
    // The order is that of the body, here by name.
    assert_eq!(places, [&json!(["body", "N"]), &json!(["body", "dt"]), &json!(["body", "wat"])]);
    let answer = server.post("/step", &json!({ "x": ["a", 1, [2]], "apply_guardian": "no" })).await.json();
    let places: Vec<&Value> = answer["detail"].as_array().unwrap().iter().map(|problem| &problem["loc"]).collect();
    assert_eq!(places, [&json!(["body", "apply_guardian"]), &json!(["body", "x", 0]), &json!(["body", "x", 2])]);
    let answer = server.post("/step", &json!({ "x": vec![2e7; 16] })).await.json();
    assert_eq!(answer["detail"][0]["loc"], json!(["body", "x", 0]));
    assert_eq!(answer["error"]["index"], "0");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_the_limit() {
    let server = Server::start_with(|settings| settings.body_bytes_max = 10_000).await;
    wait("the node is ready", || server.node.is_ready()).await;
    let before = server.digest().await;
    let padded = |bytes: usize| {
        let body = json!({ "x": FEEDER }).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    for bytes in [10_001, 50_000, 70_000] {
        let answer = server.post_text("/step", "application/json", padded(bytes)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{bytes}");
        assert_eq!(answer.json()["error"]["limit"], "10000");
    }
    let head = "POST /step HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10001\r\n\r\n";
    let answer = server.raw(head, "BODY_TOO_LARGE").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // Without a length in the header.
    let chunk = format!("{:x}\r\n{}\r\n", 9_000, " ".repeat(9_000));
    let head = "POST /step HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = server.raw(&format!("{head}{chunk}{chunk}0\r\n\r\n"), "BODY_TOO_LARGE").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(server.digest().await, before);
    assert_eq!(server.post_text("/step", "", padded(10_000)).await.ok()["k"], 1);
}

#[tokio::test]
async fn json_is_taken_under_each_of_its_names() {
    let server = Server::start().await;
    let body = json!({ "x": FEEDER }).to_string();
    for name in ["", "application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
        server.post_text("/step", name, body.clone()).await.ok();
    }
    let zipped = server.client.post(server.url("/step")).header("Content-Encoding", "gzip").body(body);
    let answer = server.send(zipped).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["reason"]), (415, &json!("WRONG_ENCODING")));
}

#[tokio::test]
async fn wrong_methods_are_told_the_right_ones() {
    let server = Server::start().await;
    for (method, path, allow) in
        [("GET", "/step", "POST"), ("DELETE", "/state", "GET,HEAD"), ("PUT", "/federation/swarm", "GET,HEAD,POST")]
    {
        let answer = server.send(server.client.request(method.parse().unwrap(), server.url(path))).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, allow), "{method} {path}");
        assert_eq!(answer.json()["error"]["reason"], "WRONG_METHOD");
    }
}

#[tokio::test]
async fn every_path_that_is_listed_exists() {
    let server = Server::start().await;
    let root = server.get("/").await.ok();
    assert_eq!(
        (&root["node"], &root["cluster"], &root["status"]),
        (&json!("n1"), &json!("psi-field"), &json!("active"))
    );
    let paths = root["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 18);
    for (path, about) in paths {
        let methods = about.as_str().unwrap().split(':').next().unwrap();
        for method in methods.split(", ") {
            let url = server.url(&path.replace("{name}", "default"));
            let request = server.client.request(method.parse().unwrap(), url);
            let answer = server.send(request.json(&json!({ "x": FEEDER }))).await;
            // The body is one for /step, so others name its unknown member; and `default` can't be dropped.
            let want = match (method, path.as_str()) {
                ("POST", "/init" | "/fields" | "/fields/{name}/reset") | ("PATCH", _) => 422,
                ("DELETE", _) => 409,
                _ => 200,
            };
            assert_eq!(answer.status.as_u16(), want, "{method} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn the_guardian_conditions_a_step_that_asks_for_it() {
    let server = Server::start().await;
    server.create_field("conditioned", 3).await;
    let raw = json!({ "x": [100, -1e300, 0.25], "apply_guardian": true });
    let guarded = server.post("/step?field=conditioned", &raw).await.ok();
    let state = server.get("/state?field=conditioned").await.ok();
    assert_eq!(state["mean"], json!([5.0, -5.0, 0.25]));
    server.post("/init?field=conditioned", &json!({})).await.ok();
    let plain = server.post("/step?field=conditioned", &json!({ "x": [5, -5, 0.25] })).await.ok();
    for symbol in ["Psi", "C", "U", "Phi", "H", "PE", "M", "dt_eff"] {
        assert_eq!(guarded[symbol], plain[symbol], "{symbol}");
    }
}

#[tokio::test]
async fn fields_are_chosen_by_name_and_kept_apart() {
    let server = Server::start().await;
    server.create_field("narrow", 3).await;
    let x = json!({ "x": [1, 2, 6] });
    assert_eq!(server.post("/step?field=narrow", &x).await.ok()["field"], "narrow");
    let named = server.post("/step", &json!({ "x": [3, 2, 2], "field": "narrow" })).await.ok();
    assert_eq!((&named["k"], &named["engine"], &named["node"]), (&json!(2), &json!("synthetic"), &json!("n1")));
    assert_eq!(server.post("/step", &x).await.json()["error"]["want"], "16");
    server.post("/guardian/nigredo?field=narrow", &json!(null)).await.ok();
    let narrow = server.get("/state?field=narrow").await.ok();
    assert_eq!((&narrow["mean"], &narrow["variance"]), (&json!([2.0, 2.0, 4.0]), &json!([2.0, 0.0, 8.0])));
    assert_eq!((&narrow["noise"], &narrow["interventions"], &narrow["width"]), (&json!(1.5), &json!(1), &json!(3)));
    assert_eq!(narrow["window"]["steps"], 2);
    let default = server.get("/state").await.ok();
    assert_eq!((&default["k"], &default["noise"], &default["last_node"]), (&json!(0), &json!(0.0), &json!("")));
    assert_eq!((&default["mean"], &default["window"]), (&json!([]), &json!({ "steps": 0 })));
    assert_eq!(server.get("/params?field=narrow").await.ok()["field"], "narrow");
}

#[tokio::test]
async fn init_starts_a_field_over_in_a_new_epoch() {
    let server = Server::start().await;
    server.step(&FEEDER).await;
    server.post("/guardian/nigredo", &json!({})).await.ok();
    let before = server.get("/params").await.ok();
    // As curl -X POST sends it: no body, no type.
    let answer = server.send(server.client.post(server.url("/init"))).await.ok();
    assert_eq!((&answer["status"], &answer["params"]["dt"]), (&json!("initialized"), &json!(0.2)));
    assert!(!answer["token"].as_str().unwrap().is_empty());
    assert_eq!(
        server.post("/init", &json!({ "dt": 0.1, "N": 9.0, "lambda": 0.5 })).await.ok()["params"]["N"],
        json!(9)
    );
    let params = server.get("/params").await.ok();
    assert_eq!((&params["dt"], &params["lambda_"], &params["latent_dim"]), (&json!(0.1), &json!(0.5), &json!(32)));
    assert_ne!(params["epoch"], before["epoch"]);
    let state = server.get("/state").await.ok();
    assert_eq!((&state["k"], &state["dt_eff"], &state["noise"]), (&json!(0), &json!(0.1), &json!(0.0)));
    assert_eq!(state["steps_dropped"], 1);
    // As asked for here: nothing that anybody is to be warned of.
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains("\npsi_node_steps_dropped_total 0\n"), "{metrics}");
}

#[tokio::test]
async fn the_figures_of_the_incident_are_shown_to_four_digits() {
    let figures = [
        ("Psi", "density", 0.5259),
        ("Phi", "phase_coherence", 0.1535),
        ("C", "continuity", 0.7757),
        ("U", "futurity", 0.6370),
        ("H", "temporal_entropy", 0.6332),
        ("PE", "prediction_error", 0.8625),
    ];
    let server = Server::start().await;
    assert_eq!(server.post("/guardian/nigredo", &json!(null)).await.ok()["noise"], 1.5);
    assert_eq!(server.post("/guardian/albedo", &json!(null)).await.ok()["noise"], 0.8);
    for _ in 0..3 {
        server.step(&FEEDER).await;
    }
    let state = server.get("/state").await.ok();
    let scrape = server.get("/metrics").await;
    assert_eq!(scrape.header("content-type"), "text/plain; version=0.0.4");
    for (symbol, gauge, want) in figures {
        let series = format!("psi_field_{gauge}{{engine=\"synthetic\",field=\"default\"}} ");
        let gauged = scrape.text.lines().find_map(|line| line.strip_prefix(&series)).expect(gauge);
        let shown =
            [state[symbol].as_f64().unwrap(), state["window"][symbol].as_f64().unwrap(), gauged.parse().unwrap()];
        for got in shown {
            assert_eq!((got * 1e4).round() / 1e4, want, "{symbol}");
        }
    }
    let federation = server.get("/federation/metrics").await.ok();
    assert_eq!((&federation["agent_id"], &federation["metrics"]["PE"]), (&json!("n1"), &state["PE"]));
}

#[tokio::test]
async fn the_swarm_is_the_merged_view_of_its_members() {
    let server = Server::start().await;
    let empty = server.get("/federation/swarm").await.ok();
    let zeros = json!({ "C_swarm": 0.0, "Phi_swarm": 0.0, "U_swarm": 0.0, "H_swarm": 0.0, "Psi_swarm": 0.0 });
    assert_eq!((&empty["swarm_metrics"], &empty["members"]), (&zeros, &json!(1)));
    let step = server.step(&FEEDER).await;
    let swarm = server.post("/federation/swarm", &json!(null)).await.ok()["swarm_metrics"].clone();
    assert_eq!((&swarm["C_swarm"], &swarm["U_swarm"], &swarm["H_swarm"]), (&step["C"], &step["U"], &step["H"]));
    let [c, u, h] = ["C", "U", "H"].map(|symbol| step[symbol].as_f64().unwrap());
    let density = 1.0 / (1.0 + (-(0.7 * c + 0.6 + 0.5 * u - 0.4 * h)).exp());
    assert!((swarm["Psi_swarm"].as_f64().unwrap() - density).abs() < 1e-12, "{swarm}");
}

#[tokio::test]
async fn a_number_has_the_same_bits_over_http_and_grpc() {
    let server = Server::start().await;
    for name in ["http", "grpc"] {
        server.create_field(name, 6).await;
    }
    let input = [0.1 + 0.2, 1.0 / 3.0, -2.0_f64.powi(-40) * 0.7, 1e-17, 16_777_215.999_999_998, 5e-324];
    let http = server.post("/step?field=http", &json!({ "x": input })).await.ok();
    let mut fields = PsiFieldServiceClient::new(server.channel().await);
    let request = StepRequest { field: "grpc".to_owned(), input: input.to_vec(), ..Default::default() };
    let grpc = fields.step(request).await.unwrap().into_inner().metrics.unwrap();
    for (symbol, want) in [("Psi", grpc.density), ("H", grpc.temporal_entropy), ("M", grpc.memory)] {
        assert_eq!(http[symbol].as_f64().unwrap().to_bits(), want.to_bits(), "{symbol}");
    }
    let means = server.get("/state?field=http").await.ok()["mean"].clone();
    let state = fields
        .get_state(GetStateRequest { field: "grpc".to_owned(), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    let means: Vec<f64> = serde_json::from_value(means).unwrap();
    assert_eq!(bits(&means), bits(&state.mean));
}

#[tokio::test]
async fn a_node_that_is_not_ready_says_so() {
    let server = Server::start_with(|settings| {
        settings.replication = true;
        // Nobody listens there.
        settings.seeds = vec!["127.0.0.1:1".to_owned()];
    })
    .await;
    for path in ["/health/ready", "/state", "/params", "/federation/metrics"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"), "{path}");
        assert_eq!(answer.json()["error"]["reason"], "NOT_READY", "{path}");
        assert!(
            answer.json()["detail"].as_str().unwrap().contains("no ready member of this cluster has been reached"),
            "{path}"
        );
    }
    assert_eq!(server.post("/step", &json!({ "x": FEEDER })).await.status.as_u16(), 503);
    assert_eq!(server.get("/health/live").await.status.as_u16(), 200);
    let health = server.get("/health").await.ok();
    assert_eq!((&health["ready"], &health["engine_initialized"]), (&json!(false), &json!(true)));
    assert!(health["why"].as_str().unwrap().contains("no ready member of this cluster has been reached"));
}

#[tokio::test]
async fn health_counts_the_members() {
    let server = Server::start().await;
    let health = server.get("/health").await.ok();
    assert_eq!((&health["status"], &health["ready"], &health["why"]), (&json!("healthy"), &json!(true), &json!(null)));
    assert_eq!(
        (&health["members"], &health["engine"]),
        (&json!({ "live": 1, "left": 0, "dead": 0 }), &json!("synthetic"))
    );
    assert_eq!(server.get("/health/ready").await.ok()["status"], "ready");
}

#[tokio::test]
async fn requests_are_counted_by_route_never_by_what_was_asked_for() {
    let server = Server::start().await;
    for path in ["/made-up-1", "/made-up-2?a=b", "/state?field=made-up-3"] {
        server.send(server.client.get(server.url(path)).header("traceparent", "00-zz-1-1")).await;
    }
    let scrape = server.get("/metrics").await.text;
    assert!(scrape.contains("psi_http_request_duration_seconds_count{code=\"404\",path=\"other\"} 2"), "{scrape}");
    assert!(scrape.contains("psi_http_request_duration_seconds_count{code=\"404\",path=\"/state\"} 1"), "{scrape}");
    assert!(!scrape.contains("made-up"), "{scrape}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn scrapes_at_once_each_see_every_series() {
    const FIELDS: usize = 100;
    let server = std::sync::Arc::new(Server::start().await);
    for i in 0..FIELDS {
        let name = format!("f{i}");
        server.create_field(&name, 1).await;
        server.post(&format!("/step?field={name}"), &json!({ "x": [i] })).await.ok();
    }
    let scrapes = (0..4).map(|_| {
        let server = server.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                let text = server.get("/metrics").await.text;
                for series in ["psi_field_density{", "psi_field_window_steps{"] {
                    let seen = text.lines().filter(|line| line.starts_with(series)).count();
                    // `default` has no step, so no mean.
                    assert!(seen >= FIELDS, "{seen} of {series}");
                }
            }
        })
    });
    for scrape in scrapes.collect::<Vec<_>>() {
        scrape.await.unwrap();
    }
}

#[tokio::test]
async fn a_node_stops_in_time_whatever_its_clients_do() {
    let half = "POST /step HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n";
    for (client, sent, most) in [
        ("an idle keep-alive connection", "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 900),
        ("a connection that says nothing", String::new(), 3_000),
        ("half of the headers", half.to_owned(), 3_000),
        ("half of the body", format!("{half}\r\n{{"), 3_000),
    ] {
        let server = Server::start().await;
        let mut stream = TcpStream::connect(server.node.addresses().http).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        if sent.ends_with("\r\n\r\n") {
            assert!(stream.read_buf(&mut Vec::new()).await.unwrap() > 0);
        }
        // A later connection that is answered: the earlier one has been accepted.
        server.get("/health/live").await.ok();
        let begun = Instant::now();
        timeout(DEADLINE, server.node.shutdown()).await.expect(client);
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(most), "{client}: {took:?}");
        let closed = timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await.expect(client);
        assert!(
            closed.is_ok() || closed.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
            "{client}"
        );
    }
}

#[tokio::test]
async fn a_guardian_is_shown_from_the_first_moment_and_says_what_it_did() {
    let server = Server::start().await;
    let before = server.get("/guardian/statistics").await.ok();
    assert_eq!((&before["interventions"]["last_step"], &before["history_size"]), (&json!(-100), &json!(0)));
    assert_eq!(before["statistics"]["h"], json!({ "mean": 0.0, "std": 0.0, "min": 0.0, "max": 0.0, "p95": 0.0 }));
    assert_eq!(
        (&before["mode"], &before["field"], &before["node"]),
        (&json!("watch"), &json!("default"), &json!("n1"))
    );
    // The last number is 3.75 from the mean, and 2 is too much.
    let mut odd = [0.0; 16];
    odd[15] = 4.0;
    let step = server.step(&odd).await;
    let token = step["token"].as_str().unwrap();
    assert_eq!((&step["guardian"], &step["t"], &step["novelty"]), (&json!(null), &json!(null), &json!(0.0)));
    let status = server.get(&format!("/guardian/status?after={token}&deadline_ms=100")).await.ok();
    let reason = json!("high_prediction_error");
    assert_eq!((&status["red_flag"], &status["reason"]), (&json!(true), &reason));
    assert_eq!((&status["current_threat"], &status["current_threat_reason"]), (&json!(true), &reason));
    assert_eq!(server.get("/state").await.ok()["red_flag"], true);
    server.post("/guardian/albedo", &json!(null)).await.ok();
    let status = server.get("/guardian/status").await.ok();
    assert_eq!((&status["red_flag"], &status["reason"]), (&json!(false), &json!(null)));

    server.post("/fields", &json!({ "name": "f" })).await;
    server.post("/step?field=f", &json!({ "x": vec![4.0; 16] })).await.ok();
    let step = server.post("/step?field=f", &json!({ "x": vec![-4.0; 16] })).await.ok();
    assert_eq!(step["guardian"], json!({ "action": "nigredo", "threat": "high_prediction_error" }));
    let state = server.get("/state?field=f").await.ok();
    assert_eq!((&state["t"], &state["novelty"], &state["att_gain"]), (&step["t"], &step["novelty"], &step["att_gain"]));
    assert_eq!((&state["red_flag"], &state["noise"]), (&json!(false), &json!(1.5)));
    let learned = &state["learned"];
    let told = (&learned["updates"], &learned["latents"], &learned["working_memories"]);
    assert_eq!(told, (&json!(1), &json!(0), &json!(0)), "nigredo clears what was retained");
    assert!(learned["episodic_memories"].is_u64(), "{state}");
    let told = server.get("/guardian/statistics?field=f").await.ok();
    let done = &told["interventions"];
    assert_eq!((&done["total"], &done["automatic"], &done["last_step"]), (&json!(1), &json!(1), &json!(2)));
    for path in ["/guardian/status?field=nope", "/guardian/statistics?request_id=a"] {
        assert!(server.get(path).await.status.is_client_error(), "{path}");
    }
}

#[tokio::test]
async fn fields_are_made_shown_changed_reset_and_dropped() {
    let server = Server::start().await;
    let send = async |method: Method, path: &str, body: Value| {
        server.send(server.client.request(method, server.url(path)).json(&body)).await
    };
    let made = server.post("/fields", &json!({ "name": "f", "width": 2, "parameters": { "dt": 0.1 } })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["engine"], &made["guardian"], &made["seed"]), (&json!("core"), &json!("intervene"), &json!("0")));
    assert_eq!((&made["parameters"]["dt"], &made["parameters"]["N"]), (&json!(0.1), &json!(8)));
    assert!(made["epoch"].is_string() && made["token"].is_string(), "{made}");
    let listed = server.get("/fields").await.ok();
    let names: Vec<&Value> = listed["fields"].as_array().unwrap().iter().map(|field| &field["name"]).collect();
    assert_eq!(names, ["default", "f"]);
    server.post("/step?field=f", &json!({ "x": [1, 2] })).await.ok();
    let wanted = json!({ "guardian": "watch", "parameters": { "lambda": 0.5 } });
    let changed = send(Method::PATCH, "/fields/f", wanted).await.ok();
    assert_eq!((&changed["epoch"], &changed["guardian"]), (&made["epoch"], &json!("watch")));
    assert_eq!((&changed["parameters"]["dt"], &changed["parameters"]["lambda_"]), (&json!(0.1), &json!(0.5)));
    assert_eq!(server.get("/fields/f").await.ok()["parameters"], changed["parameters"]);
    assert_eq!(server.get("/state?field=f").await.ok()["k"], 1);
    let reset = json!({ "engine": "synthetic", "width": 3, "seed": u64::MAX.to_string(), "scale_exponent": -2 });
    let reset = server.post("/fields/f/reset", &reset).await.ok();
    let told = (&reset["engine"], &reset["width"], &reset["scale_exponent"], &reset["guardian"]);
    assert_eq!(told, (&json!("synthetic"), &json!(3), &json!(-2), &json!("watch")));
    assert_eq!((&reset["seed"], &reset["parameters"]["dt"]), (&json!("18446744073709551615"), &json!(0.2)));
    assert_eq!(server.get("/state?field=f").await.ok()["steps_dropped"], 1);
    // As curl -X POST sends it.
    server.send(server.client.post(server.url("/fields/f/reset"))).await.ok();
    assert_eq!(send(Method::DELETE, "/fields/f", json!(null)).await.ok()["dropped"], "f");
    assert_eq!(server.get("/fields/f").await.status, StatusCode::NOT_FOUND);
    // A field like any other, but for its end.
    assert_eq!(send(Method::PATCH, "/fields/default", json!({ "engine": "core" })).await.ok()["engine"], "core");
}

#[tokio::test]
async fn bad_calls_about_fields_are_refused_by_name_and_change_nothing() {
    let server = Server::start().await;
    server.step(&FEEDER).await;
    let before = server.digest().await;
    let wrong = json!({ "widht": 4, "engine": "cor", "guardian": 1, "parameters": { "dt": 0, "N": "8" } });
    for (method, path, body, status, reason, loc, says) in [
        ("POST", "/fields", json!({ "name": "a b" }), 422, "BAD_NAME", json!(["body", "name"]), "`a b`"),
        ("POST", "/fields", json!({}), 422, "BAD_BODY", json!(["body", "name"]), "field required"),
        ("POST", "/fields", json!({ "name": "default" }), 409, "FIELD_EXISTS", json!(null), "default"),
        ("POST", "/fields?field=f", json!({ "name": "f" }), 422, "BAD_QUERY", json!(["query"]), "no parameters"),
        ("PATCH", "/fields/default", wrong, 422, "BAD_BODY", json!(["body", "guardian"]), "did you mean `width`?"),
        (
            "PATCH",
            "/fields/default",
            json!({ "engine": "core" }),
            409,
            "FIELD_HAS_HISTORY",
            json!(null),
            "reset it first",
        ),
        ("PATCH", "/fields/nope", json!({ "engine": "core" }), 404, "UNKNOWN_FIELD", json!(null), "nope"),
        ("GET", "/fields/a%20b", json!(null), 422, "BAD_NAME", json!(["path", "name"]), "`a b`"),
        ("GET", "/fields/%ff", json!(null), 422, "BAD_NAME", json!(["path", "name"]), "UTF-8"),
        ("POST", "/fields/default/reset", json!({ "dt": 1 }), 422, "BAD_BODY", json!(["body", "dt"]), "is a parameter"),
        (
            "POST",
            "/fields/default/reset",
            json!({ "parameters": { "W_r": 600, "dt": 0.001 } }),
            422,
            "BAD_PARAMETER",
            json!(["body", "parameters", "W_r"]),
            "retention",
        ),
        ("DELETE", "/fields/default", json!(null), 409, "PROTECTED_FIELD", json!(null), "reset it instead"),
        ("PUT", "/fields/default", json!({}), 405, "WRONG_METHOD", json!(null), "takes GET, PATCH, DELETE, not PUT"),
        (
            "POST",
            "/init",
            json!({ "W_r": 600, "dt": 0.001 }),
            422,
            "BAD_PARAMETER",
            json!(["body", "W_r"]),
            "retention",
        ),
        (
            "POST",
            "/guardian/nigredo?replicate_to=most",
            json!(null),
            422,
            "UNKNOWN_LEVEL",
            json!(["query", "replicate_to"]),
            "most",
        ),
        (
            "POST",
            "/guardian/nigredo?replicate_to=",
            json!(null),
            422,
            "UNKNOWN_LEVEL",
            json!(["query", "replicate_to"]),
            "local",
        ),
        (
            "POST",
            "/guardian/nigredo?request_id=",
            json!(null),
            422,
            "BAD_REQUEST_ID",
            json!(["query", "request_id"]),
            "empty",
        ),
        (
            "POST",
            "/guardian/nigredo?request_id=%c3%a9",
            json!(null),
            422,
            "BAD_REQUEST_ID",
            json!(["query", "request_id"]),
            "ASCII",
        ),
        ("GET", "/state?after=", json!(null), 422, "TOKEN_MALFORMED", json!(["query", "after"]), "empty"),
        ("GET", "/state?after=x", json!(null), 422, "TOKEN_MALFORMED", json!(["query", "after"]), ""),
        (
            "GET",
            "/guardian/status?deadline_ms=60001",
            json!(null),
            422,
            "BAD_DEADLINE",
            json!(["query", "deadline_ms"]),
            "60001",
        ),
        ("POST", "/step?after=x", json!({ "x": FEEDER }), 422, "TOKEN_MALFORMED", json!(["query", "after"]), ""),
        (
            "POST",
            "/step",
            json!({ "x": FEEDER, "after": "" }),
            422,
            "TOKEN_MALFORMED",
            json!(["body", "after"]),
            "empty",
        ),
        ("POST", "/step", json!({ "x": FEEDER, "field": "a b" }), 422, "BAD_NAME", json!(["body", "field"]), "`a b`"),
    ] {
        let case = format!("{method} {path} {body}");
        let request = server.client.request(method.parse::<Method>().unwrap(), server.url(path)).json(&body);
        let answer = server.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{case}: {}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["error"]["reason"], reason, "{case}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{case}: {answer}");
        assert_eq!(answer["detail"][0]["loc"], loc, "{case}: {answer}");
    }
    // All that is wrong in one answer: the types first, in the order of the body.
    let wrong = json!({ "widht": 4, "engine": "cor", "guardian": 1, "parameters": { "dt": 0, "N": "8" } });
    let request = server.client.patch(server.url("/fields/default")).json(&wrong);
    let answer = server.send(request).await.json();
    let places: Vec<&Value> = answer["detail"].as_array().unwrap().iter().map(|problem| &problem["loc"]).collect();
    let want = [
        json!(["body", "guardian"]),
        json!(["body", "parameters", "N"]),
        json!(["body", "widht"]),
        json!(["body", "engine"]),
        json!(["body", "parameters", "dt"]),
    ];
    assert_eq!(places, want.iter().collect::<Vec<_>>());
    assert_eq!(server.digest().await, before);
}
