//! A cursor over the bytes of a datagram, in chitchat's encoding: little-endian numbers, and texts after their length.

use super::error::DatagramError;

/// What is left to be read.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// How many bytes are left.
    pub(super) fn remaining(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], DatagramError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(DatagramError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DatagramError> {
        self.take(N)?.try_into().map_err(|_| DatagramError::Short)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DatagramError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DatagramError> {
        self.array().map(u16::from_le_bytes)
    }

    /// A version, a heartbeat: what is counted up from 0 or 1. Far below where a counter overflows.
    pub(super) fn counter(&mut self) -> Result<u64, DatagramError> {
        let counter = self.array().map(u64::from_le_bytes)?;
        if counter > u64::MAX / 2 { Err(DatagramError::Counter(counter)) } else { Ok(counter) }
    }

    /// A text of at most so many bytes.
    pub(super) fn text(&mut self, what: &'static str, limit: usize) -> Result<&'a str, DatagramError> {
        let length = usize::from(self.u16()?);
        if length > limit {
            return Err(DatagramError::Long { what, length, limit });
        }
        std::str::from_utf8(self.take(length)?).map_err(|_| DatagramError::Malformed(what))
    }
}
