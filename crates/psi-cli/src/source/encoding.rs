//! What a file is by its first bytes: text, compressed text, or something that is refused by its name.

use std::{
    fmt,
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::{error::SourceError, meter::Meter};

/// The mark that Windows tools put before UTF-8.
pub(super) const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";

/// As many first bytes as are looked at.
const LOOK: u64 = 8;

/// Contents that are refused: how they begin, what they are, and the way out.
const REFUSED: [(&[u8], &str, &str); 10] = [
    (b"\xff\xfe", "UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"),
    (b"\0\0\xfe\xff", "UTF-32", "convert it with `iconv -f UTF-32 -t UTF-8`"),
    (b"PK\x03\x04", "a zip archive, as .xlsx files are too", "unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an .xls file", "save the sheet as CSV"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it with `zstd -d`"),
    (b"BZh", "compressed with bzip2", "unpack it with `bunzip2`"),
    (b"\xfd7zXZ\0", "compressed with xz", "unpack it with `unxz`"),
    (b"PAR1", "a Parquet file", "save it as CSV or JSON lines"),
    (b"\x93NUMPY", "a numpy array", "save it as CSV with `numpy.savetxt`"),
];

const GZIP: &[u8] = b"\x1f\x8b";

/// Why text can't be read: what it is, and the way out.
pub(super) fn refusal(first: &[u8]) -> Option<String> {
    let gzip = (GZIP, "compressed with gzip", "unpack it with `gunzip`");
    let mut kinds = REFUSED.iter().chain([&gzip]);
    kinds.find(|(mark, ..)| first.starts_with(mark)).map(|(_, what, way_out)| format!("is {what}; {way_out}"))
}

/// Text to read, without its byte order mark.
pub(crate) struct Text(Box<dyn Read + Send>);

impl Text {
    pub(super) fn new(input: impl Read + Send + 'static) -> Self {
        Self(Box::new(input))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").finish_non_exhaustive()
    }
}

impl Read for Text {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

/// The text of the file at `path`, unpacked if that is by gzip.
///
/// # Errors
/// If it can't be opened, or is not text.
pub(super) fn open(path: &Path) -> Result<(Text, Meter), SourceError> {
    let shown = path.display().to_string();
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = opened.map_err(|error| SourceError::Open { path: shown.clone(), error })?;
    let (meter, file) = Meter::new(length, file);
    let (first, file) = peek(&shown, file)?;
    if !first.starts_with(GZIP) {
        return Ok((plain(&shown, &first, file)?, meter));
    }
    let (first, text) = peek(&shown, MultiGzDecoder::new(file))?;
    Ok((plain(&shown, &first, text)?, meter.packed()))
}

fn plain(name: &str, first: &[u8], mut input: impl Read + Send + 'static) -> Result<Text, SourceError> {
    if let Some(why) = refusal(first) {
        return Err(SourceError::Content { name: name.to_owned(), why });
    }
    if first.starts_with(UTF_8_MARK) {
        let mut mark = [0; UTF_8_MARK.len()];
        input.read_exact(&mut mark).map_err(|error| unreadable(name, error))?;
    }
    Ok(Text::new(input))
}

/// The first bytes, and all of them again.
fn peek<R: Read>(name: &str, mut input: R) -> Result<(Vec<u8>, impl Read + use<R>), SourceError> {
    let mut first = Vec::new();
    input.by_ref().take(LOOK).read_to_end(&mut first).map_err(|error| unreadable(name, error))?;
    Ok((first.clone(), Cursor::new(first).chain(input)))
}

pub(super) fn unreadable(name: &str, error: io::Error) -> SourceError {
    SourceError::Unreadable { path: name.to_owned(), error }
}
