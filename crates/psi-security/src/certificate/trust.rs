//! Which certificates are accepted at the other end of a connection.
//!
//! Addresses and DNS names are never looked at: a node may move, and a certificate says which node it is.

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use webpki::KeyUsage;

use super::{
    authority::AuthorityHash,
    chain::{ShownChain, TrustAnchors, algorithms},
    pattern::NamePattern,
    refusal::CertificateRefusal,
};

/// What a server accepts of clients: no certificate, as tokens are the other way, or that of a node of its cluster.
#[derive(Debug)]
pub struct ClientTrust {
    anchors: TrustAnchors,
    subjects: Vec<DistinguishedName>,
    names: NamePattern,
}

/// What one who dials accepts of servers: a node of the cluster, and perhaps only one.
#[derive(Debug)]
pub struct ServerTrust {
    basis: Basis,
    names: NamePattern,
    node: Option<String>,
}

/// How the one who dials knows the authority.
#[derive(Debug)]
enum Basis {
    Anchors(TrustAnchors),
    /// Only by hash. The server shows it.
    Hashes(Vec<AuthorityHash>),
}

impl ClientTrust {
    /// Accepts the nodes of a cluster, which are named so.
    #[must_use]
    pub fn new(anchors: TrustAnchors, names: NamePattern) -> Self {
        Self { subjects: anchors.subjects(), anchors, names }
    }
}

impl ServerTrust {
    /// Accepts any node of a cluster: for an address of which it isn't known yet which node has it.
    #[must_use]
    pub fn any_node(anchors: TrustAnchors, names: NamePattern) -> Self {
        Self { basis: Basis::Anchors(anchors), names, node: None }
    }

    /// Accepts one node of a cluster.
    #[must_use]
    pub fn node(anchors: TrustAnchors, names: NamePattern, node: &str) -> Self {
        Self { node: Some(node.to_owned()), ..Self::any_node(anchors, names) }
    }

    /// Accepts any node of a cluster whose authority has one of these hashes, as a token has them.
    #[must_use]
    pub fn authorities(hashes: Vec<AuthorityHash>, names: NamePattern) -> Self {
        Self { basis: Basis::Hashes(hashes), names, node: None }
    }

    fn verify(&self, chain: ShownChain<'_>, now: UnixTime) -> Result<(), CertificateRefusal> {
        let usage = KeyUsage::server_auth();
        let shown = match &self.basis {
            Basis::Anchors(anchors) => anchors.verify(chain, now, usage, &self.names),
            Basis::Hashes(hashes) => chain.find(hashes)?.verify(chain, now, usage, &self.names),
        }?;
        match &self.node {
            Some(wanted) if *wanted != shown => Err(CertificateRefusal::OtherNode { shown, wanted: wanted.clone() }),
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for ServerTrust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(ShownChain { leaf: end_entity, rest: intermediates }, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

impl ClientCertVerifier for ClientTrust {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = ShownChain { leaf: end_entity, rest: intermediates };
        self.anchors.verify(chain, now, KeyUsage::client_auth(), &self.names)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}
