//! What commands show to nodes: an access token, from where arguments and variables say, or nothing.

use std::{
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Id, error::ErrorKind, parser::ValueSource};
use psi_client::{Access, AuthorityFile};
use psi_security::{
    certificate::{Authority, NamePattern},
    key::KeyRing,
    token::{Role, TokenClaims, TokenId},
};

use super::token_file::{TokenFile, TokenReading};
use crate::{
    output::Failure,
    settings::{self, NONE},
};

/// The arguments that name a token, in the order in which their variables count.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Nodes")]
struct AccessArguments {
    /// Access token, where the cluster has a key; `psi-field token` makes one
    // Read later than other arguments: what is wrong with those is shown with their value, and this one is secret.
    #[arg(long, env = settings::TOKEN, hide_env_values = true, value_name = "TOKEN")]
    token: Option<SecretText>,

    /// File that holds the access token. It is read again when nodes refuse the token
    #[arg(long, env = settings::TOKEN_FILE, value_name = "FILE", value_parser = path)]
    token_file: Option<PathBuf>,

    /// Key file of the cluster, in place of a token
    #[arg(long, env = settings::KEY_FILE, value_name = "FILE", value_parser = path)]
    key_file: Option<PathBuf>,

    /// Authorities of the nodes, in PEM, where nodes have a tls.ca of their own
    #[arg(long, env = settings::TLS_CA, value_name = "FILE", value_parser = path)]
    tls_ca: Option<PathBuf>,

    /// How certificates of --tls-ca name nodes, where nodes have a tls.name
    #[arg(long, env = settings::TLS_NAME, value_name = "URI")]
    tls_name: Option<String>,
}

/// Names of those that give a token.
const ARGUMENTS: [&str; 3] = ["token", "token_file", "key_file"];

#[expect(clippy::unnecessary_wraps, reason = "clap wants it so; its own parser refuses an empty variable")]
fn path(text: &str) -> Result<PathBuf, Infallible> {
    Ok(text.trim().into())
}

/// What to show to nodes. Clones share it, as it may be read again.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessOptions(Arc<SharedAccess>);

#[derive(Debug, Default)]
struct SharedAccess {
    source: TokenSource,
    authorities: AuthorityArguments,
    /// What was read when it was first asked for.
    access: OnceLock<Access>,
}

/// Whom to trust in place of those that the token names.
#[derive(Debug, Default)]
struct AuthorityArguments {
    file: Option<PathBuf>,
    names: Option<String>,
}

/// Where the token comes from.
#[derive(Debug, Default)]
enum TokenSource {
    /// There is none.
    #[default]
    Nowhere,
    Text(SecretText),
    File(TokenFile),
    /// Made from the cluster's key.
    Key(PathBuf),
}

impl AccessOptions {
    /// The token. What names it is read the first time.
    ///
    /// # Errors
    /// If what was given is no token, or can't be read.
    pub(crate) fn get(&self) -> Result<Access, Failure> {
        let SharedAccess { source, authorities, access } = &*self.0;
        if let Some(access) = access.get() {
            return Ok(access.clone());
        }
        let read = match source {
            TokenSource::Nowhere => Access::default(),
            TokenSource::Text(SecretText(text)) => Access::of_token(text)
                .map_err(|problem| Failure::usage(format!("--token, or {}: {problem}", settings::TOKEN)))?,
            TokenSource::File(file) => file
                .open()
                .map_err(|problem| Failure::usage(format!("--token-file, or {}: {problem}", settings::TOKEN_FILE)))?,
            TokenSource::Key(path) => of_key_file(path)
                .map_err(|problem| Failure::usage(format!("--key-file, or {}: {problem}", settings::KEY_FILE)))?,
        };
        let read = match authorities.open(&read)? {
            Some(file) => read.trusting(file),
            None => read,
        };
        Ok(access.get_or_init(|| read).clone())
    }

    /// Which reading of the token's file the next call shows.
    pub(crate) fn reading(&self) -> TokenReading {
        self.file().map(TokenFile::reading).unwrap_or_default()
    }

    /// Whether the token comes from a file, so that there may be another one later.
    pub(crate) fn is_from_file(&self) -> bool {
        self.file().is_some()
    }

    /// Reads the token's file again, if there is one, now that nodes refuse the token of `refused`. Whether there is
    /// another token by now.
    ///
    /// # Errors
    /// What is wrong with the file. The token of before stays.
    pub(crate) fn renew(&self, refused: TokenReading) -> Result<bool, String> {
        match (self.file(), self.0.access.get()) {
            (Some(file), Some(access)) => file.renew(refused, access),
            _ => Ok(false),
        }
    }

