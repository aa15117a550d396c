//! What programs run into: slips in a body, several steps at once, states as they change, web pages, lists in pages, and
//! the wrong port.

use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::{Code, transport::Channel};

use crate::server::{DEADLINE, FEEDER, Server, wait};
use psi_api::v1::{GetStateRequest, ListFieldsRequest, psi_field_service_client::PsiFieldServiceClient};
use psi_node::{WebHosts, WebOrigins};

#[tokio::test]
async fn members_that_no_step_has_are_ignored_and_named() {
    let server = Server::start().await;
    let body = json!({ "x": FEEDER, "apply_gaurdian": true, "Field": "other", "seed": 7 });
    let answer = server.post("/step", &body).await.ok();
    // The order is that of the body, here by name.
    let ignored = json!([
        { "member": "Field", "did_you_mean": "field" },
        { "member": "apply_gaurdian", "did_you_mean": "apply_guardian" },
        { "member": "seed", "did_you_mean": null },
    ]);
    assert_eq!((&answer["k"], &answer["ignored"]), (&json!(1), &ignored));
    assert!(server.step(&FEEDER).await.get("ignored").is_none());
    let batch = server.post("/steps", &json!({ "inputs": [FEEDER], "input": [FEEDER] })).await.ok();
    assert_eq!(batch["ignored"], json!([{ "member": "input", "did_you_mean": "inputs" }]));
}

#[tokio::test]
async fn a_batch_is_what_its_steps_one_by_one_are() {
    let server = Server::start().await;
    let inputs: Vec<Vec<f64>> = (0..5).map(|round| vec![f64::from(round), 0.5, -1.0]).collect();
    server.create_field("one", 3).await;
    server.create_field("all", 3).await;
    let mut singly = Vec::new();
    for x in &inputs {
        singly.push(server.post("/step?field=one", &json!({ "x": x })).await.ok());
    }
    let request = json!({ "inputs": inputs, "field": "all", "request_id": "r", "replicate_to": "local" });
    let batch = server.post("/steps", &request).await.ok();
    let steps = batch["steps"].as_array().unwrap();
    assert_eq!(steps.len(), inputs.len());
    for (step, single) in steps.iter().zip(&singly) {
        for symbol in ["Psi", "C", "U", "Phi", "H", "PE", "M", "k", "novelty"] {
            assert_eq!(step[symbol], single[symbol], "{symbol}");
        }
    }
    assert_eq!((&batch["k"], &batch["field"], &batch["node"]), (&json!(5), &json!("all"), &json!("n1")));
    assert_eq!(batch["replicated"]["level"], "local");
    assert!(!batch["token"].as_str().unwrap().is_empty() && batch["token"] == steps[4]["token"]);
    // The same request is not counted again.
    assert_eq!(server.post("/steps", &request).await.ok(), batch);
}

