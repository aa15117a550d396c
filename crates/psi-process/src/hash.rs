//! SHA-256 of what transitions name. Each kind of hash begins with words of its own, so that none passes for another.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

macro_rules! hash {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type([u8; 32]);

        impl $type {
            /// The hash of these bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The hash of 64 hex digits, as [`std::fmt::Display`] writes them; `None` for any other text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::from_slice(&HEXLOWER.decode(text.as_bytes()).ok()?)
            }

            /// The hash of these bytes, if they are 32.
            pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        /// 64 hex digits.
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hash!(
    /// What identifies a spec: the hash of its canonical form.
    SpecHash
);
hash!(
    /// What statements about a phase name as their subject. It differs for each phase of each spec.
    PhaseHash
);
hash!(
    /// What identifies a transition: the hash of its bytes.
    TransitionHash
);
hash!(
    /// The hash of the settings in effect on a node.
    SettingsHash
);
hash!(
    /// The hash of what work was asked to be.
    WorkHash
);

fn digest(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(context);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

impl SpecHash {
    pub(crate) fn of(canonical: &[u8]) -> Self {
        Self(digest("", &[canonical]))
    }
}

impl PhaseHash {
    pub(crate) fn of(spec: &SpecHash, phase: &str) -> Self {
        Self(digest("psi-field v1 phase of a process: ", &[&spec.0, phase.as_bytes()]))
    }
}

impl TransitionHash {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(digest("psi-field v1 transition: ", &[bytes]))
    }
}

impl SettingsHash {
    /// The hash of settings in effect, in a form that does not vary. Leave secrets out.
    #[must_use]
    pub fn of(settings: &[u8]) -> Self {
        Self(digest("psi-field v1 settings: ", &[settings]))
    }
}

impl WorkHash {
    pub(crate) fn of(order: &[u8]) -> Self {
        Self(digest("psi-field v1 work order: ", &[order]))
    }
}

/// What is kept with a baseline, so that one that was cut or changed is not taken for another.
pub(crate) fn of_baseline(bytes: &[u8]) -> [u8; 32] {
    digest("psi-field v1 baseline: ", &[bytes])
}
