//! Bodies, as clients send them.

use reqwest::StatusCode;
use serde_json::json;

use crate::server::{FEEDER, Server, wait};

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
    let head = "POST /step HTTP/1.1\r\nHost: n1\r\nExpect: 100-continue\r\nContent-Length: 10001\r\n\r\n";
    let answer = server.raw(head, "BODY_TOO_LARGE").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // Without a length in the header.
    let chunk = format!("{:x}\r\n{}\r\n", 9_000, " ".repeat(9_000));
    let head = "POST /step HTTP/1.1\r\nHost: n1\r\nTransfer-Encoding: chunked\r\n\r\n";
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
