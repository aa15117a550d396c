//! A caller over HTTP/1.1: the same request again and again on a connection that is kept.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    body::Bytes,
    http::{Request, Response, header},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{client::root_cause, error::BenchError, rounds::meter::Meter};

/// Bodies to send, round and round.
pub(crate) type Bodies = Arc<[Bytes]>;
/// A connection that is kept.
pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// Where to, and what.
#[derive(Clone)]
pub(crate) struct Caller {
    address: SocketAddr,
    /// Without a body: each call sends a copy.
    request: Request<Full<Bytes>>,
    bodies: Bodies,
    next: usize,
}

impl Caller {
    pub(crate) fn new(address: SocketAddr, path: &'static str, bodies: Bodies) -> Self {
        let request = Request::post(path)
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::default())
            .expect("a path and two headers");
        Self { address, request, bodies, next: 0 }
    }

    /// The same for another caller, who begins elsewhere.
    pub(crate) fn from(&self, caller: u32) -> Self {
        Self { next: caller as usize * 17, ..self.clone() }
    }

    /// A connection of its own.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn connect(&self) -> Result<Connection, BenchError> {
        let failed = |error: &dyn std::error::Error| self.failed(&root_cause(error));
        let stream = TcpStream::connect(self.address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Posts until the meter says that it is over.
    pub(crate) async fn call(mut self, connection: Option<Connection>, mut meter: Meter) -> Result<Meter, BenchError> {
        let mut connection = match connection {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        loop {
            let begun = Instant::now();
            let mut response = self.post(&mut connection).await?;
            while let Some(frame) = response.frame().await {
                frame.map_err(|error| self.failed(&root_cause(&error)))?;
            }
            if !meter.ended(begun, 1) {
                return Ok(meter);
            }
        }
    }

    /// Posts once; the answer's body.
    ///
    /// # Errors
    /// If it is refused.
    pub(crate) async fn once(mut self) -> Result<String, BenchError> {
        let mut connection = self.connect().await?;
        let body = self.post(&mut connection).await?.collect().await;
        let body = body.map_err(|error| self.failed(&root_cause(&error)))?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn post(&mut self, connection: &mut Connection) -> Result<Response<Incoming>, BenchError> {
        let mut request = self.request.clone();
        self.next += 1;
        *request.body_mut() = Full::new(self.bodies[self.next % self.bodies.len()].clone());
        let response = async {
            connection.ready().await?;
            connection.send_request(request).await
        };
        let response = response.await.map_err(|error| self.failed(&root_cause(&error)))?;
        if response.status().is_success() { Ok(response) } else { Err(self.failed(response.status().as_str())) }
    }

    fn failed(&self, why: &str) -> BenchError {
        BenchError::failed(format!("{} at {}: {why}", self.request.uri(), self.address))
    }
}
