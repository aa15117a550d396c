//! Names: of models, versions and rollouts. A version of a model is the field `model@version`, so that both parts
//! together are no longer than a field's name may be, and neither holds an `@` or a `/`.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use crate::text::{list, shown};

/// Longest name, and longest `model@version`, in bytes: as long as a field's name may be.
pub const NAME_BYTES_MAX: usize = 64;
/// Versions of a model that take steps at one time: champion, canary and two more.
pub const LIVE_VERSIONS_MAX: usize = 4;
/// Characters shown of a name that is refused.
const NAME_SHOWN: usize = 80;

/// A text that is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{}` {fault}", shown(.got, NAME_SHOWN))]
pub struct NameError {
    /// What it was to name.
    pub what: &'static str,
    /// The text, cut if it is absurdly long.
    pub got: String,
    /// What is wrong with it.
    pub fault: NameFault,
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// Nothing is there.
    #[error("is empty: give 1 to {NAME_BYTES_MAX} characters of A-Z a-z 0-9 . _ -")]
    Empty,
    /// It is too long.
    #[error("has {bytes} bytes, and at most {NAME_BYTES_MAX} are allowed: shorten it")]
    Length {
        /// Its length in bytes.
        bytes: usize,
    },
    /// `@` stands between model and version, once.
    #[error("holds an `@`, which stands only between model and version, as in `fraud@v7`: leave it out")]
    At,
    /// `/` separates parts of paths.
    #[error("holds a `/`, which separates parts of paths: write `-` or `.` instead")]
    Slash,
    /// Such names are reserved.
    #[error("begins with a dot, and such names are reserved: begin with a letter or a digit")]
    Dot,
    /// Another character.
    #[error("holds {character:?}, and only A-Z a-z 0-9 . _ - are allowed")]
    Character {
        /// The first that is not allowed.
        character: char,
    },
    /// No version is named.
    #[error("names no version: write model and version with one `@` between them, as in `fraud@v7`")]
    NoVersion,
    /// More than one `@`.
    #[error("holds {count} `@`, and exactly one stands between model and version, as in `fraud@v7`")]
    ManyAts {
        /// How many it holds.
        count: usize,
    },
}

fn refusal(what: &'static str, got: &str, fault: NameFault) -> NameError {
    NameError { what, got: got.chars().take(2 * NAME_SHOWN).collect(), fault }
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

/// What is wrong with a name, if anything is.
fn fault_of(name: &str) -> Option<NameFault> {
    if name.is_empty() {
        return Some(NameFault::Empty);
    }
    match name.chars().find(|character| !is_plain(*character)) {
        Some('@') => Some(NameFault::At),
        Some('/') => Some(NameFault::Slash),
        Some(character) => Some(NameFault::Character { character }),
        None if name.starts_with('.') => Some(NameFault::Dot),
        None => (name.len() > NAME_BYTES_MAX).then_some(NameFault::Length { bytes: name.len() }),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`NameError`] if it is empty, longer than [`NAME_BYTES_MAX`] or holds another character.
            pub fn new(name: &str) -> Result<Self, NameError> {
                fault_of(name).map_or_else(|| Ok(Self(name.into())), |fault| Err(refusal($what, name, fault)))
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

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }
    };
}

name!(
    /// What a model is called.
    ModelName,
    "model"
);
name!(
    /// What a version of a model is called, without the model.
    VersionName,
    "version"
);
name!(
    /// What a rollout is called. Which keys it takes first depends on it.
    RolloutId,
    "rollout"
);

/// A version of a model, written `model@version`: the name of its field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelVersion {
    model: ModelName,
    version: VersionName,
}

impl ModelVersion {
    /// This version of this model.
    ///
    /// # Errors
    /// [`NameFault::Length`] if both and the `@` are longer than [`NAME_BYTES_MAX`].
    pub fn new(model: ModelName, version: VersionName) -> Result<Self, NameError> {
        let bytes = model.as_str().len() + 1 + version.as_str().len();
        if bytes > NAME_BYTES_MAX {
            return Err(refusal("model@version", &format!("{model}@{version}"), NameFault::Length { bytes }));
        }
        Ok(Self { model, version })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &ModelName {
        &self.model
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &VersionName {
        &self.version
    }
}

impl fmt::Display for ModelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.model, self.version)
    }
}

