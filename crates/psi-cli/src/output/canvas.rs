//! Pictures: what they are painted on, the font that comes with the program, and PNGs.

pub(crate) mod panel;

use std::{
    error::Error,
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use plotters::{
    prelude::{BitMapBackend, DrawingArea, IntoDrawingArea, WHITE},
    style::{FontStyle, register_font},
};

use super::failure::Failure;

/// Comes with the program, as a system may have no fonts.
pub(crate) const FONT: &str = "Roboto";
const FONT_FILE: &[u8] = include_bytes!("../../assets/roboto-latin-greek.ttf");

/// Part of a picture, or all of it.
pub(crate) type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

/// A picture that is painted.
pub(crate) struct Picture {
    size: (u32, u32),
    /// Red, green and blue of each pixel, row by row.
    pixels: Vec<u8>,
}

impl Picture {
    /// Paints on white, so wide and high.
    ///
    /// # Errors
    /// Whatever the painting met.
    pub(crate) fn paint(
        size: (u32, u32),
        paint: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error>>,
    ) -> Result<Self, Box<dyn Error>> {
        register_font(FONT, FontStyle::Normal, FONT_FILE).map_err(|_| "the font that comes with it is damaged")?;
        let mut pixels = vec![0; 3 * size.0 as usize * size.1 as usize];
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        area.fill(&WHITE)?;
        paint(&area)?;
        area.present()?;
        drop(area);
        Ok(Self { size, pixels })
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Writes it into a file, with `force` over one that exists.
    ///
    /// # Errors
    /// If that is not possible.
    pub(crate) fn write(&self, path: &Path, force: bool) -> Result<(), Failure> {
        let failed = |error: &dyn Error| Failure::failed(format!("can't write {}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(!force).create(force).truncate(force);
        match options.open(path) {
            Ok(file) => self.encode(BufWriter::new(file)).map_err(|error| failed(&error)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::file_exists(path)),
            Err(error) => Err(failed(&error)),
        }
    }

    fn encode(&self, out: impl Write) -> Result<(), png::EncodingError> {
        let mut encoder = png::Encoder::new(out, self.size.0, self.size.1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()
    }
}

/// Whether a picture may be written there, before anything is read: never over one of `inputs`, and over another file
/// only by `force`.
///
/// # Errors
/// If not, or if there is no such folder.
pub(crate) fn check_path<'a>(path: &Path, inputs: impl Iterator<Item = &'a Path>, force: bool) -> Result<(), Failure> {
    let shown = path.display();
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        return Err(Failure::usage(format!("--png {shown}: a picture is a PNG; give it a name that ends in .png")));
    }
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(PathBuf::from("."), Path::to_owned);
    if !folder.is_dir() || path.is_dir() {
        let message = format!("can't write {shown}: there is no folder for it, or one of its name");
        return Err(Failure::usage(message));
    }
    // Links lead to what they name; what is not there is no input.
    if let Ok(target) = path.canonicalize() {
        for input in inputs {
            if input.canonicalize().is_ok_and(|input| input == target) {
                let input = input.display();
                return Err(Failure::usage(format!(
                    "--png {shown} would overwrite the input {input}; name another file"
                )));
            }
        }
    }
    if force || path.symlink_metadata().is_err() { Ok(()) } else { Err(Failure::file_exists(path)) }
}

/// For tests: how a letter looks. Those missing in the font all look the same.
#[cfg(test)]
pub(crate) fn looks(letter: char) -> Vec<u8> {
    use plotters::{prelude::Text, style::IntoFont};
    let paint = |area: &Area<'_>| Ok(area.draw(&Text::new(letter.to_string(), (8, 8), (FONT, 24).into_font()))?);
    Picture::paint((48, 48), paint).expect("the font is whole").pixels
}
