//! The certificate that others issued to this node, and how others are named.

use psi_security::certificate::{NamePattern, OwnCertificate, PemFiles};

use super::watched::{Contents, NamedFile};
use crate::{
    node::identity::{clock::WallClock, error::IdentityError},
    settings::{Settings, TlsFiles},
};

/// Where the certificate comes from.
#[derive(Clone)]
pub(super) struct OwnSource {
    files: [NamedFile; 3],
    names: NamePattern,
    node: String,
}

impl OwnSource {
    /// The source that the settings name; `None` where certificates follow from the key.
    ///
    /// # Errors
    /// Some of what it takes is missing.
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, IdentityError> {
        let TlsFiles { cert, key, ca, name } = &settings.security.tls;
        let names = NamePattern::new(name, settings.cluster.as_str()).map_err(IdentityError::NamePattern)?;
        let named = [("tls.cert", cert), ("tls.key", key), ("tls.ca", ca)];
        let is_named = |given: bool| {
            let names = named.iter().filter(move |(_, path)| path.is_some() == given).map(|(setting, _)| *setting);
            names.collect::<Vec<_>>().join(" and ")
        };
        let [Some(cert), Some(key), Some(ca)] =
            named.map(|(setting, path)| path.clone().map(|path| NamedFile { setting, path }))
        else {
            let (given, missing) = (is_named(true), is_named(false));
            return if given.is_empty() { Ok(None) } else { Err(IdentityError::PartialTls { given, missing }) };
        };
        Ok(Some(Self { files: [cert, key, ca], names, node: settings.node.to_string() }))
    }

    pub(super) fn files(&self) -> Vec<NamedFile> {
        self.files.to_vec()
    }

    pub(super) fn parse(&self, contents: &Contents, clock: &WallClock) -> Result<OwnCertificate, IdentityError> {
        let files = PemFiles { cert: &contents[0], key: &contents[1], ca: &contents[2] };
        OwnCertificate::read(files, &self.names, &self.node, clock.now_s()).map_err(|source| {
            let [cert, key, ca] = &self.files;
            let file = match source.setting() {
                "key" => key,
                "ca" => ca,
                _ => cert,
            };
            IdentityError::OwnCertificate { path: file.path.clone(), source }
        })
    }
}
