//! Streams with labels, as they lie in a folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::protocol::Stream;
use crate::{
    output::Failure,
    source::{CsvFile, CsvOptions, Source},
};

/// Streams that are judged together.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) streams: Vec<Stream>,
}

/// What `labels.json` says of a stream.
#[derive(Debug, Deserialize)]
struct Labels {
    train: usize,
    windows: Vec<(usize, usize)>,
}

/// The sets in a folder, by the first parts of their streams' names.
///
/// # Errors
/// If the labels or a stream can't be read.
pub(super) fn read(folder: &Path) -> Result<Vec<Set>, Failure> {
    let path = folder.join("labels.json");
    let shown = path.display();
    let text = fs::read_to_string(&path).map_err(|error| Failure::usage(format!("can't read {shown}: {error}")))?;
    let labels: BTreeMap<String, Labels> =
        serde_json::from_str(&text).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    let mut sets: BTreeMap<String, Vec<Stream>> = BTreeMap::new();
    for (name, Labels { train, windows }) in labels {
        let set = name.split('/').next().unwrap_or(&name).to_owned();
        let mut file = folder.join(&name).into_os_string();
        file.push(".csv");
        let rows = rows(&PathBuf::from(file))?;
        let count = rows.len();
        if train >= count {
            return Err(Failure::usage(format!("{shown}, {name}: train {train} of {count} rows leaves none to judge")));
        }
        let is_wrong = |(first, last): &&(usize, usize)| *first < train || first > last || *last >= count;
        if let Some((first, last)) = windows.iter().find(is_wrong) {
            let message =
                format!("{shown}, {name}: window {first} to {last}; it has to lie in rows {train} to {}", count - 1);
            return Err(Failure::usage(message));
        }
        sets.entry(set).or_default().push(Stream { name, rows, train, windows });
    }
    Ok(sets.into_iter().map(|(name, streams)| Set { name, streams }).collect())
}

fn rows(path: &Path) -> Result<Vec<Vec<f64>>, Failure> {
    let mut file = CsvFile::open(path, &CsvOptions::default())?;
    let mut rows = Vec::new();
    while let Some(row) = file.next()? {
        rows.push(row);
    }
    Ok(rows)
}
