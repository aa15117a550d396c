//! How people name a record.

use std::{fmt, str::FromStr};

/// A record by its node, its run and its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordName {
    pub(super) node: String,
    pub(super) run: u64,
    pub(super) index: u64,
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.node, self.run, self.index)
    }
}

/// Takes the whole name of a ledger before the index, too.
impl FromStr for RecordName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.rsplit('/');
            let (index, run) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let node = parts.next().filter(|node| !node.is_empty())?;
            Some(Self { node: node.to_owned(), run, index })
        };
        read().ok_or_else(|| "a record is NODE/RUN/INDEX, such as n1/1764468265123456/3; see `ledger list`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_in_short_or_in_full() {
        let want = Ok(RecordName { node: "n1".to_owned(), run: 42, index: 3 });
        assert_eq!("n1/42/3".parse(), want);
        assert_eq!("psi-field/ledger/prod/n1/42/3".parse(), want);
        for bad in ["", "3", "42/3", "/42/3", "n1/42/", "n1/x/3", "n1/42/-3"] {
            assert!(bad.parse::<RecordName>().is_err(), "{bad}");
        }
    }
}
