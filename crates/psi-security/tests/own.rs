//! Certificates that others issue: what cert-manager, SPIRE and people with OpenSSL put into three files, and what is
//! said of the mistakes that they can make.

use data_encoding::BASE64;
use psi_security::certificate::{NamePattern, OwnCertificate, OwnCertificateError, PemFiles, TrustAnchors, Validity};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SanType,
};
use time::OffsetDateTime;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;
const BOTH: [ExtendedKeyUsagePurpose; 2] = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];

fn date(second: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(second.try_into().expect("a second")).expect("a date")
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der))
}

/// Someone who issues certificates, with its own.
struct Ca {
    parameters: CertificateParams,
    key: KeyPair,
    pem: String,
}

/// A certificate and its key, in PEM.
struct IssuedPair {
    cert: String,
    key: String,
}

impl Ca {
    fn parameters(name: &str, valid_s: u64) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (parameters.not_before, parameters.not_after) = (date(NOW - DAY), date(NOW - DAY + valid_s));
        parameters
    }

    fn root(name: &str) -> Self {
        let (parameters, key) = (Self::parameters(name, 3_650 * DAY), KeyPair::generate().expect("a key"));
        let pem = pem("CERTIFICATE", parameters.self_signed(&key).expect("issued").der());
        Self { parameters, key, pem }
    }

    /// One that this one vouches for.
    fn intermediate(&self, name: &str, valid_s: u64) -> Self {
        let (parameters, key) = (Self::parameters(name, valid_s), KeyPair::generate().expect("a key"));
        let issuer = Issuer::from_params(&self.parameters, &self.key);
        let pem = pem("CERTIFICATE", parameters.signed_by(&key, &issuer).expect("issued").der());
        Self { parameters, key, pem }
    }

    fn issue(&self, uris: &[&str], usages: &[ExtendedKeyUsagePurpose], key: &KeyPair, valid_s: u64) -> IssuedPair {
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().expect("a URI"))).collect();
        parameters.extended_key_usages = usages.to_vec();
        (parameters.not_before, parameters.not_after) = (date(NOW - DAY), date(NOW - DAY + valid_s));
        let issuer = Issuer::from_params(&self.parameters, &self.key);
        let cert = pem("CERTIFICATE", parameters.signed_by(key, &issuer).expect("issued").der());
        IssuedPair { cert, key: pem("PRIVATE KEY", key.serialized_der()) }
    }

    /// For node `n1`, for 90 days.
    fn issue_usual(&self) -> IssuedPair {
        self.issue(&["spiffe://prod/node/n1"], &BOTH, &KeyPair::generate().expect("a key"), 90 * DAY)
    }
}

fn read_for(names: &NamePattern, cert: &str, key: &str, ca: &str) -> Result<OwnCertificate, OwnCertificateError> {
    OwnCertificate::read(PemFiles { cert: cert.as_bytes(), key: key.as_bytes(), ca: ca.as_bytes() }, names, "n1", NOW)
}

fn read(cert: &str, key: &str, ca: &str) -> Result<OwnCertificate, OwnCertificateError> {
    read_for(&NamePattern::of_cluster("prod"), cert, key, ca)
}

fn refusal(cert: &str, key: &str, ca: &str) -> String {
    read(cert, key, ca).expect_err("refused").to_string()
}

#[test]
fn a_certificate_of_an_authority_of_the_bundle_is_accepted() {
    let (ca, other) = (Ca::root("a"), Ca::root("b"));
    let issued = ca.issue_usual();
    // Notes around the blocks are skipped, as OpenSSL writes them.
    let bundle = format!("# old\n{}subject=CN=a\n{}", other.pem, ca.pem);
    let own = read(&issued.cert, &issued.key, &bundle).expect("accepted");
    assert_eq!(own.validity(), Validity { not_before_s: NOW - DAY, not_after_s: NOW + 89 * DAY });
    assert_eq!(own.anchors().hashes().len(), 2);
    assert_eq!(TrustAnchors::from_pem(bundle.as_bytes()).expect("sound").hashes(), own.anchors().hashes());
}

#[test]
fn keys_of_the_usual_kinds_are_taken() {
    let ca = Ca::root("a");
    for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let issued = ca.issue(&["spiffe://prod/node/n1"], &[], &key, 90 * DAY);
        assert!(read(&issued.cert, &issued.key, &ca.pem).is_ok(), "without usages it is for all of them");
    }
}

#[test]
fn what_is_between_the_node_and_the_authority_stands_after_the_node_s_own() {
    let root = Ca::root("root");
    let middle = root.intermediate("middle", 30 * DAY);
    let issued = middle.issue_usual();
    let chain = issued.cert.clone() + &middle.pem;
    let own = read(&chain, &issued.key, &root.pem).expect("accepted");
    assert_eq!(own.validity().not_after_s, NOW + 29 * DAY, "the one between ends first");
    // The authority may be the one between itself; what ends first counts there too.
    let own = read(&issued.cert, &issued.key, &middle.pem).expect("accepted");
    assert_eq!(own.validity().not_after_s, NOW + 29 * DAY);
    assert_eq!(
        refusal(&issued.cert, &issued.key, &root.pem),
        "the certificate of tls.cert leads to none of the authorities of tls.ca (1 there): put its authority into tls.ca, and \
         what is between them into tls.cert, after the node's own"
    );
}

