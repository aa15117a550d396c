//! A file with an access token, read again when nodes refuse the token.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use psi_client::Access;

/// A file that holds an access token.
#[derive(Debug, Default)]
pub(crate) struct TokenFile {
    path: PathBuf,
    /// How often the file had another token than before.
    changes: AtomicU64,
    /// One reads it for all calls that were refused at once.
    reading: Mutex<()>,
}

/// The state of the file when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenReading(u64);

impl TokenFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, ..Self::default() }
    }

    /// Reads the token for the first time.
    ///
    /// # Errors
    /// The file, and what is wrong with it.
    pub(super) fn open(&self) -> Result<Access, String> {
        Access::of_token(&self.text()?).map_err(|error| self.problem(&error))
    }

    pub(super) fn reading(&self) -> TokenReading {
        TokenReading(self.changes.load(Ordering::Acquire))
    }

    /// Gives `access` another token, if the file has one by now. A call that showed an older token than that of the last
    /// reading needs no other.
    ///
    /// # Errors
    /// The file, and what is wrong with it.
    pub(super) fn renew(&self, refused: TokenReading, access: &Access) -> Result<bool, String> {
        let _one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if self.reading() != refused {
            return Ok(true);
        }
        let is_new = access.replace(&self.text()?).map_err(|error| self.problem(&error))?;
        if is_new {
            self.changes.fetch_add(1, Ordering::Release);
        }
        Ok(is_new)
    }

    fn text(&self) -> Result<String, String> {
        let text =
            fs::read_to_string(&self.path).map_err(|error| format!("can't read {}: {error}", self.path.display()))?;
        // An empty text would be no token at all, and the client would go on without one.
        if text.trim().is_empty() { Err(self.problem(&"the file is empty")) } else { Ok(text) }
    }

    fn problem(&self, problem: &dyn std::fmt::Display) -> String {
        format!("{}: {problem}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use psi_security::{
        certificate::Authority,
        key::{ClusterKey, KeyRing},
        token::{Role, TokenClaims, TokenId},
    };

    use super::*;

    fn token(number: u8) -> String {
        let ring = KeyRing::from(ClusterKey::from_random([1; 32]));
        let claims = TokenClaims {
            id: TokenId::from_random([number; 8]),
            name: "a".to_owned(),
            role: Role::Read,
            fields: Vec::new(),
            not_after_s: u64::MAX,
            authorities: vec![Authority::derive(ring.first(), "c").hash()],
            cluster: "c".to_owned(),
        };
        claims.issue(&ring).expect("a token")
    }

    #[test]
    fn a_refused_token_is_renewed_once_for_all_that_showed_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.token");
        let file = TokenFile::new(path.clone());
        assert!(file.open().unwrap_err().contains("a.token: No such file"), "{:?}", file.open());
        fs::write(&path, token(1) + "\n").unwrap();
        let access = file.open().unwrap();
        let first = file.reading();
        assert_eq!(file.renew(first, &access), Ok(false), "the file has the token that was refused");
        fs::write(&path, token(2)).unwrap();
        assert_eq!(file.renew(first, &access), Ok(true));
        let second = file.reading();
        // Refused at the same time: the file is not read again for it.
        fs::remove_file(&path).unwrap();
        assert_eq!(file.renew(first, &access), Ok(true));
        assert!(file.renew(second, &access).unwrap_err().contains("can't read"));
    }

    #[test]
    fn a_file_without_a_token_is_named_with_what_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.token");
        for (content, want) in [("", "the file is empty"), ("\n", "the file is empty"), ("secret", "no access token")] {
            fs::write(&path, content).unwrap();
            let problem = TokenFile::new(path.clone()).open().unwrap_err();
            assert!(problem.contains("a.token: ") && problem.contains(want), "{problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
