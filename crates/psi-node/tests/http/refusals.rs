//! Refusals: they name the cause and the way out, and change nothing.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{FEEDER, Server};

const JSON: &str = "application/json";

/// Path, content type, body, status, reason, and what the message says.
type Request = (&'static str, &'static str, String, u16, &'static str, &'static str);

fn bad_requests() -> Vec<Request> {
    let with = |index: usize, text: &str| {
        let mut numbers = FEEDER.map(|number| number.to_string());
        numbers[index] = text.to_owned();
        format!("{{\"x\":[{}]}}", numbers.join(","))
    };
    let (whole, short) = (with(0, "0.1"), "{\"x\":[1,2,3]}".to_owned());
    vec![
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
    ]
}

#[tokio::test]
async fn refusals_name_the_cause_and_change_nothing() {
    let server = Server::start().await;
    server.step(&FEEDER).await;
    let before = server.digest().await;
    for (path, content_type, body, status, reason, says) in bad_requests() {
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

/// A call that is refused: how, where the problem is, and what the message says.
struct Case {
    call: &'static str,
    body: Value,
    refusal: (u16, &'static str),
    place: Value,
    says: &'static str,
}

fn case(call: &'static str, body: Value, refusal: (u16, &'static str), place: Value, says: &'static str) -> Case {
    Case { call, body, refusal, place, says }
}

fn bad_calls_about_fields() -> Vec<Case> {
    let wrong = json!({ "widht": 4, "engine": "cor", "guardian": 1, "parameters": { "dt": 0, "N": "8" } });
    let (core, none) = (json!({ "engine": "core" }), json!(null));
    let too_much = json!({ "W_r": 600, "dt": 0.001 });
    let parameters = json!({ "parameters": too_much });
    vec![
        case("POST /fields", json!({ "name": "a b" }), (422, "BAD_NAME"), json!(["body", "name"]), "`a b`"),
        case("POST /fields", json!({}), (422, "BAD_BODY"), json!(["body", "name"]), "field required"),
        case("POST /fields", json!({ "name": "default" }), (409, "FIELD_EXISTS"), none.clone(), "default"),
        case("POST /fields?field=f", json!({ "name": "f" }), (422, "BAD_QUERY"), json!(["query"]), "no parameters"),
        case("PATCH /fields/default", wrong, (422, "BAD_BODY"), json!(["body", "guardian"]), "did you mean `width`?"),
        case("PATCH /fields/default", core.clone(), (409, "FIELD_HAS_HISTORY"), none.clone(), "reset it first"),
        case("PATCH /fields/nope", core, (404, "UNKNOWN_FIELD"), none.clone(), "nope"),
        case("GET /fields/a%20b", none.clone(), (422, "BAD_NAME"), json!(["path", "name"]), "`a b`"),
        case("GET /fields/%ff", none.clone(), (422, "BAD_NAME"), json!(["path", "name"]), "UTF-8"),
        case(
            "POST /fields/default/reset",
            json!({ "dt": 1 }),
            (422, "BAD_BODY"),
            json!(["body", "dt"]),
            "is a parameter",
        ),
        case(
            "POST /fields/default/reset",
            parameters,
            (422, "BAD_PARAMETER"),
            json!(["body", "parameters", "W_r"]),
            "retention",
        ),
        case("DELETE /fields/default", none.clone(), (409, "PROTECTED_FIELD"), none.clone(), "reset it instead"),
        case("PUT /fields/default", json!({}), (405, "WRONG_METHOD"), none, "takes GET, PATCH, DELETE, not PUT"),
        case("POST /init", too_much, (422, "BAD_PARAMETER"), json!(["body", "W_r"]), "retention"),
    ]
}

fn bad_calls_by_their_parameters() -> Vec<Case> {
    let in_query = |name: &str| json!(["query", name]);
    let in_body = |name: &str| json!(["body", name]);
    let step = || json!({ "x": FEEDER });
    let nigredo = |query, reason, name, says| case(query, json!(null), (422, reason), in_query(name), says);
    vec![
        nigredo("POST /guardian/nigredo?replicate_to=most", "UNKNOWN_LEVEL", "replicate_to", "most"),
        nigredo("POST /guardian/nigredo?replicate_to=", "UNKNOWN_LEVEL", "replicate_to", "local"),
        nigredo("POST /guardian/nigredo?request_id=", "BAD_REQUEST_ID", "request_id", "empty"),
        nigredo("POST /guardian/nigredo?request_id=%c3%a9", "BAD_REQUEST_ID", "request_id", "ASCII"),
        case("GET /state?after=", json!(null), (422, "SESSION_TOKEN_MALFORMED"), in_query("after"), "empty"),
        case("GET /state?after=x", json!(null), (422, "SESSION_TOKEN_MALFORMED"), in_query("after"), ""),
        case(
            "GET /guardian/status?deadline_ms=60001",
            json!(null),
            (422, "BAD_DEADLINE"),
            in_query("deadline_ms"),
            "60001",
        ),
        case("POST /step?after=x", step(), (422, "SESSION_TOKEN_MALFORMED"), in_query("after"), ""),
        case(
            "POST /step",
            json!({ "x": FEEDER, "after": "" }),
            (422, "SESSION_TOKEN_MALFORMED"),
            in_body("after"),
            "empty",
        ),
        case("POST /step", json!({ "x": FEEDER, "field": "a b" }), (422, "BAD_NAME"), in_body("field"), "`a b`"),
    ]
}

#[tokio::test]
async fn bad_calls_about_fields_are_refused_by_name_and_change_nothing() {
    let server = Server::start().await;
    server.step(&FEEDER).await;
    let before = server.digest().await;
    for Case { call, body, refusal, place, says } in
        bad_calls_about_fields().into_iter().chain(bad_calls_by_their_parameters())
    {
        let (method, path) = call.split_once(' ').unwrap();
        let case = format!("{call} {body}");
        let request = server.client.request(method.parse::<Method>().unwrap(), server.url(path)).json(&body);
        let answer = server.send(request).await;
        assert_eq!(answer.status.as_u16(), refusal.0, "{case}: {}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["error"]["reason"], refusal.1, "{case}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{case}: {answer}");
        assert_eq!(answer["detail"][0]["loc"], place, "{case}: {answer}");
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
