//! How much of a file has been read.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Shared by who reads a file and who shows how far that is.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    read: Arc<AtomicU64>,
    /// Bytes in the file; 0 where that is not known, as of a pipe.
    length: u64,
    /// The file holds more text than it has bytes.
    is_packed: bool,
}

/// A reader that counts.
#[derive(Debug)]
pub(super) struct MeteredReader<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl Meter {
    pub(super) fn new<R>(length: u64, inner: R) -> (Self, MeteredReader<R>) {
        let read = Arc::<AtomicU64>::default();
        (Self { read: read.clone(), length, is_packed: false }, MeteredReader { inner, read })
    }

    /// Of a file whose text is packed.
    pub(super) fn packed(self) -> Self {
        Self { is_packed: true, ..self }
    }

    /// The share that has been read, 0 to 1, after so many bytes of text; `None` where the length is not known. Of a
    /// packed file it is a little ahead.
    pub(super) fn share(&self, text_bytes: u64) -> Option<f64> {
        let read = if self.is_packed { self.read.load(Ordering::Relaxed) } else { text_bytes };
        (self.length > 0).then(|| (read as f64 / self.length as f64).min(1.0))
    }
}

impl<R: Read> Read for MeteredReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
