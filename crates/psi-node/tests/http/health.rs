//! Health, scrapes, and the end of a node.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::server::{DEADLINE, FEEDER, Server};

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
    let half = "POST /step HTTP/1.1\r\nHost: n1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n";
    for (client, sent, most) in [
        ("an idle keep-alive connection", "GET /health/live HTTP/1.1\r\nHost: n1\r\n\r\n".to_owned(), 900),
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
