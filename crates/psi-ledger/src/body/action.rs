//! What a node or a caller did.

use prost::Message;

use super::BodyRefusal;
use crate::{canonical, proto};

/// Longest text of an action. Longer ones are cut at a character.
const TEXT_BYTES_MAX: usize = 256;
const WHAT: &str = "action";

/// What a node or a caller did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// What was called, or what of the node acted.
    pub method: String,
    /// The field, node or time that it is about.
    pub object: String,
    /// Where the method does not say what was done.
    pub action: String,
    /// How it ended.
    pub outcome: String,
    /// Where the caller is.
    pub address: String,
    /// How many like it this stands for; 0 for one.
    pub count: u64,
}

impl Action {
    /// Its bytes, which may be longer than fits into a record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { method, object, action, outcome, address, count } = self;
        let [method, object, action, outcome, address] =
            [method, object, action, outcome, address].map(|text| cut(text));
        proto::Action { method, object, action, outcome, address, count: *count }.encode_to_vec()
    }

    /// Reads what a record says.
    ///
    /// # Errors
    /// [`BodyRefusal`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyRefusal> {
        let message: proto::Action = canonical::decode(bytes).ok_or(BodyRefusal::Malformed(WHAT))?;
        let proto::Action { method, object, action, outcome, address, count } = message;
        if [&method, &object, &action, &outcome, &address].iter().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(BodyRefusal::Malformed(WHAT));
        }
        Ok(Self { method, object, action, outcome, address, count })
    }
}

fn cut(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let long = Action { object: "é".repeat(200), ..Action::default() };
        let read = Action::decode(&long.encode()).unwrap();
        assert_eq!(read.object, "é".repeat(128));
        assert_eq!(Action::decode(&read.encode()), Ok(read));
    }

    #[test]
    fn what_is_written_otherwise_is_refused() {
        for bytes in [&b"\x0a\x00"[..], b"\x3a\x00", b"\xff", b"\x0a\xff\xff\xff\xff\x0f"] {
            assert_eq!(Action::decode(bytes), Err(BodyRefusal::Malformed(WHAT)), "{bytes:?}");
        }
    }
}
