//! Connections that are kept alive: a request whose body no handler reads does not cost the next one. Bodies come
//! apart from their heads, as most clients send them.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::server::{DEADLINE, FEEDER, Server, wait};

/// Between head and body; the node has answered by then if it does not wait for the body.
const APART: Duration = Duration::from_millis(20);

/// A client's connection.
struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// An answer on it.
struct Reply {
    head: String,
    body: String,
}

impl Reply {
    fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    fn announces_close(&self) -> bool {
        self.head.to_ascii_lowercase().contains("\r\nconnection: close")
    }
}

impl Connection {
    async fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.node.addresses().http).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer; with a body unless it has none.
    async fn reply(&mut self, call: &str) -> Reply {
        timeout(DEADLINE, self.next_reply(call)).await.unwrap_or_else(|_| panic!("{call}: no answer in time"))
    }

    async fn next_reply(&mut self, call: &str) -> Reply {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            let read = self.stream.read_buf(&mut self.unread).await.unwrap_or_else(|error| panic!("{call}: {error}"));
            assert!(read > 0, "{call}: the connection is gone");
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
        let has_body = !call.starts_with("HEAD ") && !head.starts_with("HTTP/1.1 100");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.filter(|_| has_body).map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.stream.read_buf(&mut self.unread).await.unwrap() > 0, "{call}: the answer is cut off");
        }
        let body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        Reply { head, body }
    }

    /// Sends head and body apart.
    async fn call(&mut self, call: &str, headers: &str, body: &str) -> Reply {
        self.send(&format!("{call} HTTP/1.1\r\nHost: n1\r\n{headers}\r\n")).await;
        tokio::time::sleep(APART).await;
        self.send(body).await;
        self.reply(call).await
    }

    async fn call_with_length(&mut self, call: &str, content_type: &str, body: &str) -> Reply {
        let length = body.len();
        self.call(call, &format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n"), body).await
    }

    /// Whether the server has closed it.
    async fn is_closed(&mut self) -> bool {
        timeout(DEADLINE, self.stream.read_buf(&mut self.unread)).await.expect("closed in time").unwrap_or(0) == 0
    }

    async fn check_kept(&mut self, call: &str, reply: &Reply) {
        assert!(!reply.announces_close(), "{call}: {}", reply.head);
        self.send("GET /health/live HTTP/1.1\r\nHost: n1\r\n\r\n").await;
        let next = self.reply(&format!("the request after {call}")).await;
        assert_eq!((next.status(), next.body.as_str()), (200, "{\"status\":\"live\"}"), "after {call}");
    }

    async fn check_announced(&mut self, call: &str, reply: &Reply) {
        assert!(reply.announces_close(), "{call}: {}", reply.head);
        assert!(self.is_closed().await, "{call}");
    }
}

/// Every call of the table of routes; `default` for each name.
async fn calls(server: &Server) -> Vec<String> {
    let document = server.get("/openapi.json").await.ok();
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "default");
        if path.ends_with("/watch") || path.ends_with("/export") {
            // Its answer comes in chunks; what is refused does not.
            calls.extend(["POST", "HEAD"].map(|method| format!("{method} {path}")));
            continue;
        }
        let methods = item.as_object().unwrap().keys().filter(|name| *name != "parameters");
        calls.extend(methods.map(|method| format!("{} {path}", method.to_ascii_uppercase())));
        // Other methods: `HEAD` where there is `GET`, and refusals.
        calls.extend(["HEAD", "OPTIONS", "TRACE", "BREW"].map(|method| format!("{method} {path}")));
    }
    assert!(calls.len() > 100, "{calls:?}");
    calls.extend(["GET /nope", "POST /nope", "PUT /", "DELETE /step/"].map(str::to_owned));
    calls
}

/// The call with a parameter that no address takes.
fn with_query(call: &str) -> String {
    format!("{call}?nope=1")
}

#[tokio::test]
async fn a_small_body_never_costs_the_connection() {
    let server = Server::start().await;
    let step = json!({ "x": FEEDER }).to_string();
    let mut connection = Connection::open(&server).await;
    for call in calls(&server).await {
        // Good and refused: by type, by content, by address.
        for (call, content_type, body) in [
            (call.clone(), "application/json", "{}"),
            (call.clone(), "application/json", step.as_str()),
            (call.clone(), "text/plain", step.as_str()),
            (with_query(&call), "application/json", "{}"),
        ] {
            let reply = connection.call_with_length(&call, content_type, body).await;
            connection.check_kept(&call, &reply).await;
        }
    }
}

