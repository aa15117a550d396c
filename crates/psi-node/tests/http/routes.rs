//! The table of routes, held against what the node answers.

use serde_json::{Value, json};

use crate::server::{FEEDER, Server};

/// A schema's properties, with whether each must be there.
fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value, bool)> {
    let required: Vec<&str> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().unwrap();
    properties.iter().map(move |(name, property)| (name, property, required.contains(&name.as_str())))
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str() {
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        _ => name.as_array().unwrap().iter().any(|name| is_of_type(value, name)),
    }
}

/// Holds an answer to its description: all that must be there, nothing else, and each of its type.
fn check_described(call: &str, schema: &Value, answer: &Value) {
    for (name, property, required) in properties(schema) {
        match answer.get(name) {
            Some(value) => assert!(is_of_type(value, &property["type"]), "{call} {name}: {value} is no {property}"),
            None => assert!(!required, "{call}: `{name}` is missing from {answer}"),
        }
    }
    for name in answer.as_object().unwrap().keys() {
        assert!(schema["properties"].get(name).is_some(), "{call}: `{name}` is not described");
    }
}

/// What a good call of a route sends.
fn good_body(method: &str, path: &str) -> Value {
    match (method, path) {
        ("POST", "/step") => json!({ "x": FEEDER, "replicate_to": "local", "unknown": 1 }),
        ("POST", "/steps") => json!({ "inputs": [FEEDER], "replicate_to": "local", "unknown": 1 }),
        ("POST", "/fields") => json!({ "name": "f", "width": 2, "names": ["temp", "pressure"] }),
        ("PATCH", _) => json!({ "guardian": "watch" }),
        ("PUT", "/fields/{name}/label") => json!({ "label": "pumps" }),
        ("PUT", "/fields/{name}/names") => json!({ "names": ["t", "p"] }),
        ("PUT", path) if path.ends_with("/remediation") => json!({ "mode": "watch" }),
        ("PUT", "/api/v1/config/drift") => json!({ "autoRemediationEnabled": false }),
        ("POST", "/api/v1/processes") => json!({ "spec": "name = \"f\"\n[[phases]]\nname = \"a\"\n" }),
        ("POST", "/api/v1/processes/{name}/mode") => json!({ "mode": "watch" }),
        ("POST", "/api/v1/processes/{name}/evidence") => json!({ "task": "main", "name": "r", "document": {} }),
        ("POST", path) if path.starts_with("/api/v1/processes/") => json!({ "task": "main" }),
        ("POST", "/api/v1/process-emergency") => json!({ "on": false }),
        ("POST", path) if path.ends_with("/deployments/canary") => json!({ "version": "v2" }),
        ("POST", path) if path.ends_with("/promote") => json!({ "stage": "PRODUCTION" }),
        _ => json!({}),
    }
}

/// The path with what its address must ask for: of a watch, to end.
fn asked(method: &str, path: &str) -> String {
    match (method, path) {
        (_, path) if path.ends_with("/watch") => format!("{path}?events=1"),
        ("GET", path) if path.ends_with("/evidence") => format!("{path}?task=main"),
        _ => path.to_owned(),
    }
}

