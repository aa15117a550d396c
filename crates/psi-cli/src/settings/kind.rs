//! What values a setting takes. The limits are checked here, so that a setting that is put is valid.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use psi_node::{WebHosts, WebOrigins, Webhook, WebhookError};
use psi_replica::NameError;
use toml::Value;

use super::{address::with_default_port, all::AllSettings};

/// The port of gossip where a seed names none.
const GOSSIP_PORT: u16 = 7280;
/// Says that a setting has no value, where that has a meaning. An empty text does not: it is what a variable that was
/// not set leaves behind.
pub(crate) const NONE: &str = "none";

/// A type of value, with where it goes.
pub(crate) enum Kind {
    /// 1 to 64 characters of `[A-Za-z0-9._-]`.
    Name(fn(&mut AllSettings, &str) -> Result<(), NameError>),
    /// A text with a rule of its own.
    Text(fn(&mut AllSettings, &str) -> Result<(), String>),
    /// One of a few words.
    Choice(&'static [&'static str], fn(&mut AllSettings, &str)),
    /// A whole number between limits, both included.
    Whole { min: u64, max: u64, put: fn(&mut AllSettings, u64) },
    /// 0 for none, or a whole number between limits, both included.
    WholeOrNone { min: u64, max: u64, put: fn(&mut AllSettings, u64) },
    /// True or false.
    Switch(fn(&mut AllSettings, bool)),
    /// An IP address and a port.
    Address(fn(&mut AllSettings, SocketAddr)),
    /// An IP address and a port that others can dial, or [`NONE`].
    AddressOrNone(fn(&mut AllSettings, Option<SocketAddr>)),
    /// A directory, which need not exist, or [`NONE`].
    DirectoryOrNone(fn(&mut AllSettings, Option<PathBuf>)),
    /// A file, or [`NONE`].
    FileOrNone(fn(&mut AllSettings, Option<PathBuf>)),
    /// A list of `host:port`, or [`NONE`].
    Seeds(fn(&mut AllSettings, Vec<String>)),
    /// A list of origins of web pages, `*`, or [`NONE`].
    Origins(fn(&mut AllSettings, WebOrigins)),
    /// A list of names of hosts, `*`, or [`NONE`].
    Hosts(fn(&mut AllSettings, WebHosts)),
    /// An address that events are posted to, or [`NONE`].
    WebhookOrNone(fn(&mut AllSettings, Option<Webhook>)),
}

impl Kind {
    /// Checks a value and puts it where it goes.
    ///
    /// # Errors
    /// For people: what is taken instead. Nothing was put.
    pub(crate) fn put(&self, all: &mut AllSettings, value: &Value) -> Result<(), String> {
        if is_empty(value) {
            return Err(format!("is empty; it takes {}; leave it out for the default", self.takes()));
        }
        match self {
            Self::Name(put) => put(all, text(value)?).map_err(|error| error.to_string()),
            Self::Text(put) => put(all, text(value)?),
            Self::Choice(words, put) => {
                let word = text(value)?;
                let known = words.contains(&word);
                known.then(|| put(all, word)).ok_or_else(|| format!("takes {}", self.takes()))
            }
            Self::Whole { min, max, put } => {
                let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
                let within = number.filter(|number| (min..=max).contains(&number));
                within.map(|number| put(all, number)).ok_or_else(|| format!("takes {}", self.takes()))
            }
            Self::WholeOrNone { min, max, put } => {
                let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
                let within = number.filter(|number| *number == 0 || (min..=max).contains(&number));
                within.map(|number| put(all, number)).ok_or_else(|| format!("takes {}", self.takes()))
            }
            Self::Switch(put) => value.as_bool().map(|on| put(all, on)).ok_or_else(|| "takes true or false".to_owned()),
            Self::Address(put) => address(text(value)?).map(|address| put(all, address)),
            Self::AddressOrNone(put) => match text(value)? {
                NONE => {
                    put(all, None);
                    Ok(())
                }
                text => dialled(text).map(|address| put(all, Some(address))),
            },
            Self::DirectoryOrNone(put) | Self::FileOrNone(put) => {
                let text = text(value)?;
                put(all, (text != NONE).then(|| PathBuf::from(text)));
                Ok(())
            }
            Self::Seeds(put) => or_none(value, seeds).map(|seeds| put(all, seeds)),
            Self::Origins(put) => or_none(value, origins).map(|origins| put(all, origins)),
            Self::Hosts(put) => or_none(value, hosts).map(|hosts| put(all, hosts)),
            Self::WebhookOrNone(put) => match text(value)? {
                NONE => {
                    put(all, None);
                    Ok(())
                }
                text => {
                    text.parse().map(|webhook| put(all, Some(webhook))).map_err(|error: WebhookError| error.to_string())
                }
            },
        }
    }