#[tokio::test]
async fn neither_does_one_in_chunks() {
    let server = Server::start().await;
    let step = json!({ "x": FEEDER }).to_string();
    let mut connection = Connection::open(&server).await;
    for call in calls(&server).await {
        let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
        let body = format!("{:x}\r\n{step}\r\n0\r\n\r\n", step.len());
        let reply = connection.call(&call, headers, &body).await;
        connection.check_kept(&call, &reply).await;
    }
    // What is no chunk: the refusal says that the connection closes.
    for call in ["POST /step", "POST /guardian/albedo", "POST /nope"] {
        let mut connection = Connection::open(&server).await;
        let reply = connection.call(call, "Transfer-Encoding: chunked\r\n", "wat\r\n").await;
        connection.check_announced(call, &reply).await;
    }
}

#[tokio::test]
async fn a_large_body_that_is_not_read_is_answered_whole_and_the_close_announced() {
    let server = Server::start_with(|settings| settings.body_bytes_max = 10_000).await;
    wait("the node is ready", || server.node.is_ready()).await;
    let large = " ".repeat(3_000_000);
    for (call, content_type, status) in [
        ("POST /guardian/albedo", "application/json", 200),
        ("GET /state", "application/json", 200),
        ("POST /nope", "application/json", 404),
        ("PUT /state", "application/json", 405),
        ("POST /step", "application/json", 413),
        ("POST /fields", "application/json", 413),
        ("POST /step", "text/plain", 415),
        ("POST /step?nope=1", "application/json", 422),
    ] {
        let mut connection = Connection::open(&server).await;
        // All of it can be sent: the node does not reset the connection under the client.
        let reply = connection.call_with_length(call, content_type, &large).await;
        assert_eq!(reply.status(), status, "{call}: {}", reply.body);
        connection.check_announced(call, &reply).await;
    }
    // One that was read to its end costs nothing.
    let mut connection = Connection::open(&server).await;
    let reply = connection.call_with_length("POST /step", "application/json", &large[..50_000]).await;
    assert_eq!(reply.status(), 413);
    connection.check_kept("POST /step", &reply).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_holds_up_nobody() {
    let server = Server::start().await;
    for call in ["POST /nope", "POST /guardian/albedo", "GET /step", "POST /step?nope=1"] {
        let (mut connection, begun) = (Connection::open(&server).await, Instant::now());
        let reply = connection.call(call, "Content-Length: 10\r\n", "{").await;
        assert!(begun.elapsed() < DEADLINE / 2, "{call}: {:?}", begun.elapsed());
        assert!(reply.announces_close(), "{call}: {}", reply.head);
    }
}

#[tokio::test]
async fn a_body_is_asked_for_where_it_is_read() {
    let server = Server::start().await;
    let step = json!({ "x": FEEDER }).to_string();
    let headers = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", step.len());
    let mut connection = Connection::open(&server).await;
    for call in ["POST /step", "POST /fields", "POST /init"] {
        let reply = connection.call(call, &headers, "").await;
        assert_eq!(reply.head, "HTTP/1.1 100 Continue\r\n\r\n", "{call}");
        connection.send(&step).await;
        let reply = connection.reply(call).await;
        connection.check_kept(call, &reply).await;
    }
    for (call, status) in
        [("POST /guardian/albedo", 200), ("POST /nope", 404), ("PUT /step", 405), ("POST /step?nope=1", 422)]
    {
        let mut connection = Connection::open(&server).await;
        let reply = connection.call(call, &headers, "").await;
        assert_eq!(reply.status(), status, "{call}");
        connection.check_announced(call, &reply).await;
    }
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_in_their_order() {
    let server = Server::start().await;
    let step = json!({ "x": FEEDER }).to_string();
    let calls = [
        ("POST /guardian/albedo", 200),
        ("POST /step", 200),
        ("POST /nope", 404),
        ("PUT /state", 405),
        ("POST /step?nope=1", 422),
        ("POST /federation/swarm", 200),
        ("GET /health/live", 200),
    ];
    let request = |(call, _): (&str, u16)| {
        format!(
            "{call} HTTP/1.1\r\nHost: n1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{step}",
            step.len()
        )
    };
    let mut connection = Connection::open(&server).await;
    connection.send(&calls.map(request).concat()).await;
    for (call, status) in calls {
        let reply = connection.reply(call).await;
        assert_eq!(reply.status(), status, "{call}: {}", reply.body);
        assert!(!reply.announces_close(), "{call}: {}", reply.head);
    }
    connection.check_kept("all", &Reply { head: String::new(), body: String::new() }).await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_close_announced() {
    let server = Server::start().await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    for request in [
        "wat\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /step HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        "POST /step HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        &long,
    ] {
        let mut connection = Connection::open(&server).await;
        let _ = connection.stream.write_all(request.as_bytes()).await;
        let call = &request[..request.len().min(40)];
        let reply = connection.reply(call).await;
        assert!((400..=499).contains(&reply.status()) || reply.announces_close(), "{call}: {}", reply.head);
        assert!(reply.announces_close(), "{call}: {}", reply.head);
    }
}
