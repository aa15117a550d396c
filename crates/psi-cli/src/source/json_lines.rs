//! JSON lines, usually from standard input: how other programs feed a field through a pipe.
//!
//! A line is an array of numbers, or an object whose `x` or `input` is one; its other members are ignored, so that
//! requests of the HTTP service, and what `psi-field record` writes, can be sent as they were recorded. The first line may
//! be a [`Header`]. JSON has no NaN and no infinity, and neither has this source. A byte order mark of UTF-8 is passed over.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::{
    encoding::{self, Text, UTF_8_MARK},
    error::SourceError,
    header::{Header, VECTOR_MEMBERS},
    order::Order,
    vectors::Source,
};

/// A longer line is no vector, and is not kept.
const LINE_BYTES_MAX: usize = 4 << 20;

/// The vectors of `reader`, one a line. Blank lines are skipped but counted.
#[derive(Debug)]
pub(crate) struct JsonLines<R> {
    /// What errors call the input.
    name: String,
    reader: R,
    /// Lines read so far; so the number, from 1, of the latest.
    line: u64,
    width: Option<usize>,
    /// Of a record; known once the first line was read.
    header: Option<Header>,
    has_begun: bool,
    /// The first line, until it has been handed out.
    first: Option<Vec<u8>>,
    /// If lines are held to the header.
    order: Option<Order>,
}

/// Those of a file.
pub(crate) type JsonFile = JsonLines<BufReader<Text>>;

impl JsonFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// If that is not possible, or it is not text.
    pub(crate) fn open(path: &Path) -> Result<Self, SourceError> {
        let (text, _) = encoding::open(path)?;
        Ok(Self::new(path.display().to_string(), BufReader::new(text)))
    }

    /// Opens the file at `path`; if it has a header, lines of another field or epoch, and those out of order, are errors.
    ///
    /// # Errors
    /// If that is not possible.
    pub(crate) fn open_record(path: &Path) -> Result<Self, SourceError> {
        Ok(Self { order: Some(Order::default()), ..Self::open(path)? })
    }

    /// Steps that the lines of a record read so far skip.
    pub(crate) fn missing(&self) -> u64 {
        self.order.as_ref().map_or(0, Order::missing)
    }
}

impl JsonLines<BufReader<io::Stdin>> {
    /// Reads standard input.
    pub(crate) fn stdin() -> Self {
        // Not `StdinLock`, which can't move to another thread.
        Self::new("standard input", BufReader::new(io::stdin()))
    }
}

impl<R: BufRead> JsonLines<R> {
    /// Reads `reader`; errors and descriptions call it `name`.
    pub(crate) fn new(name: impl Into<String>, reader: R) -> Self {
        Self {
            name: name.into(),
            reader,
            line: 0,
            width: None,
            header: None,
            has_begun: false,
            first: None,
            order: None,
        }
    }

    /// What the first line says of the others, if it does.
    ///
    /// # Errors
    /// If it can't be read, or is a header with something wrong in it.
    pub(crate) fn header(&mut self) -> Result<Option<&Header>, SourceError> {
        if !self.has_begun {
            self.has_begun = true;
            if let Some(text) = self.next_line()? {
                match Header::read(&text) {
                    None => self.first = Some(text),
                    Some(Ok(header)) => self.header = Some(header),
                    Some(Err(error)) => {
                        return Err(SourceError::Header { name: self.name.clone(), line: self.line, error });
                    }
                }
            }
        }
        Ok(self.header.as_ref())
    }

