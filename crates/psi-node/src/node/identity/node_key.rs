//! The key that this node signs by, and that of others.
//!
//! It lies in the data directory and goes with it: a copy of the directory is the same node. A node without one has a key
//! for each run. The cluster key vouches for it, so that others know whose it is.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::OnceLock,
};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use psi_security::{
    certificate::{Authority, TrustAnchors},
    key::ClusterKey,
    node_key::{NodeKey, NodePublicKey, Voucher},
};

use super::clock::WallClock;
use crate::DataError;

const FILE: &str = "node.key";
const NEW_FILE: &str = "node.key.new";
const WORD: &str = "psi-field-node-key-1";

/// The key of this node, and since when it has it.
pub(crate) struct KeptNodeKey {
    key: NodeKey,
    since_s: u64,
}

impl KeptNodeKey {
    /// A key for this run alone.
    pub(crate) fn of_run() -> Self {
        Self { key: NodeKey::from_random(&rand::random()), since_s: WallClock::of_machine().now_s() }
    }

    /// The key in a data directory that this process has locked; one is made where there is none.
    ///
    /// # Errors
    /// [`DataError`] if it can't be read or written, or is damaged. It is never replaced: others would take that for another
    /// machine.
    pub(crate) fn of_directory(path: &Path) -> Result<Self, DataError> {
        match fs::read_to_string(path.join(FILE)) {
            Ok(text) => Self::parse(&text).ok_or_else(|| DataError::NodeKey(path.join(FILE))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::make(path).map_err(|source| DataError::Unusable { path: path.to_owned(), source })
            }
            Err(source) => Err(DataError::Unusable { path: path.join(FILE), source }),
        }
    }

    /// The key is durable before it is used.
    fn make(path: &Path) -> io::Result<Self> {
        let (secret, since_s): ([u8; 32], u64) = (rand::random(), WallClock::of_machine().now_s());
        let new = path.join(NEW_FILE);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        writeln!(file, "{WORD} {since_s} {}", HEXLOWER.encode(&secret))?;
        file.sync_all()?;
        fs::rename(&new, path.join(FILE))?;
        File::open(path)?.sync_all()?;
        Ok(Self { key: NodeKey::from_random(&secret), since_s })
    }

    /// The key.
    pub(super) fn key(&self) -> &NodeKey {
        &self.key
    }

    fn parse(text: &str) -> Option<Self> {
        let line = text.strip_suffix('\n')?;
        let [WORD, since_s, secret] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let secret: [u8; 32] = HEXLOWER.decode(secret.as_bytes()).ok()?.try_into().ok()?;
        Some(Self { key: NodeKey::from_random(&secret), since_s: since_s.parse().ok()? })
    }
}

/// What the cluster key says of this node's key, once that is known.
#[derive(Default)]
pub(super) struct OwnVoucher(OnceLock<String>);

impl OwnVoucher {
    /// As a text that gossip can carry.
    pub(super) fn get(&self, key: &ClusterKey, cluster: &str, node: &str, kept: &KeptNodeKey) -> &str {
        self.0.get_or_init(|| {
            let authority = Authority::derive(key, cluster);
            BASE64URL_NOPAD.encode(&Voucher::issue(&authority, node, kept.key.public(), kept.since_s).to_bytes())
        })
    }
}

/// The key of a node by the voucher that it published, if that is good.
pub(super) fn public_key(anchors: &TrustAnchors, cluster: &str, node: &str, voucher: &str) -> Option<NodePublicKey> {
    let bytes = BASE64URL_NOPAD.decode(voucher.as_bytes()).ok()?;
    let voucher = Voucher::verify(anchors, cluster, &bytes).ok()?;
    if voucher.node == node { Some(voucher.public_key) } else { None }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_nobody_else_reads_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let made = KeptNodeKey::of_directory(directory.path()).expect("made");
        let read = KeptNodeKey::of_directory(directory.path()).expect("read");
        assert_eq!((made.key.public(), made.since_s), (read.key.public(), read.since_s));
        let mode = fs::metadata(directory.path().join(FILE)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_refused_and_stays_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        KeptNodeKey::of_directory(directory.path()).expect("made");
        let path = directory.path().join(FILE);
        let good = fs::read_to_string(&path).expect("there");
        let damaged = ["", "\n", &good[1..], &good[..good.len() - 1], &good.replace(' ', "  "), &format!("{good}\n")];
        for text in damaged {
            fs::write(&path, text).expect("written");
            let refused = KeptNodeKey::of_directory(directory.path()).map(drop);
            assert!(matches!(refused, Err(DataError::NodeKey(_))), "{text:?}");
            assert_eq!(fs::read_to_string(&path).expect("there"), text);
        }
    }
}