#[test]
fn a_name_of_another_trust_domain_takes_its_pattern() {
    let ca = Ca::root("a");
    let key = KeyPair::generate().expect("a key");
    let issued = ca.issue(&["spiffe://example.org/ns/x/psi-n1"], &BOTH, &key, DAY * 2);
    let names = NamePattern::new("spiffe://example.org/ns/x/psi-{node}", "prod").expect("a pattern");
    assert!(read_for(&names, &issued.cert, &issued.key, &ca.pem).is_ok());
    assert_eq!(
        refusal(&issued.cert, &issued.key, &ca.pem),
        "the certificate of tls.cert is for spiffe://example.org/ns/x/psi-n1, and this node's is to have the one URI name \
         `spiffe://prod/node/n1`; have it issued with that, or set tls.name to the pattern that your names follow"
    );
    for uris in [&[][..], &["spiffe://prod/node/n2"], &["spiffe://prod/node/n1", "spiffe://prod/node/n2"]] {
        let issued = ca.issue(uris, &BOTH, &key, DAY * 2);
        let error = read(&issued.cert, &issued.key, &ca.pem).expect_err("refused");
        assert!(matches!(error, OwnCertificateError::OtherName { .. }), "{error}");
    }
}

#[test]
fn a_certificate_that_is_over_or_has_not_begun_is_refused_with_both_times() {
    let ca = Ca::root("a");
    let key = KeyPair::generate().expect("a key");
    let issued = ca.issue(&["spiffe://prod/node/n1"], &BOTH, &key, DAY - 1);
    assert_eq!(
        refusal(&issued.cert, &issued.key, &ca.pem),
        "the certificate of tls.cert is valid from 2027-01-14T08:00:00Z to 2027-01-15T07:59:59Z, and it is \
         2027-01-15T08:00:00Z; have it issued again, or set the clock"
    );
    let files = PemFiles { cert: issued.cert.as_bytes(), key: issued.key.as_bytes(), ca: ca.pem.as_bytes() };
    let early = OwnCertificate::read(files, &NamePattern::of_cluster("prod"), "n1", NOW - 2 * DAY);
    assert!(matches!(early, Err(OwnCertificateError::Time { .. })), "{early:?}");
}

#[test]
fn a_certificate_for_one_end_alone_is_refused() {
    let ca = Ca::root("a");
    let key = KeyPair::generate().expect("a key");
    for (usage, missing) in
        [(ExtendedKeyUsagePurpose::ServerAuth, "a client"), (ExtendedKeyUsagePurpose::ClientAuth, "a server")]
    {
        let issued = ca.issue(&["spiffe://prod/node/n1"], &[usage], &key, 90 * DAY);
        let error = refusal(&issued.cert, &issued.key, &ca.pem);
        assert!(error.contains(&format!("can't be used by {missing}")) && error.contains("`client auth`"), "{error}");
    }
}

#[test]
fn files_that_do_not_fit_or_cannot_be_read_are_named() {
    let (ca, other) = (Ca::root("a"), Ca::root("b"));
    let (issued, second) = (ca.issue_usual(), ca.issue_usual());
    let secret = &issued.key[60..90];
    let encrypted = pem("ENCRYPTED PRIVATE KEY", b"secret");
    let cut = &issued.cert[..issued.cert.len() - 40];
    for (cert, key, authorities, says) in [
        ("", issued.key.as_str(), ca.pem.as_str(), "tls.cert has no certificate that can be read (there is none)"),
        (cut, &issued.key, &ca.pem, "tls.cert has no certificate that can be read (its PEM is damaged)"),
        (&issued.key, &issued.key, &ca.pem, "tls.cert has no certificate"),
        (&issued.cert, &issued.key, "", "tls.ca has no certificate that can be read (there is none)"),
        (&issued.cert, &issued.key, &issued.key, "tls.ca has no certificate"),
        (&issued.cert, "", &ca.pem, "tls.key has no private key that can be used (there is none)"),
        (&issued.cert, &issued.cert, &ca.pem, "tls.key has no private key that can be used (there is none)"),
        (&issued.cert, &pem("PRIVATE KEY", b"x"), &ca.pem, "tls.key has no private key that can be used (of another"),
        (&issued.cert, &encrypted, &ca.pem, "tls.key takes a passphrase"),
        (&issued.cert, &second.key, &ca.pem, "tls.key is not the key of the first certificate of tls.cert"),
        (&issued.cert, &issued.key, &other.pem, "leads to none of the authorities of tls.ca (1 there)"),
        (&ca.pem, &pem("PRIVATE KEY", ca.key.serialized_der()), &ca.pem, "is for none"),
    ] {
        let error = refusal(cert, key, authorities);
        assert!(error.contains(says), "wanted {says}: {error}");
        assert!(!error.contains(secret), "{error}");
    }
    let broken = pem("CERTIFICATE", b"no DER");
    assert!(refusal(&broken, &issued.key, &ca.pem).contains("tls.cert has no certificate that can be read"));
    assert!(refusal(&issued.cert, &issued.key, &broken).contains("tls.ca has no certificate that can be read"));
}

#[test]
fn debug_shows_no_key() {
    let ca = Ca::root("a");
    let key = KeyPair::generate().expect("a key");
    let issued = ca.issue(&["spiffe://prod/node/n1"], &BOTH, &key, 90 * DAY);
    let shown = format!("{:?}", read(&issued.cert, &issued.key, &ca.pem).expect("accepted"));
    // The secret is what stands in the middle of the document.
    let secret = format!("{:?}", &key.serialized_der()[36..44]);
    assert!(!shown.contains(secret.trim_matches(['[', ']'])), "{shown}");
}