    /// The next line that is not blank, or `None` at the end.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, SourceError> {
        loop {
            self.line += 1;
            let mut text = self.read_line()?;
            if text.is_empty() {
                return Ok(None);
            }
            if self.line == 1 {
                self.check_mark(&mut text)?;
            }
            if !text.trim_ascii().is_empty() {
                return Ok(Some(text));
            }
        }
    }

    /// The next line with its end; empty at the end of the input.
    fn read_line(&mut self) -> Result<Vec<u8>, SourceError> {
        let (name, line) = (self.name.clone(), self.line);
        let wrong = |error| SourceError::ReadLine { name: name.clone(), line, error };
        let mut text = Vec::new();
        self.reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut text).map_err(wrong)?;
        if text.len() < LINE_BYTES_MAX || text.ends_with(b"\n") {
            return Ok(text);
        }
        self.reader.skip_until(b'\n').map_err(wrong)?;
        Err(SourceError::LongLine { name, line, mib: LINE_BYTES_MAX >> 20 })
    }

    /// Takes the mark of UTF-8 off the first line.
    fn check_mark(&self, first: &mut Vec<u8>) -> Result<(), SourceError> {
        if let Some(why) = encoding::refusal(first) {
            return Err(SourceError::Content { name: self.name.clone(), why });
        }
        if first.starts_with(UTF_8_MARK) {
            first.drain(..UTF_8_MARK.len());
        }
        Ok(())
    }

    /// The object of the next line that is not blank, or `None` at the end.
    ///
    /// # Errors
    /// If it can't be read, or is no object.
    pub(crate) fn next_object(&mut self) -> Result<Option<Map<String, Value>>, SourceError> {
        let Some(text) = self.next_line()? else { return Ok(None) };
        match self.json(&text)? {
            Value::Object(members) => Ok(Some(members)),
            other => Err(self.misshapen(kind_of(&other), "an object")),
        }
    }

    /// The number of the line read last, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    fn json(&self, text: &[u8]) -> Result<Value, SourceError> {
        serde_json::from_slice(text).map_err(|error| SourceError::Json {
            name: self.name.clone(),
            line: self.line,
            error,
        })
    }

    fn vector(&mut self, text: &[u8]) -> Result<Vec<f64>, SourceError> {
        let value = self.json(text)?;
        if let Some((order, header)) = self.order.as_mut().zip(self.header.as_ref()) {
            order.take(&value, header, &self.name, self.line)?;
        }
        let numbers = self.array(&value)?;
        if numbers.is_empty() {
            return Err(self.misshapen("an empty array", "an array of numbers"));
        }
        numbers.iter().zip(1..).map(|(element, place)| self.number(element, place)).collect()
    }

    fn array<'a>(&self, value: &'a Value) -> Result<&'a [Value], SourceError> {
        let (inner, wanted) = match value {
            Value::Object(members) => {
                let vector = VECTOR_MEMBERS.iter().find_map(|name| members.get(*name));
                (vector.unwrap_or(&Value::Null), "an array of numbers as member `x` or `input`")
            }
            other => (other, "an array of numbers or an object with one as `x` or `input`"),
        };
        match inner {
            Value::Array(elements) => Ok(elements),
            other => Err(self.misshapen(kind_of(other), wanted)),
        }
    }

    /// `place` counts from 1.
    fn number(&self, element: &Value, place: usize) -> Result<f64, SourceError> {
        element.as_f64().ok_or_else(|| self.misshapen(kind_of(element), format!("number {place} of the vector")))
    }

    fn misshapen(&self, found: &'static str, wanted: impl Into<String>) -> SourceError {
        SourceError::JsonShape { name: self.name.clone(), line: self.line, found, wanted: wanted.into() }
    }

    /// Remembers the first width and holds the later ones to it.
    fn check_width(&mut self, got: usize) -> Result<(), SourceError> {
        let want = *self.width.get_or_insert(got);
        if got == want {
            return Ok(());
        }
        Err(SourceError::Width { name: self.name.clone(), line: self.line, got, want })
    }
}

impl<R: BufRead + Send> Source for JsonLines<R> {
    /// Known once a vector was read.
    fn width(&self) -> Option<usize> {
        self.width
    }

