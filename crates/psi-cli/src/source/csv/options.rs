//! What the user says of a CSV file.

use clap::{Args, ValueEnum};

use super::cell::NumberFormat;

/// How a CSV file is read, where that is not what the file itself makes certain.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "CSV files")]
pub(crate) struct CsvOptions {
    /// The columns that make a vector, in this order; without a header `column 1` and so on. By default all columns of
    /// numbers, but for a time
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,

    /// The column that says when: it is no part of the vectors
    #[arg(long, value_name = "NAME")]
    pub(crate) time: Option<String>,

    /// The first line is a header, whatever it looks like
    #[arg(long, conflicts_with = "no_header")]
    pub(crate) header: bool,

    /// The first line is a vector
    #[arg(long)]
    pub(crate) no_header: bool,

    /// What divides columns: a character, `tab`, or `space` for any number of blanks
    #[arg(long, value_name = "CHARACTER", value_parser = parse_delimiter)]
    pub(crate) delimiter: Option<u8>,

    /// What divides the decimals of a number: `.` or `,` [default: .]
    #[arg(long, value_name = "CHARACTER", value_parser = parse_decimal)]
    pub(crate) decimal: Option<char>,

    /// What divides the thousands of a number, where anything does: a character or `space`
    #[arg(long, value_name = "CHARACTER", value_parser = parse_thousands)]
    pub(crate) thousands: Option<char>,

    /// What becomes of a row in which a number is missing: an empty cell, NA, null and the like [default: error]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) missing: Option<GapPolicy>,
}

/// What becomes of a row in which a number is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GapPolicy {
    /// It is an error
    Error,
    /// The row is left out, and counted
    SkipRow,
    /// NaN stands for it
    Nan,
}

impl CsvOptions {
    /// That none is given, as what is read is no CSV file.
    ///
    /// # Errors
    /// Those that are.
    pub(crate) fn check_unused(&self) -> Result<(), String> {
        let given = self.given();
        if given.is_empty() { Ok(()) } else { Err(format!("{}: for CSV files only; leave it out", given.join(", "))) }
    }

    fn given(&self) -> Vec<&'static str> {
        let Self { columns, time, header, no_header, delimiter, decimal, thousands, missing } = self;
        let flags = [
            (!columns.is_empty(), "--columns"),
            (time.is_some(), "--time"),
            (*header, "--header"),
            (*no_header, "--no-header"),
            (delimiter.is_some(), "--delimiter"),
            (decimal.is_some(), "--decimal"),
            (thousands.is_some(), "--thousands"),
            (missing.is_some(), "--missing"),
        ];
        flags.into_iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| flag).collect()
    }

    pub(super) fn format(&self) -> NumberFormat {
        NumberFormat { decimal: self.decimal.unwrap_or('.'), thousands: self.thousands }
    }

    pub(super) fn missing(&self) -> GapPolicy {
        self.missing.unwrap_or(GapPolicy::Error)
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        "space" => Ok(b' '),
        _ => match text.as_bytes() {
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n\0.+-".contains(byte) => Ok(*byte),
            _ => Err("takes one character that no number has, such as `;`, or `tab` or `space`".to_owned()),
        },
    }
}

fn parse_decimal(text: &str) -> Result<char, String> {
    match text {
        "." => Ok('.'),
        "," => Ok(','),
        _ => Err("takes `.` or `,`".to_owned()),
    }
}

fn parse_thousands(text: &str) -> Result<char, String> {
    match text {
        "," | "." | "'" | "_" | " " => Ok(text.chars().next().unwrap_or(' ')),
        "space" => Ok(' '),
        _ => Err("takes `,`, `.`, `'`, `_` or `space`".to_owned()),
    }
}
