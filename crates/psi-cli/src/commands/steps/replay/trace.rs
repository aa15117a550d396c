//! Traces of engine `core`: numpy archives (`.npz`) of what a run was given, read number by number.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use npyz::{NpyFile, Order};
use psi_engine::{EngineKind, LATENT_MAX, core::Matrix};
use psi_state::WIDTH_MAX;
use zip::{ZipArchive, result::ZipError};

use super::engine::Start;
use crate::output::pluralize;

/// Most rollouts: what the parameters allow.
const ROLLOUTS_MAX: usize = 128;

/// What is given to the engine, and where that is missing, what it was before it was conditioned.
const INPUTS: [&str; 2] = ["inputs", "raw_inputs"];

/// Why a trace can't be replayed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TraceError {
    #[error("can't open {}: {error}", path.display())]
    Open { path: PathBuf, error: io::Error },
    #[error("{} is not an .npz archive: {error}", path.display())]
    Archive { path: PathBuf, error: ZipError },
    #[error("{} has no array `{name}` (wanted: {want}); it has: {}", path.display(), listed(known))]
    Missing { path: PathBuf, name: &'static str, want: String, known: Vec<String> },
    #[error("{}, array `{name}`: {why}", path.display())]
    Unreadable { path: PathBuf, name: &'static str, why: String },
    #[error("{}, array `{name}` is {}, wanted is {want}", path.display(), shape_text(got))]
    Shape { path: PathBuf, name: &'static str, got: Vec<u64>, want: String },
    #[error("{}, array `{name}`: number {place} is {value}; only inputs may be infinite or NaN", path.display())]
    NotFinite { path: PathBuf, name: &'static str, place: usize, value: f64 },
}

/// An archive whose shapes fit each other.
#[derive(Debug)]
pub(super) struct Trace {
    path: PathBuf,
    inputs: &'static str,
    pub(super) steps: u64,
    pub(super) width: usize,
    /// What engine `core` is given beside the inputs.
    pub(super) core: Option<CoreArrays>,
}

/// Of a run of engine `core`.
#[derive(Debug)]
pub(super) struct CoreArrays {
    pub(super) start: Start,
    /// N.
    pub(super) rollouts: usize,
    pub(super) latent: usize,
}

impl Trace {
    /// Opens the archive at `path` and checks its arrays: for `synthetic` the inputs alone.
    ///
    /// # Errors
    /// The first array that is missing or has another shape than the others ask for.
    pub(super) fn open(path: &Path, engine: EngineKind) -> Result<Self, TraceError> {
        let mut archive = Archive::open(path)?;
        let inputs = INPUTS.into_iter().find(|name| archive.has(name)).unwrap_or(INPUTS[0]);
        let shape = archive.shape(inputs, "steps × input")?;
        let want = || format!("steps × input, at least one step, 1 to {WIDTH_MAX} numbers an input");
        let (steps, width) = match shape[..] {
            [steps, width] if steps > 0 => (steps, size(width, WIDTH_MAX)),
            _ => (0, None),
        };
        let width = width.ok_or_else(|| archive.misshapen(inputs, shape, want()))?;
        let core = if engine == EngineKind::Core { Some(CoreArrays::read(&mut archive, steps, width)?) } else { None };
        Ok(Self { path: path.to_owned(), inputs, steps, width, core })
    }

    /// Gives each step's input, and its rollout noise if the engine is `core`, in order.
    ///
    /// # Errors
    /// What `step` fails with, or the array that ends early or has a number that can't be.
    pub(super) fn play<E: From<TraceError>>(
        &self,
        mut step: impl FnMut(Vec<f64>, Option<&Matrix>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Each array is read along with the others, and an archive reads one at a time.
        let (mut for_inputs, mut for_noise) = (Archive::open(&self.path)?, Archive::open(&self.path)?);
        let mut inputs = for_inputs.numbers(self.inputs, "steps × input")?;
        let mut noise = match &self.core {
            Some(core) => {
                let numbers = for_noise.numbers("rollout_noise", "steps × N × latent")?;
                Some((numbers, Matrix::zeros(core.rollouts, core.latent)))
            }
            None => None,
        };
        for _ in 0..self.steps {
            let input = (0..self.width).map(|_| inputs.next()).collect::<Result<Vec<f64>, TraceError>>()?;
            if let Some((numbers, matrix)) = &mut noise {
                for number in matrix.numbers_mut() {
                    *number = numbers.next_finite()?;
                }
            }
            step(input, noise.as_ref().map(|(_, matrix)| matrix))?;
        }
        Ok(())
    }
}

impl CoreArrays {
    fn read(archive: &mut Archive, steps: u64, width: usize) -> Result<Self, TraceError> {
        let shape = archive.shape("encoder", &format!("latent × {width}"))?;
        let latent = match shape[..] {
            [latent, columns] if columns == width as u64 => size(latent, LATENT_MAX),
            _ => None,
        };
        let want =
            || format!("latent × {width}, with a latent of 1 to {LATENT_MAX} numbers, as the inputs are {width} wide");
        let latent = latent.ok_or_else(|| archive.misshapen("encoder", shape, want()))?;

        let square = format!("{latent} × {latent}");
        let shape = archive.shape("transition", &square)?;
        if shape != [latent as u64; 2] {
            return Err(archive.misshapen("transition", shape, format!("{square}, as the encoder has {latent} rows")));
        }

        let want = format!("{steps} × N × {latent}");
        let shape = archive.shape("rollout_noise", &want)?;
        let rollouts = match shape[..] {
            [rows, rollouts, columns] if rows == steps && columns == latent as u64 => size(rollouts, ROLLOUTS_MAX),
            _ => None,
        };
        let want = || format!("{want} (steps × N × latent), with N of 1 to {ROLLOUTS_MAX}");
        let rollouts = rollouts.ok_or_else(|| archive.misshapen("rollout_noise", shape, want()))?;
        let start = Start {
            encoder: archive.matrix("encoder", latent, width)?,
            transition: archive.matrix("transition", latent, latent)?,
        };
        Ok(Self { start, rollouts, latent })
    }
}

/// A length of 1 to `max`.
fn size(length: u64, max: usize) -> Option<usize> {
    usize::try_from(length).ok().filter(|length| (1..=max).contains(length))
}

struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
}

impl Archive {
    fn open(path: &Path) -> Result<Self, TraceError> {
        let path = path.to_owned();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => return Err(TraceError::Open { path, error }),
        };
        match ZipArchive::new(BufReader::new(file)) {
            Ok(zip) => Ok(Self { path, zip }),
            Err(error) => Err(TraceError::Archive { path, error }),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{name}.npy")).is_some()
    }

    fn misshapen(&self, name: &'static str, got: Vec<u64>, want: String) -> TraceError {
        TraceError::Shape { path: self.path.clone(), name, got, want }
    }

    fn array<'a>(&'a mut self, name: &'static str, want: &str) -> Result<NpyFile<impl Read + use<'a>>, TraceError> {
        if !self.has(name) {
            let known = self.zip.file_names().map(|file| file.trim_end_matches(".npy").to_owned()).collect();
            return Err(TraceError::Missing { path: self.path.clone(), name, want: want.to_owned(), known });
        }
        let unreadable = |why: String| TraceError::Unreadable { path: self.path.clone(), name, why };
        let file = self.zip.by_name(&format!("{name}.npy")).map_err(|error| unreadable(error.to_string()))?;
        let array = NpyFile::new(BufReader::new(file)).map_err(|error| unreadable(error.to_string()))?;
        if array.order() != Order::C && array.shape().len() > 1 {
            let why = "its columns come first (Fortran order), but steps are read one by one; save it with \
                       numpy.ascontiguousarray";
            return Err(unreadable(why.to_owned()));
        }
        Ok(array)
    }

    /// The shape of an array that is there and whole: it is read to its end, where its checksum is.
    fn shape(&mut self, name: &'static str, want: &str) -> Result<Vec<u64>, TraceError> {
        let path = self.path.clone();
        let array = self.array(name, want)?;
        let shape = array.shape().to_vec();
        match io::copy(&mut array.into_inner(), &mut io::sink()) {
            Ok(_) => Ok(shape),
            Err(error) => Err(TraceError::Unreadable { path, name, why: format!("it is damaged: {error}") }),
        }
    }

    fn numbers(&mut self, name: &'static str, want: &str) -> Result<Numbers<'_>, TraceError> {
        let path = self.path.clone();
        let array = self.array(name, want)?;
        let kind = array.dtype().descr();
        let numbers: Box<dyn Iterator<Item = io::Result<f64>> + '_> = match array.try_data::<f64>() {
            Ok(numbers) => Box::new(numbers),
            Err(array) => match array.try_data::<f32>() {
                Ok(numbers) => Box::new(numbers.map(|number| number.map(f64::from))),
                Err(_) => {
                    let why = format!("its numbers are {kind}; save it as float64");
                    return Err(TraceError::Unreadable { path, name, why });
                }
            },
        };
        Ok(Numbers { path, name, numbers, place: 0 })
    }

    fn matrix(&mut self, name: &'static str, rows: usize, columns: usize) -> Result<Matrix, TraceError> {
        let mut numbers = self.numbers(name, "")?;
        let mut matrix = Matrix::zeros(rows, columns);
        for number in matrix.numbers_mut() {
            *number = numbers.next_finite()?;
        }
        Ok(matrix)
    }
}

/// The numbers of an array, row by row.
struct Numbers<'a> {
    path: PathBuf,
    name: &'static str,
    numbers: Box<dyn Iterator<Item = io::Result<f64>> + 'a>,
    /// Of the number read last, from 1.
    place: usize,
}

impl Numbers<'_> {
    fn next(&mut self) -> Result<f64, TraceError> {
        self.place += 1;
        let number = self.numbers.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
        number.map_err(|error| TraceError::Unreadable {
            path: self.path.clone(),
            name: self.name,
            why: match error.kind() {
                io::ErrorKind::UnexpectedEof => format!("it ends before its number {}", self.place),
                _ => format!("its number {} can't be read: {error}", self.place),
            },
        })
    }

    fn next_finite(&mut self) -> Result<f64, TraceError> {
        let value = self.next()?;
        if value.is_finite() {
            return Ok(value);
        }
        Err(TraceError::NotFinite { path: self.path.clone(), name: self.name, place: self.place, value })
    }
}

fn shape_text(shape: &[u64]) -> String {
    if shape.is_empty() {
        return "one number".to_owned();
    }
    let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let text = lengths.join(" × ");
    if let [length] = shape { format!("{} in one row", pluralize(*length, "number")) } else { text }
}

fn listed(names: &[String]) -> String {
    let mut names = names.to_vec();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
