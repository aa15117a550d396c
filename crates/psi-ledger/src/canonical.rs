//! Messages that are refused unless they are written just as this version writes them.

use prost::Message;

/// The message that these bytes are, if it is encoded in these bytes again. Unknown fields, fields out of order,
/// defaults and long integers are all refused so.
pub(crate) fn decode<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    (message.encode_to_vec() == bytes).then_some(message)
}
