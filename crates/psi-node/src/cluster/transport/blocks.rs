//! Streams of blocks, each compressed or not: how chitchat writes digests and deltas.

use zstd::bulk::{Decompressor, compress_to_buffer};

use super::{error::DatagramError, reader::Reader};

/// What a datagram's blocks may unpack to, in bytes. The facts of 1,024 runs of nodes take 430 kB.
pub(super) const UNPACKED_MAX: usize = 512 * 1024;
/// Blocks of a datagram. chitchat fills each with 16,384 bytes.
pub(super) const BLOCKS_MAX: usize = 48;
/// What chitchat unpacks of one block.
const BLOCK_MAX: usize = u16::MAX as usize;
/// What chitchat packs into one block.
const BLOCK_FILL: usize = 16_384;

const END: u8 = 0;
const COMPRESSED: u8 = 1;
const AS_IS: u8 = 2;

/// What the streams of one datagram may still unpack.
pub(super) struct UnpackBudget {
    blocks: usize,
    bytes: usize,
}

impl UnpackBudget {
    pub(super) fn new() -> Self {
        Self { blocks: BLOCKS_MAX, bytes: UNPACKED_MAX }
    }

    fn take_block(&mut self) -> Result<(), DatagramError> {
        let too_many = DatagramError::Many { what: "blocks", limit: BLOCKS_MAX };
        self.blocks = self.blocks.checked_sub(1).ok_or(too_many)?;
        Ok(())
    }

    fn take_bytes(&mut self, count: usize) -> Result<(), DatagramError> {
        self.bytes = self.bytes.checked_sub(count).ok_or(TOO_LARGE)?;
        Ok(())
    }
}

const TOO_LARGE: DatagramError = DatagramError::Many { what: "bytes when unpacked", limit: UNPACKED_MAX };

/// Reads a stream to its end.
pub(super) fn unpack(reader: &mut Reader, budget: &mut UnpackBudget) -> Result<Vec<u8>, DatagramError> {
    let mut unpacked = Vec::new();
    // Reserved by the first block that is compressed.
    let mut decompressor = None;
    loop {
        let tag = reader.u8()?;
        if tag == END {
            return Ok(unpacked);
        }
        budget.take_block()?;
        let length = usize::from(reader.u16()?);
        let block = reader.take(length)?;
        match tag {
            COMPRESSED => {
                let unpacker = match &mut decompressor {
                    Some(unpacker) => unpacker,
                    none => none.insert(Decompressor::new().map_err(|_| DatagramError::Malformed("block"))?),
                };
                let (begin, room) = (unpacked.len(), budget.bytes.min(BLOCK_MAX));
                unpacked.resize(begin + room, 0);
                let count = unpacker.decompress_to_buffer(block, &mut unpacked[begin..]).map_err(|_| {
                    // zstd does not say which of the two it is.
                    if room < BLOCK_MAX { TOO_LARGE } else { DatagramError::Malformed("block") }
                })?;
                unpacked.truncate(begin + count);
                budget.take_bytes(count)?;
            }
            AS_IS => {
                budget.take_bytes(length)?;
                unpacked.extend_from_slice(block);
            }
            _ => return Err(DatagramError::Malformed("block")),
        }
    }
}

/// Appends a stream, as chitchat does.
pub(super) fn pack(bytes: &[u8], out: &mut Vec<u8>) {
    let mut packed = [0; BLOCK_FILL];
    for block in bytes.chunks(BLOCK_FILL) {
        let compressed = compress_to_buffer(block, &mut packed[..block.len()], 0);
        let (tag, content) = match &compressed {
            Ok(length) => (COMPRESSED, &packed[..*length]),
            // It would be longer.
            Err(_) => (AS_IS, block),
        };
        out.push(tag);
        out.extend_from_slice(&u16::try_from(content.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(content);
    }
    out.push(END);
}
