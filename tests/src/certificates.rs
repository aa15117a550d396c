//! Someone who issues certificates, as cert-manager or SPIRE do, and the files that nodes take them from.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use data_encoding::BASE64;
use psi_node::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use time::{Duration, OffsetDateTime};

/// What was issued usually is valid: from yesterday, for 90 days.
pub const USUAL_DAYS: Range<i64> = -1..89;

/// An authority of its own.
pub struct TestAuthority {
    parameters: CertificateParams,
    key: KeyPair,
    /// Its certificate.
    pub pem: String,
}

/// A certificate and its key, in PEM.
pub struct IssuedCertificate {
    /// The certificate.
    pub cert: String,
    /// The private key, PKCS #8.
    pub key: String,
}

/// The files of one node's certificate, in a folder.
pub struct CertificateFolder {
    folder: PathBuf,
}

impl TestAuthority {
    /// An authority of this name, for ten years.
    ///
    /// # Errors
    /// If none can be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (parameters.not_before, parameters.not_after) = (in_days(-1)?, in_days(3_650)?);
        let key = KeyPair::generate()?;
        let pem = pem("CERTIFICATE", parameters.self_signed(&key)?.der());
        Ok(Self { parameters, key, pem })
    }

    /// A certificate of this one URI and for `localhost`, valid on these days from now.
    ///
    /// # Errors
    /// If none can be made.
    pub fn issue(&self, uri: &str, days: Range<i64>) -> Result<IssuedCertificate> {
        let mut parameters = CertificateParams::new(["localhost".to_owned()])?;
        parameters.subject_alt_names.push(SanType::URI(uri.try_into()?));
        (parameters.not_before, parameters.not_after) = (in_days(days.start)?, in_days(days.end)?);
        let key = KeyPair::generate()?;
        let issued = parameters.signed_by(&key, &Issuer::from_params(&self.parameters, &self.key))?;
        Ok(IssuedCertificate { cert: pem("CERTIFICATE", issued.der()), key: pem("PRIVATE KEY", key.serialized_der()) })
    }

    /// The usual certificate of a node of the usual cluster.
    ///
    /// # Errors
    /// If none can be made.
    pub fn issue_to(&self, node: &str) -> Result<IssuedCertificate> {
        self.issue(&format!("spiffe://psi-field/node/{node}"), USUAL_DAYS)
    }
}

impl CertificateFolder {
    /// Files below an existing folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Replaces certificate and key, one after the other.
    ///
    /// # Errors
    /// If they can't be written.
    pub fn write(&self, issued: &IssuedCertificate) -> Result<()> {
        self.replace("tls.crt", &issued.cert)?;
        self.replace("tls.key", &issued.key)
    }

    /// Replaces the authorities that are believed.
    ///
    /// # Errors
    /// If they can't be written.
    pub fn write_bundle(&self, authorities: &[&TestAuthority]) -> Result<()> {
        self.replace("ca.crt", &authorities.iter().map(|authority| authority.pem.as_str()).collect::<String>())
    }

    /// As a mounted secret changes: by another file in its place.
    fn replace(&self, name: &str, content: &str) -> Result<()> {
        let aside = self.folder.join("aside");
        std::fs::write(&aside, content)?;
        std::fs::rename(&aside, self.folder.join(name)).context("the file is replaced")
    }

    /// As settings name them.
    #[must_use]
    pub fn settings(&self) -> TlsFiles {
        let file = |name| Some(self.folder.join(name));
        TlsFiles { cert: file("tls.crt"), key: file("tls.key"), ca: file("ca.crt"), ..TlsFiles::default() }
    }
}

fn in_days(days: i64) -> Result<OffsetDateTime> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(OffsetDateTime::from_unix_timestamp(i64::try_from(now)?)? + Duration::days(days))
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der))
}
