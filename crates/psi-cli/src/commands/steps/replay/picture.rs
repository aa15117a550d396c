//! Metrics over the steps as a picture: a PNG with a panel for each metric.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use plotters::prelude::{BLACK, ChartBuilder, Color, IntoFont, PathElement, RGBColor, ShapeStyle, TRANSPARENT, Text};

use super::comparison::range;
use crate::output::{
    Failure,
    canvas::{self, Area, FONT},
    numbers::short,
};

/// Width and height.
const SIZE: (u32, u32) = (1500, 1080);
/// Rows and columns of panels.
const PANELS: (usize, usize) = (3, 3);
const HEADER_HEIGHT: u32 = 64;

/// Pixels for a line. Of more steps, the least and the greatest in each pixel are drawn.
const PANEL_PIXELS: usize = 420;

/// Colours that people who don't distinguish red and green can distinguish (Okabe and Ito).
const THIS: RGBColor = RGBColor(0, 114, 178);
const AGAINST: RGBColor = RGBColor(213, 94, 0);
const EVENT: RGBColor = RGBColor(150, 150, 150);

/// What is drawn.
pub(super) struct Picture<'a> {
    pub(super) title: String,
    /// At most nine.
    pub(super) panels: Vec<Panel<'a>>,
    /// What the other run is called.
    pub(super) against: Option<String>,
    /// Steps at which something happened, from 1.
    pub(super) events: Vec<u64>,
    /// What happened then.
    pub(super) event: &'static str,
}

/// One of the series that are drawn.
pub(super) struct Panel<'a> {
    pub(super) label: String,
    /// Step by step.
    pub(super) numbers: &'a [f64],
    /// Of the other run.
    pub(super) other: Option<&'a [f64]>,
}

/// Whether a picture may be written there, before anything is read: never over one of `inputs`, and over another file
/// only by `force`.
///
/// # Errors
/// If not, or if there is no such folder.
pub(super) fn check<'a>(path: &Path, inputs: impl Iterator<Item = &'a Path>, force: bool) -> Result<(), Failure> {
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

impl Picture<'_> {
    /// Draws it into a file, with `force` over one that exists.
    ///
    /// # Errors
    /// If that is not possible.
    pub(super) fn write(&self, path: &Path, force: bool) -> Result<(), Failure> {
        let failed = |error: Box<dyn Error>| Failure::failed(format!("can't draw {}: {error}", path.display()));
        self.draw().map_err(failed)?.write(path, force)
    }

    fn draw(&self) -> Result<canvas::Picture, Box<dyn Error>> {
        canvas::Picture::paint(SIZE, |area| {
            let (header, body) = area.split_vertically(HEADER_HEIGHT);
            self.draw_header(&header)?;
            for (area, panel) in body.split_evenly(PANELS).iter().zip(&self.panels) {
                self.draw_panel(area, panel)?;
            }
            Ok(())
        })
    }

    fn draw_header(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        let text = |text: &str, at: (i32, i32), size: i32, color: RGBColor| {
            area.draw(&Text::new(text.to_owned(), at, (FONT, size).into_font().color(&color)))
        };
        text(&self.title, (20, 10), 24, BLACK)?;
        let mut at = (20, 40);
        let mut legend = Vec::new();
        if let Some(name) = &self.against {
            legend.push(("this run".to_owned(), THIS));
            legend.push((format!("against {name}"), AGAINST));
        }
        if !self.events.is_empty() {
            legend.push((self.event.to_owned(), EVENT));
        }
        for (label, color) in legend {
            text(&format!("– {label}"), at, 17, color)?;
            at.0 += 30 + 9 * i32::try_from(label.chars().count()).unwrap_or_default();
        }
        Ok(())
    }

    fn draw_panel(&self, area: &Area<'_>, panel: &Panel<'_>) -> Result<(), Box<dyn Error>> {
        let Panel { label, numbers, other } = panel;
        let (low, high) = range(numbers.iter().chain(other.unwrap_or_default()));
        // A constant has room on both sides.
        let room = if high > low { 0.05 * (high - low) } else { 0.1 * high.abs().max(1e-3) };
        let (low, high) = (low - room, high + room);
        let last = numbers.len().max(2) as u64;
        let mut chart = ChartBuilder::on(area)
            .caption(label, (FONT, 18))
            .margin_top(4)
            .margin_right(20)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(1..last, low..high)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.1))
            .x_labels(6)
            .y_labels(6)
            .x_desc("step")
            .x_label_formatter(&ToString::to_string)
            .y_label_formatter(&|number| short(*number))
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 14))
            .draw()?;
        let events = self.events.iter();
        chart.draw_series(events.map(|&step| PathElement::new(vec![(step, low), (step, high)], EVENT)))?;
        // Each piece by itself: thick lines that go on have spikes at sharp turns, far beyond the panel.
        let pieces = |numbers: &[f64], style: ShapeStyle| {
            let points = thinned(numbers);
            // One step is a point.
            let points = if points.len() == 1 { vec![points[0], points[0]] } else { points };
            let pieces: Vec<_> = points.windows(2).map(|two| PathElement::new(two.to_vec(), style)).collect();
            pieces
        };
        chart.draw_series(pieces(numbers, THIS.stroke_width(2)))?;
        if let Some(other) = other {
            chart.draw_series(pieces(other, AGAINST.stroke_width(1)))?;
        }
        Ok(())
    }
}

/// (step, number): all of them; where several share a pixel, the least and the greatest of those.
fn thinned(numbers: &[f64]) -> Vec<(u64, f64)> {
    let a_pixel = numbers.len().div_ceil(PANEL_PIXELS);
    if a_pixel <= 2 {
        return numbers.iter().zip(1..).map(|(&number, step)| (step, number)).collect();
    }
    let chunks = numbers.chunks(a_pixel).enumerate();
    chunks
        .flat_map(|(place, chunk)| {
            let (low, high) = range(chunk.iter());
            let first = (place * a_pixel + 1) as u64;
            [(first, low), (first, high)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_series_are_drawn_whole_and_long_ones_keep_their_peaks() {
        assert_eq!(thinned(&[0.5, 1.5]), [(1, 0.5), (2, 1.5)]);
        let mut long = vec![0.0; 100_000];
        long[77_777] = 1.0;
        let thin = thinned(&long);
        assert!(thin.len() <= 2 * PANEL_PIXELS);
        let peaks: Vec<&(u64, f64)> = thin.iter().filter(|(_, number)| *number == 1.0).collect();
        assert!(peaks.len() == 1 && peaks[0].0.abs_diff(77_778) < 240, "{peaks:?}");
    }

    #[test]
    fn the_font_has_every_letter_that_is_drawn() {
        let picture = |title: &str| {
            let panel = Panel { label: "Ψ".to_owned(), numbers: &[0.25], other: Some(&[0.5]) };
            let against = Some("b.toml".to_owned());
            Picture { title: title.to_owned(), panels: vec![panel], against, events: vec![1], event: "an alarm" }
                .draw()
                .unwrap()
                .pixels()
                .to_vec()
        };
        // Letters missing in a font all look the same.
        let missing = picture("\u{4e00}");
        for letter in ["Ψ", "Φ", "–", "×", "-", "e", "_"] {
            assert_ne!(picture(letter), missing, "{letter}");
        }
    }
}