impl FromStr for ModelVersion {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let fault = |fault| refusal("model@version", text, fault);
        match text.matches('@').count() {
            0 => Err(fault(NameFault::NoVersion)),
            1 => {
                let (model, version) = text.split_once('@').ok_or_else(|| fault(NameFault::NoVersion))?;
                Self::new(ModelName::new(model)?, VersionName::new(version)?)
            }
            count => Err(fault(NameFault::ManyAts { count })),
        }
    }
}

/// The versions of a model that take steps: at most [`LIVE_VERSIONS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveVersions(BTreeSet<VersionName>);

/// One more live version than a model may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "version {got} would be live beside {}: a model has at most {LIVE_VERSIONS_MAX} live versions; archive one first",
    list(.live)
)]
pub struct LiveVersionsError {
    /// The version that was refused.
    pub got: VersionName,
    /// Those that are live.
    pub live: Vec<VersionName>,
}

impl LiveVersions {
    /// Adds a version; one that is live already changes nothing.
    ///
    /// # Errors
    /// [`LiveVersionsError`] if as many as may be are live. Nothing has changed then.
    pub fn add(&mut self, version: &VersionName) -> Result<(), LiveVersionsError> {
        if self.0.len() >= LIVE_VERSIONS_MAX && !self.0.contains(version) {
            return Err(LiveVersionsError { got: version.clone(), live: self.0.iter().cloned().collect() });
        }
        self.0.insert(version.clone());
        Ok(())
    }

    /// Takes a version out; `false` if it was not live.
    pub fn remove(&mut self, version: &VersionName) -> bool {
        self.0.remove(version)
    }

    /// The versions, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &VersionName> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> NameFault {
        text.parse::<ModelVersion>().expect_err(text).fault
    }

    #[test]
    fn names_of_versions_are_refused_by_what_is_wrong() {
        let whole = format!("{}@{}", "m".repeat(31), "v".repeat(32));
        for good in ["fraud@v7", "a.b_c-D@0", &whole] {
            assert_eq!(good.parse::<ModelVersion>().expect(good).to_string(), good);
        }
        for (bad, want) in [
            ("fraud", NameFault::NoVersion),
            ("", NameFault::NoVersion),
            ("@", NameFault::Empty),
            ("fraud@", NameFault::Empty),
            ("@v7", NameFault::Empty),
            ("fraud@v7@v8", NameFault::ManyAts { count: 2 }),
            ("@fraud@v7", NameFault::ManyAts { count: 2 }),
            ("models/fraud@v7", NameFault::Slash),
            ("fraud@v/7", NameFault::Slash),
            ("fraud@/v7", NameFault::Slash),
            (".fraud@v7", NameFault::Dot),
            ("fraud@.", NameFault::Dot),
            ("fräud@v7", NameFault::Character { character: 'ä' }),
            ("fraud @v7", NameFault::Character { character: ' ' }),
            (&format!("m{whole}"), NameFault::Length { bytes: 65 }),
        ] {
            assert_eq!(fault(bad), want, "{bad}");
        }
        assert_eq!(VersionName::new("v@7").expect_err("no version").fault, NameFault::At);
        assert_eq!(
            RolloutId::new("a/b").expect_err("no id").to_string(),
            "rollout `a/b` holds a `/`, which separates parts of paths: write `-` or `.` instead"
        );
        let error = ModelName::new(&"\u{1b}".repeat(5_000)).expect_err("no name").to_string();
        assert!(error.len() < 800 && !error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn a_fifth_live_version_is_refused() {
        let version = |text: &str| VersionName::new(text).expect("a name");
        let mut live = LiveVersions::default();
        for name in ["v1", "v2", "v3", "v4", "v4"] {
            live.add(&version(name)).expect("room");
        }
        let error = live.add(&version("v5")).expect_err("the fifth");
        assert_eq!(
            error.to_string(),
            "version v5 would be live beside v1, v2, v3, v4: a model has at most 4 live versions; archive one first"
        );
        assert!(live.remove(&version("v1")) && !live.remove(&version("v1")) && live.add(&version("v5")).is_ok());
        assert_eq!(live.iter().count(), 4);
    }
}
