//! The authority of a cluster key, and what it issues.

use std::{fmt, net::IpAddr, sync::Arc};

use data_encoding::BASE64;
use p256::ecdsa::{DerSignature, SigningKey, signature::Signer};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use rustls::{
    crypto::ring::sign::any_ecdsa_type,
    pki_types::{CertificateDer, DnsName, PrivateKeyDer},
    sign::CertifiedKey,
};
use time::OffsetDateTime;
use webpki::EndEntityCert;

use super::pattern::NamePattern;
use crate::{
    key::{ClusterKey, KeyId, KeyRing, Purpose},
    text::hex,
};

/// 2020-01-01 and 9999-12-31, the end that RFC 5280 has for certificates without one. Nobody has to renew a key.
const AUTHORITY_VALIDITY_S: (i64, i64) = (1_577_836_800, 253_402_300_799);
/// How much a clock may be behind, for certificates that were just issued.
const BACKDATE_S: u64 = 7 * 24 * 3_600;
/// Longest common name: RFC 5280, appendix A.
const COMMON_NAME_MAX: usize = 64;
/// Characters of a line in PEM: RFC 7468.
const PEM_LINE: usize = 64;

/// The certificate authority of one cluster key. All who hold the key derive the same, byte for byte.
///
/// Its key is ECDSA on P-256, which browsers accept and Ed25519 is not. Signatures follow RFC 6979: the same each time.
#[derive(Clone)]
pub struct Authority {
    signer: AuthoritySigner,
    parameters: CertificateParams,
    certificate: CertificateDer<'static>,
    cluster: String,
    key_id: KeyId,
}

/// Which authority it is: SHA-256 of its public key (SubjectPublicKeyInfo, in DER), which clients in any language can
/// compute.
///
/// Not of its certificate: a later version may write that in another way, and tokens and pins must stay valid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuthorityHash([u8; 32]);

/// A certificate of a node, with its key.
#[derive(Debug)]
pub struct NodeCertificate {
    /// The node's certificate and that of its authority.
    pub chain_der: Vec<CertificateDer<'static>>,
    /// The node's private key, PKCS #8.
    pub private_key_der: PrivateKeyDer<'static>,
    /// The last second at which it is valid, since 1970.
    pub not_after_s: u64,
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A name that is no DNS name and no address.
    #[error("`{}` is no DNS name and no IP address, so no certificate can have it", .0.escape_debug())]
    Name(String),
    /// A time that certificates can't say.
    #[error("a certificate can't be valid until second {0}, which is after the year 9999")]
    Validity(u64),
    /// The library refused it.
    #[error("the certificate could not be made: {0}")]
    Library(#[from] rcgen::Error),
}

/// Signs as an authority does.
#[derive(Clone)]
struct AuthoritySigner {
    key: SigningKey,
    /// The public key, as certificates hold it.
    point: Vec<u8>,
}

impl Authority {
    /// The authority of a key, for one cluster.
    ///
    /// # Panics
    /// Never: what it writes is always the same form.
    #[must_use]
    pub fn derive(key: &ClusterKey, cluster: &str) -> Self {
        let signer = AuthoritySigner::new(signing_key(key, cluster));
        let parameters = authority_parameters(&signer, cluster, key.id());
        let certificate = parameters.self_signed(&signer).expect("the form of the certificate is fixed");
        Self { signer, parameters, certificate: certificate.into(), cluster: cluster.to_owned(), key_id: key.id() }
    }

    /// The authorities of all keys of a ring, in the order of the file.
    #[must_use]
    pub fn derive_all(keys: &KeyRing, cluster: &str) -> Vec<Self> {
        keys.iter().map(|key| Self::derive(key, cluster)).collect()
    }

    /// Its certificate, signed by itself.
    #[must_use]
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate as text, for curl, Prometheus and browsers.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        let text = BASE64.encode(&self.certificate);
        let lines = text.as_bytes().chunks(PEM_LINE).map(String::from_utf8_lossy);
        let body: String = lines.flat_map(|line| [line, "\n".into()]).collect();
        format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
    }

    /// Which authority it is.
    #[must_use]
    pub fn hash(&self) -> AuthorityHash {
        AuthorityHash::of_public_key(&self.signer.subject_public_key_info())
    }

