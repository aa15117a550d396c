//! The files that a node's identity follows from. They are read again when their content changes; settings are not.

mod own;
mod watched;

use std::io::ErrorKind;

use psi_security::{certificate::OwnCertificate, key::KeyRing, token::Revocations};
use tracing::{info, warn};

use self::{
    own::OwnSource,
    watched::{Contents, NamedFile, WatchedFiles},
};
use super::{clock::WallClock, error::IdentityError};
use crate::settings::Settings;

/// Most names of tokens that a line of the log has.
const LOGGED_MAX: usize = 16;

/// The files, and what they said when they could be used last.
#[derive(Clone)]
pub(super) struct IdentityFiles {
    keys: WatchedFiles,
    revoked: Option<WatchedFiles>,
    own: Option<(WatchedFiles, OwnSource)>,
    contents: FileContents,
}

/// What the files say.
#[derive(Clone)]
pub(super) struct FileContents {
    pub(super) ring: KeyRing,
    pub(super) revoked: Revocations,
    /// `None`: certificates follow from the key.
    pub(super) own: Option<OwnCertificate>,
}

impl IdentityFiles {
    /// Reads all files that the settings name; `None` where they name no key.
    ///
    /// # Errors
    /// One can't be used, or is missing.
    pub(super) fn open(settings: &Settings, clock: &WallClock) -> Result<Option<Self>, IdentityError> {
        let source = OwnSource::new(settings)?;
        let Some(path) = settings.security.key_file.clone() else {
            return if source.is_some() { Err(IdentityError::CertificateWithoutKey) } else { Ok(None) };
        };
        let mut keys = WatchedFiles::new(vec![NamedFile { setting: "security.key_file", path }]);
        let ring = keys.take(parse_keys)?;
        let file = |path| WatchedFiles::new(vec![NamedFile { setting: "security.revoked_file", path }]);
        let mut revoked = settings.security.revoked_file.clone().map(file);
        let list = revoked.as_mut().map_or(Ok(Revocations::default()), read_revoked)?;
        let mut own = source.map(|source| (WatchedFiles::new(source.files()), source));
        let certificate = own.as_mut().map(|(files, source)| files.take(|_, contents| source.parse(contents, clock)));
        let contents = FileContents { ring, revoked: list, own: certificate.transpose()? };
        Ok(Some(Self { keys, revoked, own, contents }))
    }

    pub(super) fn contents(&self) -> &FileContents {
        &self.contents
    }

    /// Takes over and logs what has changed; whether anything has. Files that can't be used change nothing.
    pub(super) fn look(&mut self, clock: &WallClock) -> bool {
        let changes = [self.look_at_keys(), self.look_at_revoked(), self.look_at_own(clock)];
        changes.contains(&true)
    }

    fn look_at_keys(&mut self) -> bool {
        let changed = self.keys.take_changed(parse_keys);
        let Some(ring) = usable(&self.keys, "the key file has changed and can't be used, so the keys", changed) else {
            return false;
        };
        let keys: Vec<String> = ring.ids().iter().map(ToString::to_string).collect();
        info!(keys = keys.join(", "), "the key file has changed: the first key seals and signs");
        self.contents.ring = ring;
        true
    }

    fn look_at_revoked(&mut self) -> bool {
        let Some(files) = &mut self.revoked else { return false };
        let changed = match files.take_changed(parse_revoked) {
            Err(error) if is_missing(&error) && files.is_new() => Ok(None),
            changed => changed,
        };
        let what = "the file of revoked tokens has changed and can't be used, so those";
        let Some(revoked) = usable(files, what, changed) else { return false };
        let (count, names) = (revoked.len(), revoked.names().take(LOGGED_MAX).collect::<Vec<_>>().join(", "));
        info!(count, names, "the file of revoked tokens has changed: these are refused, and streams of theirs end");
        self.contents.revoked = revoked;
        true
    }

    fn look_at_own(&mut self, clock: &WallClock) -> bool {
        let Some((files, source)) = &mut self.own else { return false };
        let changed = files.take_changed(|_, contents| source.parse(contents, clock));
        let what = "the files of tls.cert, tls.key and tls.ca have changed and can't be used, so those";
        let Some(own) = usable(files, what, changed) else { return false };
        let (not_after, authorities) = (own.validity().not_after(), own.anchors().hashes().len());
        info!(%not_after, authorities, "the files of the certificate have changed: new connections go by them");
        self.contents.own = Some(own);
        true
    }
}

/// What has changed, if it can be used; logs why not, each cause once a minute at most.
fn usable<T>(files: &WatchedFiles, what: &str, changed: Result<Option<T>, IdentityError>) -> Option<T> {
    changed.unwrap_or_else(|error| {
        if files.limit.record(&error.to_string()).is_some() {
            warn!("{what} of before stay: {error}");
        }
        None
    })
}

fn parse_keys(files: &[NamedFile], contents: &Contents) -> Result<KeyRing, IdentityError> {
    KeyRing::parse(&contents[0]).map_err(|source| IdentityError::KeyFile { path: files[0].path.clone(), source })
}

fn parse_revoked(files: &[NamedFile], contents: &Contents) -> Result<Revocations, IdentityError> {
    let parsed = Revocations::parse(&contents[0]);
    parsed.map_err(|source| IdentityError::RevokedFile { path: files[0].path.clone(), source })
}

/// The list at the start. A file that is not there yet revokes nothing: it is made when a token is to go.
fn read_revoked(files: &mut WatchedFiles) -> Result<Revocations, IdentityError> {
    match files.take(parse_revoked) {
        Err(error) if is_missing(&error) => Ok(Revocations::default()),
        read => read,
    }
}

fn is_missing(error: &IdentityError) -> bool {
    matches!(error, IdentityError::Unreadable { source, .. } if source.kind() == ErrorKind::NotFound)
}
