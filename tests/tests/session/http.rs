//! The options of a call in an HTTP request: in the address, or in the body.

use anyhow::{Context, Result};
use psi_tests::{INCIDENT, cluster};

#[tokio::test(flavor = "multi_thread")]
async fn http_takes_the_terms_in_the_address_or_in_the_body() -> Result<()> {
    let members = cluster(2).await?;
    let url = |at: usize, path: &str| format!("http://{}{path}", members[at].node.addresses().http);
    let client = reqwest::Client::new();
    let post = async |url: String, body: serde_json::Value| -> Result<(u16, serde_json::Value)> {
        let answer = client.post(url).json(&body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    };
    let x = serde_json::json!({ "x": INCIDENT });
    let (_, first) = post(url(0, "/step?replicate_to=one&deadline_ms=30000&request_id=a"), x.clone()).await?;
    assert_eq!(first["replicated"], serde_json::json!({ "level": "one", "nodes": 2, "of": 2 }), "{first}");
    let named = serde_json::json!({ "x": INCIDENT, "request_id": "a" });
    assert_eq!(post(url(0, "/step"), named.clone()).await?.1, first);
    let after =
        serde_json::json!({ "x": INCIDENT, "after": first["token"], "deadline_ms": 30_000, "request_id": null });
    let (_, second) = post(url(1, "/step"), after).await?;
    assert_eq!((&second["k"], &second["node"]), (&2.into(), &"n2".into()), "{second}");
    let token = second["token"].as_str().context("a token")?;
    let state = reqwest::get(url(0, &format!("/state?after={token}&deadline_ms=30000"))).await?;
    assert_eq!(state.json::<serde_json::Value>().await?["k"], 2);
    let nigredo = url(1, &format!("/guardian/nigredo?after={token}&replicate_to=all&deadline_ms=30000&request_id=b"));
    let (_, done) = post(nigredo, serde_json::Value::Null).await?;
    assert_eq!((&done["replicated"]["level"], &done["noise"]), (&"all".into(), &1.5.into()), "{done}");
    for (path, body, status, reason) in [
        ("/step?request_id=b", &named, 422, "BAD_BODY"),
        ("/step?request_id=a&field=other", &x, 422, "REQUEST_ID_REUSED"),
        ("/step?replicate_to=most", &x, 422, "UNKNOWN_LEVEL"),
        ("/step?deadline_ms=60001", &x, 422, "BAD_DEADLINE"),
        ("/step?deadline_ms=soon", &x, 422, "BAD_QUERY"),
        ("/step?afterr=x", &x, 422, "BAD_QUERY"),
        ("/step?after=x", &x, 422, "SESSION_TOKEN_MALFORMED"),
    ] {
        let (got, answer) = post(url(0, path), body.clone()).await?;
        assert_eq!((got, &answer["error"]["reason"]), (status, &reason.into()), "{path}: {answer}");
    }
    let state = reqwest::get(url(0, "/state?request_id=a")).await?;
    assert_eq!(state.status().as_u16(), 422, "only writes have one");
    Ok(())
}
