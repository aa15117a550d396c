//! Metrics over the steps as a picture: a PNG with a panel for each metric.

use std::{error::Error, path::Path};

use plotters::prelude::{Color, PathElement};

use super::comparison::range;
use crate::output::{
    Failure,
    canvas::{
        self, Area,
        panel::{Axes, BLUE, GREY, HEADER_HEIGHT, VERMILION, draw_header, line},
    },
    numbers::short,
};

/// Width and height.
const SIZE: (u32, u32) = (1500, 1080);
/// Rows and columns of panels.
const PANELS: (usize, usize) = (3, 3);

/// Pixels for a line. Of more steps, the least and the greatest in each pixel are drawn.
const PANEL_PIXELS: usize = 420;

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
        let mut legend = Vec::new();
        if let Some(name) = &self.against {
            legend.push(("this run".to_owned(), BLUE));
            legend.push((format!("against {name}"), VERMILION));
        }
        if !self.events.is_empty() {
            legend.push((self.event.to_owned(), GREY));
        }
        draw_header(area, &self.title, &legend)
    }

    fn draw_panel(&self, area: &Area<'_>, panel: &Panel<'_>) -> Result<(), Box<dyn Error>> {
        let Panel { label, numbers, other } = panel;
        let (low, high) = range(numbers.iter().chain(other.unwrap_or_default()));
        // A constant has room on both sides.
        let room = if high > low { 0.05 * (high - low) } else { 0.1 * high.abs().max(1e-3) };
        let (low, high) = (low - room, high + room);
        let axes = Axes {
            caption: label,
            x_name: "step",
            x: (1.0, numbers.len().max(2) as f64),
            y: (low, high),
            x_label: &whole,
            y_label: &|number| short(*number),
        };
        let mut chart = axes.draw(area)?;
        let events = self.events.iter().map(|&step| step as f64);
        chart.draw_series(events.map(|step| PathElement::new(vec![(step, low), (step, high)], GREY)))?;
        chart.draw_series(line(&thinned(numbers), BLUE.stroke_width(2)))?;
        if let Some(other) = other {
            chart.draw_series(line(&thinned(other), VERMILION.stroke_width(1)))?;
        }
        Ok(())
    }
}

/// There is no half a step.
fn whole(step: &f64) -> String {
    if step.fract() == 0.0 { step.to_string() } else { String::new() }
}

/// (step, number): all of them; where several share a pixel, the least and the greatest of those.
fn thinned(numbers: &[f64]) -> Vec<(f64, f64)> {
    let a_pixel = numbers.len().div_ceil(PANEL_PIXELS);
    if a_pixel <= 2 {
        return numbers.iter().zip(1_u32..).map(|(&number, step)| (f64::from(step), number)).collect();
    }
    let chunks = numbers.chunks(a_pixel).enumerate();
    chunks
        .flat_map(|(place, chunk)| {
            let (low, high) = range(chunk.iter());
            let first = (place * a_pixel + 1) as f64;
            [(first, low), (first, high)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_series_are_drawn_whole_and_long_ones_keep_their_peaks() {
        assert_eq!(thinned(&[0.5, 1.5]), [(1.0, 0.5), (2.0, 1.5)]);
        let mut long = vec![0.0; 100_000];
        long[77_777] = 1.0;
        let thin = thinned(&long);
        assert!(thin.len() <= 2 * PANEL_PIXELS);
        let peaks: Vec<&(f64, f64)> = thin.iter().filter(|(_, number)| *number == 1.0).collect();
        assert!(peaks.len() == 1 && (peaks[0].0 - 77_778.0).abs() < 240.0, "{peaks:?}");
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
