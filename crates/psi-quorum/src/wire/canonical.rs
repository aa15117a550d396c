//! Messages that are refused unless they are written just as this version writes them.

use prost::Message;

use crate::refusal::{DecodeError, MESSAGE_BYTES_MAX};

/// The message that these bytes are, if it is encoded in these bytes again. Unknown fields, fields out of order,
/// defaults and long integers are all refused so.
pub(crate) fn decode<M: Message + Default>(what: &'static str, bytes: &[u8]) -> Result<M, DecodeError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(DecodeError::Length { bytes: bytes.len() });
    }
    let message = M::decode(bytes).map_err(|_| DecodeError::Malformed(what))?;
    if message.encode_to_vec() == bytes { Ok(message) } else { Err(DecodeError::Malformed(what)) }
}
