//! Histograms as bytes: canonical, so that equal counts are equal bytes, and short, since most buckets are empty.
//!
//! ```text
//! count    LEB128, minimal
//! width    LEB128, minimal: columns, without pairs
//! columns  LEB128, minimal: with pairs
//! then for each column, unless the count is 0
//!   the first bucket that is not empty (1 byte)
//!   how many follow, to the last that is not (1 byte)
//!   their counts  LEB128, minimal each
//! ```

use super::Histogram;
use crate::drift::anchor::ANCHOR_COLUMNS_MAX;
use crate::drift::column::COLUMN_BUCKETS;
use crate::encode::{DecodeError, Reader, put_varint};
use crate::moments::COUNT_LIMIT;

/// Each column may have one pair.
const COLUMNS_MAX: usize = 2 * ANCHOR_COLUMNS_MAX;

/// Why bytes are not the encoding of any histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistogramDecodeError {
    /// Not even its numbers can be read.
    #[error(transparent)]
    Bytes(#[from] DecodeError),
    /// Too many columns, or fewer with pairs than without.
    #[error("{columns} columns, {width} of them without pairs; there are at most {COLUMNS_MAX}")]
    Columns {
        /// Columns with pairs.
        columns: u64,
        /// Columns without.
        width: u64,
    },
    /// Buckets that there are not, or that are empty where they should not be.
    #[error("column {0} has buckets that there are not, or begins or ends with an empty one")]
    Buckets(usize),
    /// A column counts other inputs than the histogram does.
    #[error("column {0} counts other inputs than the histogram")]
    Count(usize),
}

impl Histogram {
    /// The counts as bytes: one byte string for each value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.count, self.width as u64, self.columns.len() as u64] {
            put_varint(&mut bytes, number);
        }
        if self.count == 0 {
            return bytes;
        }
        for column in &self.columns {
            let first = column.iter().position(|count| *count > 0).unwrap_or(0);
            let end = column.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
            bytes.extend([first, end - first].map(|number| u8::try_from(number).unwrap_or(u8::MAX)));
            column[first..end].iter().for_each(|count| put_varint(&mut bytes, *count));
        }
        bytes
    }

    /// The histogram that [`Self::encode`] gives exactly these bytes for. Safe on bytes from anywhere.
    ///
    /// # Errors
    /// [`HistogramDecodeError`] says where the bytes differ from any encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, HistogramDecodeError> {
        let mut reader = Reader::new(bytes);
        let [count, width, columns] = [reader.varint()?, reader.varint()?, reader.varint()?];
        let few = |columns: u64| usize::try_from(columns).ok().filter(|columns| (1..=COLUMNS_MAX).contains(columns));
        let (Some(wide), Some(all), true) = (few(width), few(columns), width <= columns) else {
            return Err(HistogramDecodeError::Columns { columns, width });
        };
        if count >= COUNT_LIMIT {
            return Err(DecodeError::CountLimit { count }.into());
        }
        let mut histogram = Self { count, width: wide, columns: vec![[0; COLUMN_BUCKETS]; all] };
        if count > 0 {
            for (at, column) in histogram.columns.iter_mut().enumerate() {
                read_column(&mut reader, at, column, count)?;
            }
        }
        reader.end()?;
        Ok(histogram)
    }
}

fn read_column(
    reader: &mut Reader<'_>,
    at: usize,
    column: &mut [u64; COLUMN_BUCKETS],
    count: u64,
) -> Result<(), HistogramDecodeError> {
    let [first, length] = [reader.take(1)?[0], reader.take(1)?[0]].map(usize::from);
    let buckets = column.get_mut(first..first + length).ok_or(HistogramDecodeError::Buckets(at))?;
    for bucket in &mut *buckets {
        *bucket = reader.varint()?;
    }
    let ends = [buckets.first(), buckets.last()];
    if ends.iter().any(|end| end.is_none_or(|count| *count == 0)) {
        return Err(HistogramDecodeError::Buckets(at));
    }
    let total: u128 = buckets.iter().map(|count| u128::from(*count)).sum();
    if total == u128::from(count) { Ok(()) } else { Err(HistogramDecodeError::Count(at)) }
}