    fn next(&mut self) -> Result<Option<Vec<f64>>, SourceError> {
        self.header()?;
        let text = match self.first.take() {
            Some(text) => text,
            None => match self.next_line()? {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        let vector = self.vector(&text)?;
        self.check_width(vector.len())?;
        Ok(Some(vector))
    }

    /// Those of a record's header.
    fn names(&self) -> Vec<String> {
        self.header.as_ref().map(|header| header.names.clone()).unwrap_or_default()
    }

    fn describe(&self) -> String {
        format!("JSON lines from {}", self.name)
    }
}

/// What a JSON value is, for people.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each call gives until the end: vectors, or messages.
    fn read(text: &str) -> Vec<Result<Vec<f64>, String>> {
        let mut source = JsonLines::new("input", text.as_bytes());
        std::iter::from_fn(|| source.next().map_err(|error| error.to_string()).transpose()).collect()
    }

    fn check_refused(line: &str, want: &str) {
        let got = read(&format!("[1]\n\n{line}\n[2]\n"));
        let [first, second, last] = got.as_slice() else {
            panic!("{got:?}");
        };
        assert_eq!(*first, Ok(vec![1.0]));
        let message = second.as_ref().unwrap_err();
        assert!(message.starts_with(want), "{line}: {message}");
        assert_eq!(*last, Ok(vec![2.0]), "the next line is read all the same");
    }

    #[test]
    fn arrays_and_objects_are_vectors_and_blank_lines_are_skipped() {
        let text = "[1, -2.5, 3e2]\n\n  \r\n{\"k\": 7, \"x\": [0.1, 2, 3], \"apply_guardian\": true}\r\n[4,5,6]";
        assert_eq!(read(text), [Ok(vec![1.0, -2.5, 300.0]), Ok(vec![0.1, 2.0, 3.0]), Ok(vec![4.0, 5.0, 6.0])]);
        assert!(read("").is_empty());
        assert!(read("\n \n").is_empty());
    }

    #[test]
    fn a_bad_line_is_refused_by_number() {
        for (line, want) in [
            ("[1,", "line 3 of input is not JSON: "),
            ("[NaN]", "line 3 of input is not JSON: "),
            ("[1e999]", "line 3 of input is not JSON: number out of range"),
            ("[1] [2]", "line 3 of input is not JSON: trailing characters"),
            ("[null]", "line 3 of input: nothing where number 1 of the vector should be"),
            ("[\"1\"]", "line 3 of input: text where number 1 of the vector should be"),
            ("7", "line 3 of input: a number where an array of numbers or an object"),
            ("{\"y\": [1]}", "line 3 of input: nothing where an array of numbers as member `x` or `input`"),
            ("{\"x\": 1}", "line 3 of input: a number where an array of numbers as member `x` or `input`"),
            ("[]", "line 3 of input: an empty array where an array of numbers"),
            ("[1, 2]", "line 3 of input has 2 numbers, those before it 1"),
        ] {
            check_refused(line, want);
        }
    }

    #[test]
    fn one_number_is_not_several() {
        let mut source = JsonLines::new("input", "[1, 2]\n[3]".as_bytes());
        source.next().unwrap();
        assert_eq!(source.next().unwrap_err().to_string(), "line 2 of input has 1 number, those before it 2");
    }

    #[test]
    fn a_header_is_read_and_is_no_vector() {
        let text = "\n{\"engine\":\"core\",\"seed\":7,\"parameters\":{\"dt\":0.1}}\n{\"k\":1,\"input\":[2]}\n";
        assert_eq!(read(text), [Ok(vec![2.0])]);
        let mut source = JsonLines::new("input", text.as_bytes());
        let header = source.header().unwrap().unwrap();
        assert_eq!((header.engine.as_deref(), header.seed, header.parameters["dt"]), (Some("core"), Some(7), 0.1));
        assert_eq!(source.next().unwrap(), Some(vec![2.0]));
        assert_eq!(JsonLines::new("input", "[1]".as_bytes()).header().unwrap(), None);
    }

    #[test]
    fn a_header_comes_first_or_not_at_all() {
        check_refused("{\"engine\":\"core\"}", "line 3 of input: nothing where an array of numbers as member");
        let got = read("{\"seed\":-1}\n[1]\n");
        assert_eq!(got[1], Ok(vec![1.0]));
        let message = got[0].as_ref().unwrap_err();
        assert!(
            message.starts_with("line 1 of input is a header of a record with something wrong in it: "),
            "{message}"
        );
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused() {
        let mut source = JsonLines::new("input", [b'"', 0xff, b'"', b'\n'].as_slice());
        assert!(matches!(source.next(), Err(SourceError::Json { line: 1, .. })));
        assert!(matches!(source.next(), Ok(None)));
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_or_named() {
        assert_eq!(read("\u{feff}[1, 2]\n[3, 4]\n"), [Ok(vec![1.0, 2.0]), Ok(vec![3.0, 4.0])]);
        assert_eq!(read("\u{feff}\n[1]\n"), [Ok(vec![1.0])]);
        let utf_16: Vec<u8> = "\u{feff}[1]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let message = JsonLines::new("input", utf_16.as_slice()).next().unwrap_err().to_string();
        assert_eq!(message, "input is UTF-16; convert it with `iconv -f UTF-16 -t UTF-8`");
    }

    #[test]
    fn a_line_without_end_is_passed_over_and_not_kept() {
        let long = vec![b' '; 3 * LINE_BYTES_MAX];
        let text = [b"[1]\n".as_slice(), &long, b"[2]\n[3]\n"].concat();
        let mut source = JsonLines::new("input", text.as_slice());
        assert_eq!(source.next().unwrap(), Some(vec![1.0]));
        let message = source.next().unwrap_err().to_string();
        assert_eq!(message, "line 2 of input is longer than 4 MiB; write one vector a line");
        assert_eq!(source.next().unwrap(), Some(vec![3.0]));
    }

    #[test]
    fn the_width_is_that_of_the_first_vector() {
        let mut source = JsonLines::new("input", b"[1, 2]".as_slice());
        assert_eq!(source.width(), None);
        source.next().unwrap();
        assert_eq!(source.width(), Some(2));
    }

    #[test]
    fn numbers_are_read_to_the_last_bit() {
        for text in [
            "0.1",
            "1.7976931348623157e308",
            "5e-324",
            "0.30000000000000004",
            "123456789.12345679",
            "9007199254740993.0e-5",
        ] {
            let want: f64 = text.parse().unwrap();
            assert_eq!(read(&format!("[{text}]")), [Ok(vec![want])], "{text}");
        }
    }
}
