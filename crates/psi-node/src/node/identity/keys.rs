//! The key file, and what follows from its keys.

use std::{path::PathBuf, sync::Arc};

use psi_replica::NodeId;
use psi_security::{
    certificate::{Authority, ClientTrust, NamePattern, ServerTrust, TrustAnchors, tls},
    key::KeyRing,
};
use rustls::{ClientConfig, ServerConfig, pki_types::CertificateDer, time_provider::DefaultTimeProvider};

use super::{certificates::NodeCertificates, error::IdentityError, port::Port};
use crate::settings::Addresses;

/// The key file, as it was read last.
#[derive(Clone, Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    content: Option<Vec<u8>>,
}

/// What follows from the keys of a file.
pub(crate) struct KeyMaterial {
    pub(crate) ring: KeyRing,
    pub(crate) cluster: String,
    anchors: TrustAnchors,
    names: NamePattern,
    certificates: Arc<NodeCertificates>,
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
}

impl KeyFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, content: None }
    }

    /// The keys, if the file's content is another than before. It goes by content: a mounted secret is replaced by
    /// another link to it.
    pub(super) fn read_changed(&mut self) -> Result<Option<KeyRing>, IdentityError> {
        let path = || self.path.clone();
        let content = std::fs::read(&self.path).map_err(|source| IdentityError::Unreadable { path: path(), source })?;
        if self.content.as_ref() == Some(&content) {
            return Ok(None);
        }
        let ring = KeyRing::parse(&content).map_err(|source| IdentityError::KeyFile { path: path(), source })?;
        self.content = Some(content);
        Ok(Some(ring))
    }
}

impl KeyMaterial {
    pub(super) fn new(ring: KeyRing, cluster: &str, node: &str, addresses: &Addresses) -> Result<Self, IdentityError> {
        let anchors = TrustAnchors::derive(&ring, cluster);
        let authority = Authority::derive(ring.first(), cluster);
        let certificates = Arc::new(NodeCertificates::new(authority, node, addresses)?);
        let names = NamePattern::of_cluster(cluster);
        let trust = Arc::new(ClientTrust::new(anchors.clone(), names.clone()));
        let served = |port: Port| {
            let clock = Arc::new(DefaultTimeProvider);
            tls::server_config(trust.clone(), certificates.clone(), &[port.protocol()], clock).map(Arc::new)
        };
        let (grpc, http) = (served(Port::Grpc)?, served(Port::Http)?);
        Ok(Self { ring, cluster: cluster.to_owned(), anchors, names, certificates, grpc, http })
    }

    pub(super) fn server_config(&self, port: Port) -> Arc<ServerConfig> {
        match port {
            Port::Grpc => self.grpc.clone(),
            Port::Http => self.http.clone(),
        }
    }

    /// The node that a chain is of, which was verified.
    pub(super) fn peer(&self, chain: &[CertificateDer<'_>]) -> Option<NodeId> {
        NodeId::new(&self.names.peer_node(chain)?).ok()
    }

    /// How another node is dialled: `node`, or any of the cluster.
    pub(super) fn client_config(&self, node: Option<&str>) -> Result<ClientConfig, rustls::Error> {
        let (anchors, names) = (self.anchors.clone(), self.names.clone());
        let trust = match node {
            Some(node) => ServerTrust::node(anchors, names, node),
            None => ServerTrust::any_node(anchors, names),
        };
        let clock = Arc::new(DefaultTimeProvider);
        tls::client_config(Arc::new(trust), Some(self.certificates.clone()), &[Port::Grpc.protocol()], clock)
    }
}
