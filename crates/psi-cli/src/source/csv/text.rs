//! The text of a CSV file with one kind of line end, and quotes that mean one thing.
//!
//! The csv crate takes nearly any text for rows: a quote that is never closed, or text behind a closing one, quietly moves
//! cells and rows. So quotes are checked before. Blanks around cells go, so that a quote behind one is a quote.

use std::io::{self, BufRead, BufReader, Read};

/// A longer row is no row of numbers: a vector has a few thousand at most.
pub(super) const ROW_BYTES_MAX: usize = 1 << 20;

/// Why text is not rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowFault {
    #[error("a quote is not closed")]
    OpenQuote { line: u64 },
    #[error("there is text behind a closing quote; write a quote within quotes twice")]
    BehindQuote { line: u64 },
    #[error("the row that begins here is longer than {} MiB; is a quote or a line end missing?", ROW_BYTES_MAX >> 20)]
    Long { line: u64 },
    #[error("there is a NUL byte, so this is UTF-16 or no text; `iconv -f UTF-16 -t UTF-8` converts the former")]
    Nul { line: u64 },
}

impl RowFault {
    pub(super) fn line(&self) -> u64 {
        match self {
            Self::OpenQuote { line } | Self::BehindQuote { line } | Self::Long { line } | Self::Nul { line } => *line,
        }
    }
}

/// Where in a row the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    CellStart,
    Bare,
    Quoted,
    /// Behind a quote that closes a cell, unless another follows.
    QuoteEnd,
    /// Behind a closed cell and blanks.
    Closed,
    /// Behind a cell and blanks that divide it from the next, if there is one.
    Blanks,
}

/// A reader of the text. Its rows end with a line feed, the last one too.
#[derive(Debug)]
pub(super) struct RowText<R> {
    input: BufReader<R>,
    delimiter: u8,
    place: Place,
    /// The byte before was a carriage return, which has ended a line.
    after_return: bool,
    line: u64,
    /// Where the row, and the latest quote, begin.
    row_line: u64,
    quote_line: u64,
    row_bytes: usize,
    /// What has not been handed out.
    text: Vec<u8>,
    handed_out: usize,
    fault: Option<RowFault>,
    is_over: bool,
}

impl<R: Read> RowText<R> {
    pub(super) fn new(input: R, delimiter: u8) -> Self {
        Self {
            input: BufReader::new(input),
            delimiter,
            place: Place::CellStart,
            after_return: false,
            line: 1,
            row_line: 1,
            quote_line: 1,
            row_bytes: 0,
            text: Vec::new(),
            handed_out: 0,
            fault: None,
            is_over: false,
        }
    }

