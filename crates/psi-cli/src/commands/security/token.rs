//! `psi-field token`: makes an access token, and says what one is good for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use jiff::Timestamp;
use psi_replica::{FieldName, NodeId};
use psi_security::{
    certificate::Authority,
    token::{Role, TokenClaims, TokenId, UnverifiedToken},
};
use serde::Serialize;

use super::{KeyFile, OldFile, Target, read_keys};
use crate::output::{Failure, Output};

const AFTER_HELP: &str = "\
Examples:
  psi-field token --role step --name feeder --days 90
  psi-field token --role read --name prometheus --write prometheus.token
  psi-field token --role step --name feeder --write feeder.token --force
  psi-field token --role step --name hall3 --field pumps --field fans
  export PSI_TOKEN=$(psi-field token --role operator --name ann --days 1)
  psi-field token --show \"$PSI_TOKEN\"      # what is it good for?

Roles: `read` looks, `step` also sends steps, `operator` may do all. Tokens are made here, from the key; nodes keep no \
list of them. To revoke one before its time, write its name or id into the file of security.revoked_file on every \
node. Clients take it as --token or PSI_TOKEN, and from a file as --token-file or PSI_TOKEN_FILE; other programs send \
`authorization: Bearer TOKEN`. A file that --write finds stays as it is, with exit code 1, unless --force replaces it.";

/// Make an access token
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct TokenCommand {
    #[command(flatten)]
    key: KeyFile,

    /// What its holder may do: read, step, or operator
    #[arg(long, value_name = "ROLE", required_unless_present = "show", value_parser = parse_role)]
    role: Option<Role>,

    /// What people call it, in logs and to revoke it: 1 to 64 characters of A-Z a-z 0-9 . _ -
    #[arg(long, value_name = "NAME", required_unless_present = "show", value_parser = parse_name)]
    name: Option<String>,

    /// Field that it is for; several, repeated or separated by commas. Without one it is for all. Can't be combined with
    /// --role operator
    #[arg(long = "field", value_name = "NAME", value_delimiter = ',', value_parser = parse_field)]
    fields: Vec<String>,

    /// Days until it expires
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,

    /// Say what this token is good for. Nothing is verified
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["role", "name", "fields", "days"])]
    show: Option<String>,

    #[command(flatten)]
    target: Target,

    /// With --write: replace the file if it is there
    #[arg(long, requires = "write")]
    force: bool,
}

#[derive(Serialize)]
struct TokenAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    id: String,
    name: String,
    role: &'static str,
    fields: Vec<String>,
    cluster: String,
    expires: String,
    key: String,
}

fn parse_field(text: &str) -> Result<String, String> {
    FieldName::new(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}

/// As nodes are named: a list of such names needs no quotes.
fn parse_name(text: &str) -> Result<String, String> {
    NodeId::new(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}

fn parse_role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| "takes read, step or operator".to_owned())
}

impl TokenCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        if let Some(text) = &self.show {
            let token = UnverifiedToken::read(text.trim()).map_err(|error| Failure::failed(error.to_string()))?;
            return output.print(&answer(&token, None), described);
        }
        let make = || {
            let text = self.issue()?;
            let token = UnverifiedToken::read(&text).map_err(|error| Failure::failed(error.to_string()))?;
            Ok(answer(&token, Some(text)))
        };
        let old = if self.force { OldFile::Replaced } else { OldFile::Refused };
        self.target.put(output, old, make, |answer| answer.token.clone().unwrap_or_default())
    }

    fn issue(&self) -> Result<String, Failure> {
        let keys = read_keys(&self.key.key_file)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let lasts = Duration::from_secs(u64::from(self.days) * 24 * 60 * 60);
        let cluster = self.key.cluster_name.clone();
        let claims = TokenClaims {
            id: TokenId::from_random(rand::random()),
            name: self.name.clone().unwrap_or_default(),
            role: self.role.unwrap_or(Role::Read),
            fields: self.fields.clone(),
            not_after_s: (now + lasts).as_secs(),
            authorities: Authority::derive_all(&keys, &cluster).iter().map(Authority::hash).collect(),
            cluster,
        };
        claims.issue(&keys).map_err(|error| Failure::usage(error.to_string()))
    }
}

fn answer(token: &UnverifiedToken, text: Option<String>) -> TokenAnswer {
    let claims = token.claims();
    let seconds = i64::try_from(claims.not_after_s).unwrap_or(i64::MAX);
    TokenAnswer {
        token: text,
        id: claims.id.to_string(),
        name: claims.name.clone(),
        role: claims.role.name(),
        fields: claims.fields.clone(),
        cluster: claims.cluster.clone(),
        expires: Timestamp::from_second(seconds).map_or_else(|_| "never".to_owned(), |time| time.to_string()),
        key: token.key_id().to_string(),
    }
}

fn described(token: &TokenAnswer) -> String {
    let fields = if token.fields.is_empty() { "all fields".to_owned() } else { token.fields.join(", ") };
    let TokenAnswer { id, name, role, cluster, expires, key, .. } = token;
    format!(
        "token    {name} ({id})\nrole     {role}, for {fields}\ncluster  {cluster}\nexpires  {expires}\nkey      {key}"
    )
}
