//! A node of its own for each test, and a client of it.

use std::time::Duration;

use psi_api::v1::{
    Agreement, CreateFieldRequest, GetDigestRequest, GuardianMode, cluster_service_client::ClusterServiceClient,
    psi_field_service_client::PsiFieldServiceClient,
};
use psi_node::{Endpoint, Node, Settings};
use psi_replica::NodeId;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tonic::transport::Channel;

/// What the feeder sends every 30 s.
pub(crate) const FEEDER: [f64; 16] =
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.0, -0.1, 0.2, 0.9, -0.4, 0.1, 0.0, 0.2, -0.2, 0.3, 0.1];

/// How long a condition may take to come true, on the slowest machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) node: Node,
    pub(crate) client: reqwest::Client,
}

/// Status, headers, body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()
    }
}

impl Server {
    /// A node of its own that accepts steps.
    pub(crate) async fn start() -> Self {
        let server = Self::start_with(|_| {}).await;
        wait("the node is ready", || server.node.is_ready()).await;
        server
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
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

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.node.addresses().http)
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.url(path))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.post(self.url(path)).json(body)).await
    }

    pub(crate) async fn post_text(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.client.post(self.url(path)).body(body);
        self.send(if content_type.is_empty() { request } else { request.header("Content-Type", content_type) }).await
    }

    pub(crate) async fn step(&self, x: &[f64]) -> Value {
        self.post("/step", &json!({ "x": x })).await.ok()
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.node.addresses().grpc)).unwrap().connect().await.unwrap()
    }

    /// Of all that was written by now.
    pub(crate) async fn digest(&self) -> Agreement {
        let mut cluster = ClusterServiceClient::new(self.channel().await);
        cluster.get_digest(GetDigestRequest {}).await.unwrap().into_inner()
    }

    /// A field of which figures are known.
    pub(crate) async fn create_field(&self, name: &str, width: u32) {
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
    pub(crate) async fn raw(&self, request: &str, until: &str) -> String {
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

pub(crate) async fn wait(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
