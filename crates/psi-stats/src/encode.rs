//! Moments as bytes: canonical, so that equal moments are equal bytes wherever they are hashed.
//!
//! ```text
//! count  LEB128, minimal
//! width  LEB128, minimal
//! then for each dimension
//!   length of Σx (1 byte, 0..=16), Σx  little-endian two's complement, minimal; 0 has no bytes
//!   length of Σx² (1 byte, 0..=32), Σx² little-endian, minimal; 0 has no bytes
//! ```
//!
//! The scale of the inputs and a version of the format are left to the code that stores the bytes.

use ethnum::U256;

use crate::moments::sums::{Sums, SumsFault};
use crate::moments::{COUNT_LIMIT, Moments};

/// Two lengths, when both sums are 0.
const DIMENSION_BYTES_MIN: usize = 2;

/// LEB128: seven bits a byte, and one that says whether more follow.
const VARINT_BITS: u32 = 7;
const VARINT_MORE: u8 = 1 << VARINT_BITS;

/// Why bytes are not the encoding of any moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("{missing} bytes are missing at offset {offset}")]
    Truncated {
        /// Where the missing bytes should start.
        offset: usize,
        /// How many are known to be missing.
        missing: usize,
    },
    /// Bytes follow the last dimension.
    #[error("{extra} bytes follow the moments")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// The count or the width has more bytes than it needs.
    #[error("the variable-length integer at offset {offset} is not minimal")]
    VarintNotMinimal {
        /// Where the integer starts.
        offset: usize,
    },
    /// The count or the width does not fit 64 bits.
    #[error("the variable-length integer at offset {offset} does not fit 64 bits")]
    VarintTooLarge {
        /// Where the integer starts.
        offset: usize,
    },
    /// The width is more than the rest of the bytes could hold.
    #[error("{left} bytes cannot hold {width} dimensions")]
    WidthTooLarge {
        /// The width that was claimed.
        width: u64,
        /// Bytes after it.
        left: usize,
    },
    /// A sum is said to be longer than any is.
    #[error("a sum of {length} bytes at offset {offset} is longer than {max}")]
    SumTooLong {
        /// Where its length stands.
        offset: usize,
        /// Its length in bytes.
        length: usize,
        /// The greatest length in bytes.
        max: usize,
    },
    /// A sum has more bytes than it needs.
    #[error("the sum at offset {offset} is not minimal")]
    SumNotMinimal {
        /// Where its length stands.
        offset: usize,
    },
    /// The count is not below [`COUNT_LIMIT`].
    #[error("a count of {count} is not below the limit of {COUNT_LIMIT}")]
    CountLimit {
        /// The count.
        count: u64,
    },
    /// No inputs could have these sums.
    #[error("dimension {dimension}: {fault}")]
    Impossible {
        /// Index of the dimension, from 0.
        dimension: usize,
        /// What cannot be.
        fault: SumsFault,
    },
}

impl Moments {
    /// The moments as bytes: one byte string for each value.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// Appends [`Self::encode`] to `bytes`.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        put_varint(bytes, self.count);
        put_varint(bytes, self.width() as u64);
        for sums in &self.sums {
            put_sum(bytes, signed_minimal(&sums.sum.to_le_bytes()));
            put_sum(bytes, unsigned_minimal(&sums.squares.to_le_bytes()));
        }
    }

    /// The moments that [`Self::encode`] gives exactly these bytes for.
    ///
    /// Safe on bytes from anywhere: memory stays within a constant times their length.
    ///
    /// # Errors
    /// [`DecodeError`] says where the bytes differ from any encoding, or which sums no inputs could have.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let count = reader.varint()?;
        if count >= COUNT_LIMIT {
            return Err(DecodeError::CountLimit { count });
        }
        let width = reader.width()?;
        let mut sums = Vec::with_capacity(width);
        for dimension in 0..width {
            let read = Sums { sum: reader.signed()?, squares: reader.unsigned()? };
            read.check(count).map_err(|fault| DecodeError::Impossible { dimension, fault })?;
            sums.push(read);
        }
        reader.end()?;
        Ok(Self { count, sums })
    }
}

pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= u64::from(VARINT_MORE) {
        bytes.push(value.to_le_bytes()[0] | VARINT_MORE);
        value >>= VARINT_BITS;
    }
    bytes.push(value.to_le_bytes()[0]);
}

fn put_sum(bytes: &mut Vec<u8>, sum: &[u8]) {
    bytes.push(u8::try_from(sum.len()).expect("a sum has at most 32 bytes"));
    bytes.extend_from_slice(sum);
}

/// Cuts the highest bytes that only repeat the sign.
fn signed_minimal(mut bytes: &[u8]) -> &[u8] {
    while !signed_is_minimal(bytes) {
        bytes = &bytes[..bytes.len() - 1];
    }
    bytes
}

/// Cuts the highest bytes that are 0.
fn unsigned_minimal(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..length]
}

/// Whether the highest byte says more than the sign bit below it; below a single byte stands 0.
fn signed_is_minimal(bytes: &[u8]) -> bool {
    let Some((&highest, lower)) = bytes.split_last() else {
        return true;
    };
    highest != sign_byte(lower)
}

/// What a two's complement number is extended with; no bytes are 0.
fn sign_byte(bytes: &[u8]) -> u8 {
    match bytes.last() {
        Some(&highest) if highest >= 0x80 => 0xff,
        _ => 0,
    }
}

/// Takes values from the front of bytes that nobody has checked.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Refuses bytes that follow.
    pub(crate) fn end(self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            extra => Err(DecodeError::TrailingBytes { extra }),
        }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let offset = self.offset;
        let missing = length.saturating_sub(self.left());
        if missing > 0 {
            return Err(DecodeError::Truncated { offset: self.bytes.len(), missing });
        }
        self.offset += length;
        Ok(&self.bytes[offset..self.offset])
    }

    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let offset = self.offset;
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(VARINT_BITS as usize) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & !VARINT_MORE);
            if bits << shift >> shift != bits {
                return Err(DecodeError::VarintTooLarge { offset });
            }
            value |= bits << shift;
            if byte & VARINT_MORE == 0 {
                let minimal = byte != 0 || shift == 0;
                return if minimal { Ok(value) } else { Err(DecodeError::VarintNotMinimal { offset }) };
            }
        }
        Err(DecodeError::VarintTooLarge { offset })
    }

    /// The width, refused before anything is allocated for it if the bytes left are too few.
    fn width(&mut self) -> Result<usize, DecodeError> {
        let width = self.varint()?;
        let left = self.left();
        let fits = |&width: &usize| width <= left / DIMENSION_BYTES_MIN;
        usize::try_from(width).ok().filter(fits).ok_or(DecodeError::WidthTooLarge { width, left })
    }

    fn signed(&mut self) -> Result<i128, DecodeError> {
        let sum = self.sum(size_of::<i128>(), signed_is_minimal)?;
        let mut bytes = [sign_byte(sum); size_of::<i128>()];
        bytes[..sum.len()].copy_from_slice(sum);
        Ok(i128::from_le_bytes(bytes))
    }

    fn unsigned(&mut self) -> Result<U256, DecodeError> {
        let sum = self.sum(size_of::<U256>(), |sum| sum.last() != Some(&0))?;
        let mut bytes = [0; size_of::<U256>()];
        bytes[..sum.len()].copy_from_slice(sum);
        Ok(U256::from_le_bytes(bytes))
    }

    /// A length of at most `max`, and so many bytes.
    fn sum(&mut self, max: usize, is_minimal: fn(&[u8]) -> bool) -> Result<&'a [u8], DecodeError> {
        let offset = self.offset;
        let length = usize::from(self.take(1)?[0]);
        if length > max {
            return Err(DecodeError::SumTooLong { offset, length, max });
        }
        let sum = self.take(length)?;
        if is_minimal(sum) { Ok(sum) } else { Err(DecodeError::SumNotMinimal { offset }) }
    }
}