#[tokio::test]
async fn a_batch_that_is_wrong_anywhere_is_refused_whole() {
    let server = Server::start().await;
    let before = server.digest().await;
    let with = |last: Value| json!({ "inputs": [FEEDER, last] });
    for (body, status, reason, place) in [
        (with(json!([1])), 422, "WRONG_WIDTH", json!(["body", "inputs", 1])),
        (with(json!(vec![2e7; 16])), 422, "OUT_OF_RANGE", json!(["body", "inputs", 1, 0])),
        (with(json!(["a"])), 422, "BAD_BODY", json!(["body", "inputs", 1, 0])),
        (json!({ "inputs": [] }), 422, "BATCH_SIZE", json!(["body", "inputs"])),
        (json!({ "inputs": vec![[0]; 4097] }), 422, "BATCH_SIZE", json!(["body", "inputs"])),
        (json!({ "x": FEEDER }), 422, "BAD_BODY", json!(["body", "inputs"])),
    ] {
        let answer = server.post("/steps", &body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        assert_eq!(answer.json()["error"]["reason"], reason, "{}", answer.text);
        assert_eq!(answer.json()["detail"][0]["loc"], place, "{}", answer.text);
    }
    assert_eq!(server.digest().await, before);
}

/// The next event of a stream, without comments.
async fn event(stream: &mut reqwest::Response, unread: &mut String) -> Option<String> {
    loop {
        if let Some((event, rest)) = unread.split_once("\n\n") {
            let event = event.to_owned();
            *unread = rest.to_owned();
            return Some(event);
        }
        let chunk = timeout(DEADLINE, stream.chunk()).await.expect("an event in time").unwrap()?;
        unread.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

fn state(event: &str) -> Value {
    serde_json::from_str(event.strip_prefix("data: ").unwrap_or_else(|| panic!("{event}"))).unwrap()
}

#[tokio::test]
async fn a_watch_shows_the_state_and_whenever_it_changed() {
    let server = Server::start().await;
    server.create_field("watched", 3).await;
    let url = server.url("/state/watch?field=watched&interval_ms=20");
    let mut stream = server.client.get(url).send().await.unwrap();
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut unread = String::new();
    assert_eq!(state(&event(&mut stream, &mut unread).await.unwrap())["k"], 0);
    for k in 1..=3 {
        server.post("/step?field=watched", &json!({ "x": [0.1, 0.2, 0.3] })).await.ok();
        let shown = state(&event(&mut stream, &mut unread).await.unwrap());
        let read = server.get("/state?field=watched").await.ok();
        assert_eq!((&shown["k"], &shown["mean"]), (&json!(k), &read["mean"]));
    }
    // What ends it is told.
    server.send(server.client.delete(server.url("/fields/watched"))).await.ok();
    let last = event(&mut stream, &mut unread).await.unwrap();
    assert!(last.starts_with("event: refusal\ndata: {") && last.contains("UNKNOWN_FIELD"), "{last}");
    assert_eq!(event(&mut stream, &mut unread).await, None);

    assert_eq!(server.get("/state/watch?field=watched").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/state/watch?interval=5").await.json()["error"]["reason"], "BAD_QUERY");
    let two = server.get("/state/watch?events=1").await.text;
    assert_eq!(two.matches("data: ").count(), 1, "{two}");
}

#[tokio::test]
async fn a_node_that_stops_does_not_wait_for_those_who_watch() {
    let Server { node, client } = Server::start().await;
    let url = format!("http://{}/state/watch", node.addresses().http);
    let mut stream = client.get(url).send().await.unwrap();
    let mut unread = String::new();
    event(&mut stream, &mut unread).await.unwrap();
    timeout(DEADLINE, node.shutdown()).await.expect("in time");
    let last = event(&mut stream, &mut unread).await.unwrap_or_default();
    assert!(last.contains("NOT_READY"), "{last}");
}

#[tokio::test]
async fn web_pages_may_call_where_the_setting_names_them_and_nowhere_else() {
    let page = "https://panel.example";
    let named = Server::start_with(|settings| settings.web_origins = WebOrigins::new(&[page]).unwrap()).await;
    wait("the node is ready", || named.node.is_ready()).await;
    let any = Server::start_with(|settings| settings.web_origins = WebOrigins::new(&["*"]).unwrap()).await;
    wait("the node is ready", || any.node.is_ready()).await;
    let none = Server::start().await;
    for (server, origin, allowed) in [
        (&named, page, page),
        (&named, "https://other.example", ""),
        (&any, "https://other.example", "*"),
        (&none, page, ""),
    ] {
        let allow = "access-control-allow-origin";
        let body = json!({ "x": FEEDER });
        let step = server.client.post(server.url("/step")).header("Origin", origin).json(&body);
        let step = server.send(step).await;
        let status = if allowed.is_empty() { StatusCode::FORBIDDEN } else { StatusCode::OK };
        assert_eq!((step.status, step.header(allow)), (status, allowed), "{origin}");
        let refused = server.send(server.client.get(server.url("/nope")).header("Origin", origin)).await;
        assert_eq!((refused.status, refused.header(allow)), (StatusCode::NOT_FOUND, allowed), "{origin}");
        let ask = server.client.request(reqwest::Method::OPTIONS, server.url("/step")).header("Origin", origin);
        let ask = ask.header("Access-Control-Request-Method", "POST");
        let asked = server.send(ask.header("Access-Control-Request-Headers", "content-type")).await;
        assert_eq!(asked.header(allow), allowed, "{origin}");
        if !allowed.is_empty() {
            assert_eq!(asked.status, StatusCode::OK);
            assert!(asked.header("access-control-allow-methods").contains("POST"), "{:?}", asked.headers);
            assert!(asked.header("access-control-allow-headers").contains("content-type"), "{:?}", asked.headers);
        }
    }
}

#[tokio::test]
async fn a_scrape_is_compressed_for_those_who_ask() {
    let server = Server::start().await;
    let plain = server.get("/metrics").await;
    assert_eq!(plain.header("content-encoding"), "");
    let request = server.client.get(server.url("/metrics")).header("Accept-Encoding", "gzip;q=0.9, identity;q=0.1");
    let zipped = request.send().await.unwrap();
    assert_eq!(zipped.headers()["content-encoding"], "gzip");
    assert_eq!(zipped.headers()["content-type"], plain.header("content-type"));
    let bytes = zipped.bytes().await.unwrap();
    assert!(bytes.starts_with(&[0x1f, 0x8b]) && bytes.len() * 3 < plain.text.len(), "{} bytes", bytes.len());
}

#[tokio::test]
async fn fields_are_listed_page_by_page() {
    let server = Server::start().await;
    for number in 0..10 {
        server.create_field(&format!("f{number}"), 3).await;
    }
    let names = |fields: &Value| -> Vec<String> {
        fields.as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect()
    };
    let whole = server.get("/fields").await.ok();
    assert_eq!((names(&whole["fields"]).len(), &whole["next_page_token"]), (11, &json!(null)));
    let (mut seen, mut token, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let page = server.get(&format!("/fields?page_size=4&page_token={token}")).await.ok();
        sizes.push(page["fields"].as_array().unwrap().len());
        seen.extend(names(&page["fields"]));
        match page["next_page_token"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
        // What has gone meanwhile does not stop those who list.
        server.send(server.client.delete(server.url("/fields/f2"))).await;
    }
    assert_eq!((sizes, seen), (vec![4, 4, 3], names(&whole["fields"])));
    assert_eq!(server.get("/fields?page_size=0").await.ok()["fields"].as_array().unwrap().len(), 10);
    assert_eq!(server.get("/fields?page_token=%20").await.json()["error"]["reason"], "BAD_PAGE");
    assert_eq!(server.get("/fields?page=2").await.json()["error"]["reason"], "BAD_QUERY");

    let mut client = PsiFieldServiceClient::new(server.channel().await);
    let request = ListFieldsRequest { page_size: 6, page_token: "f4".to_owned() };
    let page = client.list_fields(request).await.unwrap().into_inner();
    assert_eq!((page.fields.len(), page.fields[0].name.as_str(), page.next_page_token.as_str()), (5, "f5", ""));
}

#[tokio::test]
async fn the_largest_page_is_below_what_clients_take_by_default() {
    const PAGE_MAX: usize = 1_000;
    const CLIENT_BYTES_MAX: usize = 4 * 1024 * 1024;
    let server = Server::start().await;
    let name = "n".repeat(64);
    server.post("/fields", &json!({ "name": name, "scale_exponent": -40, "seed": u64::MAX.to_string() })).await;
    let label = json!({ "label": "ψ".repeat(128) });
    server.send(server.client.put(server.url(&format!("/fields/{name}/label"))).json(&label)).await.ok();
    let mut client = PsiFieldServiceClient::new(server.channel().await);
    let page = client.list_fields(ListFieldsRequest::default()).await.unwrap().into_inner();
    let largest = page.fields.iter().map(prost::Message::encoded_len).max().unwrap();
    assert!(page.fields.len() == 2 && largest > 300, "{largest} bytes");
    assert!(largest * PAGE_MAX < CLIENT_BYTES_MAX, "{largest} bytes a field");
}

/// What comes back for these bytes at an address, until it holds a text.
async fn exchange(address: std::net::SocketAddr, bytes: &[u8], until: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut got = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&got).contains(until) {
            assert!(stream.read_buf(&mut got).await.unwrap() > 0, "{:?}", String::from_utf8_lossy(&got));
        }
    };
    timeout(DEADLINE, read).await.expect("an answer in time");
    String::from_utf8_lossy(&got).into_owned()
}

#[tokio::test]
async fn the_wrong_protocol_for_a_port_is_refused_in_words() {
    let server = Server::start().await;
    let addresses = server.node.addresses();
    // gRPC on the HTTP port.
    let channel = Channel::from_shared(format!("http://{}", addresses.http)).unwrap().connect().await.unwrap();
    let refused = PsiFieldServiceClient::new(channel).get_state(GetStateRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented, "{refused:?}");
    assert!(refused.message().contains("grpc.listen"), "{refused:?}");
    assert_eq!(psi_api::cause_of(&refused).unwrap().0, "WRONG_PROTOCOL");
    // HTTP/2 by prior knowledge: the preface, no settings, and `GET /` in the static table's words (RFC 7541).
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01".to_vec();
    request.extend(b"\x82\x86\x84\x41\x01a");
    let answer = exchange(addresses.http, &request, "--http1.1").await;
    assert!(answer.contains("WRONG_PROTOCOL"), "{answer}");
    // HTTP/1 on the gRPC port.
    let answer = exchange(addresses.grpc, b"GET /state HTTP/1.1\r\nHost: n1\r\n\r\n", "\"reason\"").await;
    assert!(answer.starts_with("HTTP/1.1 505 ") && answer.contains("WRONG_PROTOCOL"), "{answer}");
    assert!(answer.contains(&format!("http://{}", addresses.http)), "{answer}");
    // A method that begins as the preface does is one of HTTP/1.1.
    let answer = exchange(addresses.http, b"PRI / HTTP/1.1\r\nHost: n1\r\n\r\n", "\"reason\"").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn a_name_that_a_stranger_makes_lead_here_is_answered_with_a_refusal_alone() {
    let server = Server::start().await;
    let address = server.node.addresses().http;
    let ask = async |head: &str| exchange(address, format!("{head}\r\n\r\n").as_bytes(), "\r\n\r\n").await;
    for (head, status) in [
        ("GET /state HTTP/1.1\r\nHost: evil.example", 421),
        // The page's own origin, as a browser sees it.
        ("POST /guardian/nigredo HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example", 421),
        ("GET /health/live HTTP/1.1\r\nHost: evil.example:8000", 421),
        ("GET http://evil.example/state HTTP/1.1\r\nHost: localhost", 421),
        ("GET /state HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 421),
        ("GET /state HTTP/1.1\r\nHost:", 421),
        ("GET /state HTTP/1.1\r\nHost: 127.0.0.1:8000", 200),
        ("GET /state HTTP/1.1\r\nHost: [::1]", 200),
        ("GET /state HTTP/1.1\r\nHost: localhost:1", 200),
        ("GET /state HTTP/1.1\r\nHost: N1", 200),
        ("GET /state HTTP/1.0", 200),
    ] {
        let answer = ask(head).await;
        let first = answer.lines().next().unwrap_or_default();
        assert!(first.split(' ').nth(1) == Some(&status.to_string()), "{head}: {answer}");
    }
    let refused = exchange(address, b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "\"reason\"").await;
    assert!(refused.contains("HOST_NOT_ALLOWED") && refused.contains("http.hosts"), "{refused}");
    assert_eq!(server.get("/state").await.json()["interventions"], 0);
    let refusals = "psi_node_errors_total{reason=\"HOST_NOT_ALLOWED\"}";
    assert!(server.get("/metrics").await.text.contains(refusals), "{}", server.get("/metrics").await.text);

    let named = Server::start_with(|settings| settings.web_hosts = WebHosts::new(&["psi.example"]).unwrap()).await;
    let answer =
        exchange(named.node.addresses().http, b"GET /health/live HTTP/1.1\r\nHost: psi.example\r\n\r\n", "live").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_though_a_browser_does_not_ask_first() {
    let server = Server::start().await;
    let own = server.url("");
    let own = own.trim_end_matches('/');
    for (path, origin, status) in [
        ("/guardian/nigredo", "https://evil.example", StatusCode::FORBIDDEN),
        ("/guardian/nigredo", "null", StatusCode::FORBIDDEN),
        ("/guardian/nigredo", own, StatusCode::OK),
        ("/init", "https://evil.example", StatusCode::FORBIDDEN),
    ] {
        let answer = server.send(server.client.post(server.url(path)).header("Origin", origin)).await;
        assert_eq!(answer.status, status, "{path} from {origin}");
    }
    let state = server.send(server.client.get(server.url("/state")).header("Origin", "https://evil.example")).await;
    assert_eq!((state.status, &state.json()["interventions"]), (StatusCode::OK, &json!(1)));
}