/// What stands for the node, run and index of a path: the first record of the node, once it has one.
async fn first_record(server: &Server) -> [(&'static str, String); 3] {
    let log = loop {
        let heads = server.get("/api/v1/ledger/heads").await.ok();
        match heads["heads"][0]["log"].as_str() {
            Some(log) => break log.to_owned(),
            None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    let [run, node] = log.rsplit('/').take(2).collect::<Vec<_>>()[..] else { panic!("{log}") };
    [("{node}", node.to_owned()), ("{run}", run.to_owned()), ("{index}", "0".to_owned())]
}

/// The path with names in it.
fn named(path: &str, name: &str, record: &[(&str, String)]) -> String {
    let path =
        path.replace("{name}", name).replace("{version}", "v1").replace("{id}", "r").replace("{command}", "pause");
    record.iter().fold(path, |path, (place, value)| path.replace(place, value))
}

#[tokio::test]
async fn every_route_is_described_and_answers_as_described() {
    let server = Server::start().await;
    let record = first_record(&server).await;
    let document = server.get("/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters");
        calls.extend(methods.map(|(method, operation)| (method.to_ascii_uppercase(), path, operation)));
    }
    // The field is dropped last.
    calls.sort_by_key(|(method, path, _)| (method == "DELETE", *path != "/fields", path.to_owned()));
    assert!(calls.len() >= 23, "{calls:?}");
    for (method, path, operation) in calls {
        let call = format!("{method} {path}");
        let url = server.url(&asked(&method, &named(path, "f", &record)));
        let request = server.client.request(method.parse().unwrap(), url).json(&good_body(&method, path));
        let answer = server.send(request).await;
        let want = match (method.as_str(), path.as_str()) {
            // Nobody of that name ever wrote.
            (_, "/members/{name}") => Some((404, "UNKNOWN_NODE")),
            // Nobody applied a spec of that name.
            (_, path) if path.starts_with("/api/v1/processes/") => Some((404, "UNKNOWN_PROCESS")),
            ("POST", "/api/v1/processes" | "/api/v1/process-emergency") => Some((409, "NO_VOTERS")),
            // It has no field.
            ("POST", "/api/v1/models/{name}/versions/{version}/promote") => Some((409, "ROLLOUT_REFUSED")),
            // There is none.
            (_, "/api/v1/plans/{id}" | "/api/v1/actions/by-plato-plan/{id}") => Some((404, "UNKNOWN_PLAN")),
            // Nobody gave a version of it a stage.
            (_, path) if path.starts_with("/api/v1/models/") => Some((404, "UNKNOWN_MODEL")),
            // It took no steps.
            ("POST", "/api/v1/drift/models/{name}/baseline") => Some((409, "TOO_FEW_INPUTS")),
            _ => None,
        };
        if let Some((code, reason)) = want {
            let refused = (answer.status.as_u16(), answer.json()["error"]["reason"].clone());
            assert_eq!(refused, (code, json!(reason)), "{call}");
            continue;
        }
        let described = &operation["responses"][answer.status.as_str()];
        assert!(answer.status.is_success() && described.is_object(), "{call}: {} {}", answer.status, answer.text);
        let content = described["content"].as_object().unwrap();
        let (media_type, content) = content.iter().next().unwrap();
        assert_eq!(answer.header("content-type"), media_type, "{call}");
        if media_type == "application/json" {
            check_described(&call, &content["schema"], &answer.json());
        }
    }
}

#[tokio::test]
async fn every_path_that_is_listed_exists() {
    let server = Server::start().await;
    let record = first_record(&server).await;
    let root = server.get("/").await.ok();
    assert_eq!(
        (&root["node"], &root["cluster"], &root["status"]),
        (&json!("n1"), &json!("psi-field"), &json!("active"))
    );
    let paths = root["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 57);
    for (path, about) in paths {
        let methods = about.as_str().unwrap().split(':').next().unwrap();
        for method in methods.split(", ") {
            let url = server.url(&asked(method, &named(path, "default", &record)));
            let request = server.client.request(method.parse().unwrap(), url);
            let answer = server.send(request.json(&json!({ "x": FEEDER }))).await;
            // The body is one for /step, so others name its unknown member; and `default` can't be dropped.
            let want = match (method, path.as_str()) {
                ("DELETE", "/members/{name}") => 404,
                (_, "/api/v1/plans/{id}" | "/api/v1/actions/by-plato-plan/{id}") => 404,
                ("GET", path) if path.starts_with("/api/v1/processes/") || path.starts_with("/api/v1/models/") => 404,
                ("POST", path) if path.starts_with("/api/v1/process") || path.starts_with("/api/v1/models/") => 422,
                ("DELETE", "/api/v1/drift/models/{name}/baseline") => 200,
                ("POST", "/api/v1/drift/models/{name}/baseline") => 422,
                ("POST", "/init" | "/steps" | "/fields" | "/fields/{name}/reset") | ("PATCH" | "PUT", _) => 422,
                ("DELETE", _) => 409,
                _ => 200,
            };
            assert_eq!(answer.status.as_u16(), want, "{method} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn wrong_methods_are_answered_with_the_right_ones() {
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