    /// The value that a variable or a flag means. One that can't be read stays a text, for [`Self::put`] to refuse.
    pub(crate) fn value_of(&self, text: &str) -> Value {
        match self {
            Self::Whole { .. } | Self::WholeOrNone { .. } => parsed(text, Value::Integer),
            Self::Switch(_) => parsed(text, Value::Boolean),
            Self::Seeds(_) | Self::Origins(_) | Self::Hosts(_) if text.trim() != NONE => {
                // One comma at the end is a habit; another stands beside a part that is missing.
                let parts = text.trim().strip_suffix(',').unwrap_or(text).split(',').map(str::trim);
                Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
            }
            _ => Value::String(text.to_owned()),
        }
    }

    /// What it takes, for help and errors.
    pub(crate) fn takes(&self) -> String {
        match self {
            Self::Name(_) => "1 to 64 characters of A-Z a-z 0-9 . _ -".to_owned(),
            Self::Text(_) => "a text".to_owned(),
            Self::Choice(words, _) => words.join(" or "),
            Self::Whole { min, max, .. } => format!("a whole number from {min} to {max}"),
            Self::WholeOrNone { min, max, .. } => format!("0, or a whole number from {min} to {max}"),
            Self::Switch(_) => "true or false".to_owned(),
            Self::Address(_) => "an IP address and a port".to_owned(),
            Self::AddressOrNone(_) => format!("an IP address and a port, or {NONE}"),
            Self::DirectoryOrNone(_) => format!("a directory, or {NONE}"),
            Self::FileOrNone(_) => format!("a file, or {NONE}"),
            Self::Seeds(_) => format!("host:port, more after commas, or {NONE}"),
            Self::Origins(_) => format!("origins such as https://panel.example, more after commas; *, or {NONE}"),
            Self::WebhookOrNone(_) => format!("an address such as https://hooks.example/psi-field, or {NONE}"),
            Self::Hosts(_) => format!("names such as psi.example, more after commas; *, or {NONE}"),
        }
    }
}

/// Whether a value is given and says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.iter().all(is_empty),
        _ => false,
    }
}

/// What a value is read as; nothing for [`NONE`].
fn or_none<T: Default>(value: &Value, read: impl Fn(&Value) -> Result<T, String>) -> Result<T, String> {
    if value.as_str() == Some(NONE) { Ok(T::default()) } else { read(value) }
}

fn parsed<T: FromStr>(text: &str, value: fn(T) -> Value) -> Value {
    text.trim().parse().map_or_else(|_| Value::String(text.to_owned()), value)
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "takes a text, in quotes".to_owned())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| "takes an IP address and a port, such as 127.0.0.1:7000 or [::1]:7000".to_owned())
}

fn dialled(text: &str) -> Result<SocketAddr, String> {
    let address = address(text)?;
    if address.ip().is_unspecified() || address.port() == 0 {
        return Err("is not an address that others can reach; name one, or none".to_owned());
    }
    Ok(address)
}

fn seeds(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().ok_or_else(|| "takes a list of texts, such as [\"node-1:7280\"]".to_owned())?;
    let seed = |seed: &Value| with_default_port(text(seed)?, GOSSIP_PORT);
    list.iter().map(seed).collect()
}

fn hosts(value: &Value) -> Result<WebHosts, String> {
    let list = value.as_array().ok_or_else(|| "takes a list of texts, such as [\"psi.example\"]".to_owned())?;
    WebHosts::new(&list.iter().map(text).collect::<Result<Vec<_>, _>>()?)
}

fn origins(value: &Value) -> Result<WebOrigins, String> {
    let list =
        value.as_array().ok_or_else(|| "takes a list of texts, such as [\"https://panel.example\"]".to_owned())?;
    WebOrigins::new(&list.iter().map(text).collect::<Result<Vec<_>, _>>()?)
}
