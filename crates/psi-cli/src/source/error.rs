//! What can be wrong with a source.

use psi_bench::pluralize;

/// Why a source could not be opened, or a vector not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SourceError {
    /// The file can't be opened.
    #[error("can't open {path}: {error}")]
    Open {
        path: String,
        #[source]
        error: std::io::Error,
    },
    /// The system, or what unpacks the file, gives an error.
    #[error("can't read {path}: {error}")]
    Unreadable {
        path: String,
        #[source]
        error: std::io::Error,
    },
    /// The first bytes are those of another format.
    #[error("{name} {why}")]
    Content { name: String, why: String },
    /// What a line means is not certain.
    #[error("{path}, line {line}: {why}")]
    Doubt { path: String, line: u64, why: String },
    /// A quote runs to the end of what was read.
    #[error("{path}, line {line}: the quote that opens here is not closed; close it, or remove it")]
    OpenQuote { path: String, line: u64 },
    /// A row has more or fewer cells than the rows before.
    #[error(
        "{path}, line {line} has {}, those before it {want}; mend the line, or name what divides columns with --delimiter",
        pluralize(*got as u64, "cell")
    )]
    RowLength { path: String, line: u64, got: usize, want: usize },
    /// The file has no row of data.
    #[error("{path} has no row of data")]
    NoRow { path: String },
    /// No column is of numbers.
    #[error("{path} has no column of numbers from line {line} on; name what divides columns with --delimiter")]
    NoNumericColumn { path: String, line: u64 },
    /// A column that was asked for is not in the header.
    #[error("{path} has no column `{name}`; it has: {}", known.join(", "))]
    UnknownColumn { path: String, name: String, known: Vec<String> },
    /// A cell of a column that is used is not a number.
    #[error("{path}, line {line}, column `{column}`: `{text}` is not a number; {way_out}")]
    NotANumber { path: String, line: u64, column: String, text: String, way_out: &'static str },
    /// A line can't be read.
    #[error("can't read line {line} of {name}: {error}")]
    ReadLine {
        name: String,
        line: u64,
        #[source]
        error: std::io::Error,
    },
    /// A line is longer than any vector.
    #[error("line {line} of {name} is longer than {mib} MiB; write one vector a line")]
    LongLine { name: String, line: u64, mib: usize },
    /// A line is not JSON.
    #[error("line {line} of {name} is not JSON: {error}")]
    Json {
        name: String,
        line: u64,
        #[source]
        error: serde_json::Error,
    },
    /// A line is JSON, but not a vector.
    #[error("line {line} of {name}: {found} where {wanted} should be")]
    JsonShape { name: String, line: u64, found: &'static str, wanted: String },
    /// The first line is a header, with a member that it does not have, or one of another type.
    #[error("line {line} of {name} is a header of a record with something wrong in it: {error}")]
    Header {
        name: String,
        line: u64,
        #[source]
        error: serde_json::Error,
    },
    /// A line of a record is not what comes next by its header and the lines before it.
    #[error("line {line} of {name}: {why}")]
    Foreign { name: String, line: u64, why: String },
    /// A line has more or fewer numbers than the lines before it.
    #[error("line {line} of {name} has {}, those before it {want}", pluralize(*got as u64, "number"))]
    Width { name: String, line: u64, got: usize, want: usize },
    /// The system does not say about itself where Linux does.
    #[error("can't read {path}: {error}; the host source needs Linux and its /proc")]
    HostFile {
        path: &'static str,
        #[source]
        error: std::io::Error,
    },
    /// A number that Linux has in a file of /proc is missing.
    #[error("{path} does not say `{wanted}`")]
    HostNumber { path: &'static str, wanted: &'static str },
}