    /// Reads on until there is something to hand out, or no more.
    fn fill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.handed_out = 0;
        while self.text.is_empty() && !self.is_over {
            let bytes = self.input.fill_buf()?.to_vec();
            self.input.consume(bytes.len());
            if bytes.is_empty() {
                self.end();
            }
            for byte in bytes {
                if let Err(fault) = self.take(byte) {
                    self.fault = Some(fault);
                    self.is_over = true;
                    break;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.is_over = true;
        match self.place {
            Place::Quoted => self.fault = Some(RowFault::OpenQuote { line: self.quote_line }),
            _ if self.row_bytes > 0 => self.text.push(b'\n'),
            _ => {}
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), RowFault> {
        self.row_bytes += 1;
        if self.row_bytes > ROW_BYTES_MAX {
            return Err(RowFault::Long { line: self.row_line });
        }
        let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            0 => Err(RowFault::Nul { line: self.line }),
            b'\n' if follows_return => {
                self.row_bytes -= 1;
                Ok(())
            }
            b'\n' | b'\r' => {
                self.line_end();
                Ok(())
            }
            _ => self.within_line(byte),
        }
    }

    fn line_end(&mut self) {
        self.text.push(b'\n');
        self.line += 1;
        if self.place != Place::Quoted {
            self.place = Place::CellStart;
            self.row_line = self.line;
            self.row_bytes = 0;
        }
    }

    fn within_line(&mut self, byte: u8) -> Result<(), RowFault> {
        let is_blank = byte == b' ' || byte == b'\t';
        let divides = byte == self.delimiter || (is_blank && self.delimiter == b' ');
        self.place = match self.place {
            Place::Quoted if byte == b'"' => Place::QuoteEnd,
            Place::Quoted => Place::Quoted,
            Place::QuoteEnd if byte == b'"' => Place::Quoted,
            // Of several blanks between two cells one divides them, and those at the ends of a line none.
            Place::CellStart | Place::Blanks if divides && is_blank && self.delimiter == b' ' => return Ok(()),
            _ if divides && self.delimiter == b' ' => {
                self.place = Place::Blanks;
                return Ok(());
            }
            Place::Blanks => {
                self.text.push(b' ');
                self.cell_start(byte)
            }
            _ if divides => Place::CellStart,
            Place::CellStart if is_blank => return Ok(()),
            Place::CellStart => self.cell_start(byte),
            Place::Bare => Place::Bare,
            Place::QuoteEnd | Place::Closed if is_blank => {
                self.place = Place::Closed;
                return Ok(());
            }
            Place::QuoteEnd | Place::Closed => return Err(RowFault::BehindQuote { line: self.line }),
        };
        self.text.push(byte);
        Ok(())
    }

    fn cell_start(&mut self, byte: u8) -> Place {
        if byte != b'"' {
            return Place::Bare;
        }
        self.quote_line = self.line;
        Place::Quoted
    }
}

impl<R: Read> Read for RowText<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.handed_out == self.text.len() {
            self.fill()?;
        }
        if self.text.is_empty()
            && let Some(fault) = self.fault.take()
        {
            return Err(io::Error::other(fault));
        }
        let mut left = &self.text[self.handed_out..];
        let count = left.read(into)?;
        self.handed_out += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, delimiter: u8, want: Result<&str, RowFault>) {
        let mut got = String::new();
        let read = RowText::new(text.as_bytes(), delimiter).read_to_string(&mut got);
        match (read, want) {
            (Ok(_), Ok(want)) => assert_eq!(got, want, "{text:?}"),
            (Err(error), Err(want)) => {
                let fault = error.get_ref().and_then(|error| error.downcast_ref::<RowFault>());
                assert_eq!(fault, Some(&want), "{text:?}");
            }
            (got, want) => panic!("{text:?}: {got:?}, not {want:?}"),
        }
    }

    #[test]
    fn line_ends_are_line_feeds() {
        for text in ["a,b\n1,2\n", "a,b\r\n1,2\r\n", "a,b\r1,2\r", "a,b\n1,2", "a,b\r1,2", " a, b \r\n1 ,2"] {
            let mut got = String::new();
            RowText::new(text.as_bytes(), b',').read_to_string(&mut got).unwrap();
            assert_eq!(got.replace(' ', ""), "a,b\n1,2\n", "{text:?}");
        }
        check("\"a\rb\",\"c\r\nd\"\r", b',', Ok("\"a\nb\",\"c\nd\"\n"));
        check("", b',', Ok(""));
    }

    #[test]
    fn blanks_before_quotes_go_and_blanks_divide_where_they_do() {
        check("\"a\", \"b\" ,\t\"c\"\n", b',', Ok("\"a\",\"b\",\"c\"\n"));
        check("a\t\"b\"\t\tc\n", b'\t', Ok("a\t\"b\"\t\tc\n"));
        check("  1   2\t 3 \n4 5 6\n", b' ', Ok("1 2 3\n4 5 6\n"));
        check("\"a b\"  c \n", b' ', Ok("\"a b\" c\n"));
        check("5\" pipe,1\n\"say \"\"so\"\"\",2\n", b',', Ok("5\" pipe,1\n\"say \"\"so\"\"\",2\n"));
    }

    #[test]
    fn quotes_that_mean_nothing_certain_are_faults() {
        check("a\n1,\"2\n3,4\n", b',', Err(RowFault::OpenQuote { line: 2 }));
        check("a\n\"1\"2,3\n", b',', Err(RowFault::BehindQuote { line: 2 }));
        check("a\n1,\"foo\n2,bar\n3,\"baz\"\n", b',', Err(RowFault::BehindQuote { line: 4 }));
        check("a\n\"1\" 2,3\n", b',', Err(RowFault::BehindQuote { line: 2 }));
        check("a\n1\0,\n", b',', Err(RowFault::Nul { line: 2 }));
    }

    #[test]
    fn no_row_is_kept_whole_however_long_it_is() {
        let endless = b"1,2\n\"".chain(io::repeat(b'7'));
        let mut text = RowText::new(endless, b',');
        let mut read = Vec::new();
        let error = text.read_to_end(&mut read).unwrap_err();
        assert_eq!(error.to_string(), RowFault::Long { line: 2 }.to_string());
        assert!(read.len() <= ROW_BYTES_MAX + 10 && text.text.capacity() < ROW_BYTES_MAX);
    }
}
