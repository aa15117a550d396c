//! The service that this one replaces, call by call.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

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
    let calls: Value = serde_json::from_str(include_str!("../data/original_service.json")).unwrap();
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
        check_answer(&name, path, status, old, &new);
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

/// Compares an answer with the old service's, where the two must agree.
fn check_answer(name: &str, path: &str, status: u64, old: &Value, new: &Value) {
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
                let shown = (&done["total"], &done["last_step"], &done["automatic"], &done["superseded"]);
                assert_eq!(shown, (&json!(2), &json!(2), &json!(0), &json!(0)));
            }
            if path == "/federation/swarm" {
                // The old service knew no other agents and answered zeros.
                changed.push("swarm_metrics");
            }
            let old = if path == "/health" { without(old, "import_success") } else { old.clone() };
            assert_has_all(name, &old, new, &changed);
        }
    }
}

fn without(object: &Value, key: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove(key);
    object
}