    /// Of which key it is.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The cluster that it is for.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Issues a certificate for a node, valid from a week ago for `valid_s` seconds. `names` are DNS names and
    /// addresses that browsers and curl know the node by; nodes look at none of them.
    ///
    /// Its key is new, and comes from the system's generator.
    ///
    /// # Errors
    /// [`IssueError`], of the first name that is refused.
    pub fn issue<N: AsRef<str>>(
        &self,
        node: &str,
        names: &[N],
        now_s: u64,
        valid_s: u64,
    ) -> Result<NodeCertificate, IssueError> {
        let not_after_s = now_s.saturating_add(valid_s);
        let mut parameters = leaf_parameters(node);
        parameters.not_before = date(now_s.saturating_sub(BACKDATE_S))?;
        parameters.not_after = date(not_after_s)?;
        let uri = NamePattern::of_cluster(&self.cluster).name(node);
        parameters.subject_alt_names.push(SanType::URI(uri.try_into()?));
        for name in names {
            parameters.subject_alt_names.push(alternative_name(name.as_ref())?);
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf = parameters.signed_by(&key, &Issuer::from_params(&self.parameters, &self.signer))?;
        Ok(NodeCertificate {
            chain_der: vec![leaf.into(), self.certificate.clone()],
            private_key_der: key.into(),
            not_after_s,
        })
    }

    /// A signature over what a certificate can't be: `context` is ASCII, where certificates start with another byte.
    pub(crate) fn sign(&self, context: &'static str, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.signer.key.sign(&[context.as_bytes(), message].concat());
        signature.as_bytes().to_vec()
    }
}

/// Without its key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({} of key {})", self.cluster, self.key_id)
    }
}

/// A scalar of P-256. About one 32-byte number in four billion is none, so another is derived then.
fn signing_key(key: &ClusterKey, cluster: &str) -> SigningKey {
    let scalars = (0_u32..).map(|attempt| key.derive(Purpose::Authority, cluster, &attempt.to_be_bytes()));
    let mut keys = scalars.filter_map(|scalar| SigningKey::from_slice(&scalar).ok());
    keys.next().expect("nearly all numbers are scalars")
}

/// What all authorities share. Nothing in it may change by chance: nodes compare nothing, but people do.
fn authority_parameters(signer: &AuthoritySigner, cluster: &str, key_id: KeyId) -> CertificateParams {
    let [not_before, not_after] = [AUTHORITY_VALIDITY_S.0, AUTHORITY_VALIDITY_S.1]
        .map(|second| OffsetDateTime::from_unix_timestamp(second).expect("within the years 0 to 9999"));
    let mut serial = blake3::hash(&signer.subject_public_key_info()).as_bytes()[..16].to_vec();
    serial[0] = serial[0] & 0x7f | 0x40; // positive, and of the same length for each key
    let mut parameters = CertificateParams::default();
    parameters.not_before = not_before;
    parameters.not_after = not_after;
    parameters.serial_number = Some(SerialNumber::from(serial));
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "psi-field");
    if cluster.chars().count() <= COMMON_NAME_MAX {
        parameters.distinguished_name.push(DnType::OrganizationalUnitName, cluster);
    }
    // Authorities of one ring differ in their names, so that no verifier tries the wrong one.
    parameters.distinguished_name.push(DnType::CommonName, format!("psi-field key {key_id}"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn leaf_parameters(node: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    if (1..=COMMON_NAME_MAX).contains(&node.chars().count()) {
        parameters.distinguished_name.push(DnType::CommonName, node);
    }
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

fn date(second: u64) -> Result<OffsetDateTime, IssueError> {
    let date = i64::try_from(second).ok().and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok());
    date.ok_or(IssueError::Validity(second))
}

fn alternative_name(name: &str) -> Result<SanType, IssueError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    DnsName::try_from(name).map_err(|_| IssueError::Name(name.to_owned()))?;
    Ok(SanType::DnsName(name.try_into()?))
}

impl NodeCertificate {
    /// The certificate as rustls serves it.
    ///
    /// # Errors
    /// The key can't be read; it can, if [`Authority::issue`] made it.
    pub fn certified_key(&self) -> Result<Arc<CertifiedKey>, rustls::Error> {
        let key = any_ecdsa_type(&self.private_key_der)?;
        Ok(Arc::new(CertifiedKey::new(self.chain_der.clone(), key)))
    }
}

impl AuthorityHash {
    /// The hash of these bytes, as a token has it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of the public key in a certificate; `None` if it is no certificate.
    #[must_use]
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        Some(Self::of_public_key(&certificate.subject_public_key_info()))
    }

    pub(super) fn of_public_key(info_der: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, info_der);
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// All 64 hex digits.
impl fmt::Display for AuthorityHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.0))
    }
}

impl fmt::Debug for AuthorityHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AuthoritySigner {
    fn new(key: SigningKey) -> Self {
        let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { key, point }
    }
}

impl PublicKeyData for AuthoritySigner {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for AuthoritySigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature = self.key.sign(message);
        Ok(signature.as_bytes().to_vec())
    }
}
