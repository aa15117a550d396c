//! Names that travel: of clusters, nodes and fields. One alphabet and one length limit for all three, so that
//! a name is safe in a file name, a metric label, a URL and a log line. A field that is a version of a model is named by
//! two such names with an `@` between them.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

/// Longest name, in bytes.
pub const NAME_LENGTH_MAX: usize = 64;
/// Characters shown of a name that is refused.
const NAME_SHOWN: usize = 80;

/// A name was empty, too long, or held a character outside `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} name `{}` must be 1 to {NAME_LENGTH_MAX} characters of A-Z a-z 0-9 . _ -{}{}", .got,
    if *.what == CLUSTER { "" } else { ", the first of them no dot" },
    if *.what == FIELD && .got.contains('@') { "; or two such names with one @ between them, as in fraud@v7" } else { "" }
)]
pub struct NameError {
    /// Which kind of name: `cluster`, `node` or `field`.
    pub what: &'static str,
    /// What was given, cut where it is absurdly long: an error that is kept must not keep all of it.
    pub got: String,
}

/// A text for a message, cut where it has more than so many characters.
pub(crate) fn cut(text: &str, shown: usize) -> String {
    match text.char_indices().nth(shown) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}

/// What a cluster's name is called in errors.
const CLUSTER: &str = "cluster";

/// What a field's name is called in errors.
const FIELD: &str = "field";

/// Names of fields and nodes that begin with a dot are reserved.
fn is_part(what: &str, name: &str) -> bool {
    let is_reserved = what != CLUSTER && name.starts_with('.');
    let is_in_alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !is_reserved && !name.is_empty() && name.bytes().all(is_in_alphabet)
}

fn is_valid(what: &str, name: &str) -> bool {
    let is_name = match name.split_once('@') {
        Some((model, version)) if what == FIELD => is_part(what, model) && is_part(what, version),
        _ => is_part(what, name),
    };
    is_name && name.len() <= NAME_LENGTH_MAX
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:expr) => {
        $(#[$doc])*
        #[derive(Clone, Eq)]
        pub struct $type(Arc<str>);

        /// Copies of a name share its text, so most comparisons need not look at it.
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl Ord for $type {
            fn cmp(&self, other: &Self) -> Ordering {
                if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Hash for $type {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl $type {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`NameError`] if it is empty, longer than [`NAME_LENGTH_MAX`] or holds another character.
            pub fn new(name: &str) -> Result<Self, NameError> {
                if is_valid($what, name) {
                    Ok(Self(name.into()))
                } else {
                    Err(NameError { what: $what, got: cut(name, NAME_SHOWN) })
                }
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }
    };
}

name!(
    /// Name of a cluster. Nodes of different clusters refuse each other.
    ClusterName,
    CLUSTER
);
name!(
    /// Name of a node, stable over its restarts.
    NodeId,
    "node"
);
name!(
    /// Name of a field: what entries of scope field and epoch belong to.
    FieldName,
    FIELD
);

/// The field that always exists.
pub const DEFAULT_FIELD: &str = "default";

/// The name in place of a node's that the base has.
pub(crate) const BASE_NAME: &str = ".base";

impl NodeId {
    /// The name in place of a node's that the base has. No node can be called so.
    pub(crate) fn base() -> Self {
        static BASE: LazyLock<NodeId> = LazyLock::new(|| NodeId(BASE_NAME.into()));
        BASE.clone()
    }
}

impl FieldName {
    /// The field that always exists.
    #[must_use]
    pub fn default_field() -> Self {
        Self(DEFAULT_FIELD.into())
    }

    /// Whether this is the field that always exists.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == DEFAULT_FIELD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_alphabet_are_refused() {
        for bad in ["", "a b", "é", "a/b", "a\n", &"x".repeat(65)] {
            assert!(FieldName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "node-1.psi_field", &"x".repeat(64)] {
            assert!(NodeId::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn only_a_field_is_named_by_two_names() {
        assert!(FieldName::new("fraud@v7").is_ok() && FieldName::new(&format!("m@{}", "v".repeat(62))).is_ok());
        for bad in ["@", "fraud@", "@v7", "a@b@c", ".a@b", "a@.b", "a@b/c", &format!("m@{}", "v".repeat(63))] {
            let error = FieldName::new(bad).expect_err(bad).to_string();
            assert!(error.ends_with("or two such names with one @ between them, as in fraud@v7"), "{error}");
        }
        assert!(NodeId::new("fraud@v7").is_err() && ClusterName::new("fraud@v7").is_err());
    }

    #[test]
    fn names_of_fields_and_nodes_that_begin_with_a_dot_are_reserved() {
        for name in [".", "..", ".psi", ".base"] {
            assert!(FieldName::new(name).is_err(), "{name}");
            assert!(NodeId::new(name).is_err(), "{name}");
            assert!(ClusterName::new(name).is_ok(), "{name}");
        }
        assert!(FieldName::new("a.b").is_ok() && NodeId::new("a.b").is_ok());
    }
}