    fn file(&self) -> Option<&TokenFile> {
        match &self.0.source {
            TokenSource::File(file) => Some(file),
            _ => None,
        }
    }
}

impl AuthorityArguments {
    /// The file, if there is one. It is read before anything is dialled.
    fn open(&self, access: &Access) -> Result<Option<AuthorityFile>, Failure> {
        let Some(path) = self.file.clone() else { return Ok(None) };
        let cluster = access.cluster().unwrap_or_else(cluster_of_variable);
        let wrong = |flag, variable, why: String| Failure::usage(format!("{flag}, or {variable}: {why}"));
        let names = NamePattern::new(self.names.as_deref().unwrap_or(NamePattern::DEFAULT), &cluster);
        let names = names.map_err(|error| wrong("--tls-name", settings::TLS_NAME, error.to_string()))?;
        let file = AuthorityFile::open(path, names);
        file.map(Some).map_err(|error| wrong("--tls-ca", settings::TLS_CA, error.to_string()))
    }
}

fn cluster_of_variable() -> String {
    std::env::var(settings::CLUSTER).unwrap_or_else(|_| "psi-field".to_owned())
}

fn is_given(path: &Path) -> bool {
    !path.as_os_str().is_empty() && path.as_os_str() != NONE
}

impl From<AccessArguments> for AccessOptions {
    fn from(AccessArguments { token, token_file, key_file, tls_ca, tls_name }: AccessArguments) -> Self {
        let token = token.filter(|SecretText(text)| !text.trim().is_empty()).map(TokenSource::Text);
        let file = token_file.filter(|path| is_given(path)).map(|path| TokenSource::File(TokenFile::new(path)));
        let key = key_file.filter(|path| is_given(path)).map(TokenSource::Key);
        let source = token.or(file).or(key).unwrap_or_default();
        let authorities = AuthorityArguments { file: tls_ca.filter(|path| is_given(path)), names: tls_name };
        Self(Arc::new(SharedAccess { source, authorities, access: OnceLock::new() }))
    }
}

/// Flags come before variables: a token in the environment does not hide a file that was named by hand.
impl FromArgMatches for AccessOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        let is_flag = ARGUMENTS.map(|name| matches.value_source(name) == Some(ValueSource::CommandLine));
        let given = AccessArguments::from_arg_matches_mut(matches)?;
        let mut flags = ARGUMENTS.iter().zip(is_flag).filter(|(_, is_flag)| *is_flag).map(|(name, _)| *name);
        let arguments = match (flags.next(), flags.next()) {
            (Some(first), Some(second)) => {
                let flag = |name: &str| format!("--{}", name.replace('_', "-"));
                let message = format!("{} can't be used with {}: name one of them\n", flag(first), flag(second));
                return Err(Error::raw(ErrorKind::ArgumentConflict, message));
            }
            (Some(_), None) => AccessArguments {
                token: given.token.filter(|_| is_flag[0]),
                token_file: given.token_file.filter(|_| is_flag[1]),
                key_file: given.key_file.filter(|_| is_flag[2]),
                ..given
            },
            (None, _) => given,
        };
        Ok(arguments.into())
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for AccessOptions {
    fn group_id() -> Option<Id> {
        AccessArguments::group_id()
    }

    fn augment_args(command: Command) -> Command {
        AccessArguments::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        AccessArguments::augment_args_for_update(command)
    }
}

/// A text that is not shown.
#[derive(Clone)]
struct SecretText(String);

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// What a key file gives: all that an operator may, in the cluster that the variable names.
fn of_key_file(path: &PathBuf) -> Result<Access, String> {
    let shown = path.display();
    let content = std::fs::read(path).map_err(|error| format!("can't read {shown}: {error}"))?;
    let ring = KeyRing::parse(&content).map_err(|error| format!("{shown}: {error}"))?;
    let cluster = cluster_of_variable();
    let claims = TokenClaims {
        id: TokenId::from_random(rand::random()),
        name: "key-file".to_owned(),
        role: Role::Operator,
        fields: Vec::new(),
        not_after_s: u64::MAX,
        authorities: Authority::derive_all(&ring, &cluster).iter().map(Authority::hash).collect(),
        cluster,
    };
    let token = claims.issue(&ring).map_err(|error| error.to_string())?;
    Access::of_token(&token).map_err(|error| error.to_string())
}
