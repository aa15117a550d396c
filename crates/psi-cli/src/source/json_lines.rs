//! JSON lines, usually from standard input: how other programs feed a field through a pipe.
//!
//! A line is an array of numbers, or an object whose `x` is one; its other members are ignored, so that requests of the
//! HTTP service can be sent as they were recorded. JSON has no NaN and no infinity, and neither has this source.

use std::io::{self, BufRead, BufReader};

use serde_json::Value;

use super::{Source, SourceError};

/// The vectors of `reader`, one a line. Blank lines are skipped but counted.
#[derive(Debug)]
pub(crate) struct JsonLines<R> {
    /// What errors call the input.
    name: String,
    reader: R,
    /// Lines read so far; so the number, from 1, of the latest.
    line: u64,
    width: Option<usize>,
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
        Self { name: name.into(), reader, line: 0, width: None }
    }

    /// The next line that is not blank, or `None` at the end.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, SourceError> {
        loop {
            let mut text = Vec::new();
            self.line += 1;
            let length = self.reader.read_until(b'\n', &mut text).map_err(|error| SourceError::ReadLine {
                name: self.name.clone(),
                line: self.line,
                error,
            })?;
            if length == 0 {
                return Ok(None);
            }
            if !text.trim_ascii().is_empty() {
                return Ok(Some(text));
            }
        }
    }

    fn vector(&self, text: &[u8]) -> Result<Vec<f64>, SourceError> {
        let value: Value = serde_json::from_slice(text).map_err(|error| SourceError::Json {
            name: self.name.clone(),
            line: self.line,
            error,
        })?;
        let numbers = self.array(&value)?;
        if numbers.is_empty() {
            return Err(self.misshapen("an empty array", "an array of numbers"));
        }
        numbers.iter().zip(1..).map(|(element, place)| self.number(element, place)).collect()
    }

    fn array<'a>(&self, value: &'a Value) -> Result<&'a [Value], SourceError> {
        let (inner, wanted) = match value {
            Value::Object(members) => (members.get("x").unwrap_or(&Value::Null), "an array of numbers as member `x`"),
            other => (other, "an array of numbers or an object with one as `x`"),
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
        let Some(text) = self.next_line()? else {
            return Ok(None);
        };
        let vector = self.vector(&text)?;
        self.check_width(vector.len())?;
        Ok(Some(vector))
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
            ("{\"y\": [1]}", "line 3 of input: nothing where an array of numbers as member `x`"),
            ("{\"x\": 1}", "line 3 of input: a number where an array of numbers as member `x`"),
            ("[]", "line 3 of input: an empty array where an array of numbers"),
            ("[1, 2]", "line 3 of input has 2 numbers, those before it 1"),
        ] {
            check_refused(line, want);
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused() {
        let mut source = JsonLines::new("input", [b'"', 0xff, b'"', b'\n'].as_slice());
        assert!(matches!(source.next(), Err(SourceError::Json { line: 1, .. })));
        assert!(matches!(source.next(), Ok(None)));
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
