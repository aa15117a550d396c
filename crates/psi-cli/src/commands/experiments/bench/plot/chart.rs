//! A picture of panels that lie side by side, two in a row: lines through medians, bars over the spread. The legend stands
//! above all of them, so that it lies over no line.

use std::{error::Error, path::Path};

use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, EmptyElement, IntoFont, PathElement, RGBColor, TRANSPARENT, Text,
};
use psi_bench::Spread;

use super::axis::Axis;
use crate::output::{
    Failure,
    canvas::{Area, FONT, Picture},
};

const WIDTH: u32 = 1500;
const PANEL_HEIGHT: u32 = 560;
const COLUMNS: usize = 2;
const TITLES_HEIGHT: u32 = 72;
const LEGEND_HEIGHT: u32 = 34;
const GREY: RGBColor = RGBColor(90, 90, 90);
/// Half of the width of the ends of a bar, pixels.
const BAR_END: i32 = 5;

/// Colours that people who don't distinguish red and green can distinguish (Okabe and Ito).
const COLORS: [RGBColor; 7] = [
    RGBColor(90, 90, 90),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// A picture.
pub(super) struct Chart {
    /// The name of its file.
    pub(super) file: &'static str,
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) panels: Vec<Panel>,
}

/// Lines over the same axes.
pub(super) struct Panel {
    pub(super) caption: String,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    /// Whether numbers span powers of ten; else the axis begins at 0.
    pub(super) log_y: bool,
    pub(super) lines: Vec<Line>,
}

/// A line, by x.
pub(super) struct Line {
    /// Empty where it is the only one.
    pub(super) name: String,
    pub(super) points: Vec<(f64, Spread)>,
}

impl Panel {
    fn axes(&self) -> (Axis, Axis) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let high = points().map(|(_, spread)| spread.greatest).fold(0.0, f64::max);
        let low = points().map(|(_, spread)| spread.least).fold(high, f64::min);
        let y = if self.log_y { Axis::log(low, high) } else { Axis::linear(high) };
        (Axis::of(points().map(|(x, _)| *x)), y)
    }
}

impl Chart {
    /// Draws it into a file, with `force` over one that exists.
    ///
    /// # Errors
    /// If that is not possible.
    pub(super) fn write(&self, path: &Path, force: bool) -> Result<(), Failure> {
        let rows = u32::try_from(self.panels.len().div_ceil(COLUMNS)).unwrap_or(1);
        let legend = self.legend();
        let header = TITLES_HEIGHT + if legend.is_empty() { 0 } else { LEGEND_HEIGHT };
        let picture = Picture::paint((WIDTH, header + rows * PANEL_HEIGHT), |area| {
            let (above, body) = area.split_vertically(header);
            self.draw_header(&above, &legend)?;
            for (place, panel) in body.split_evenly((rows as usize, COLUMNS)).iter().zip(&self.panels) {
                draw_panel(place, panel, &legend)?;
            }
            Ok(())
        });
        let failed = |error: Box<dyn Error>| Failure::failed(format!("can't draw {}: {error}", path.display()));
        picture.map_err(failed)?.write(path, force)
    }

    /// All that is written on it, except numbers.
    #[cfg(test)]
    pub(super) fn words(&self) -> Vec<&str> {
        let panels = self.panels.iter().flat_map(|panel| [panel.caption.as_str(), panel.x, panel.y]);
        [self.title.as_str(), &self.subtitle].into_iter().chain(panels).chain(self.legend()).collect()
    }

    /// Names of lines, in the order in which they come.
    fn legend(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for line in self.panels.iter().flat_map(|panel| &panel.lines) {
            if !line.name.is_empty() && !names.contains(&line.name.as_str()) {
                names.push(&line.name);
            }
        }
        names
    }

    fn draw_header(&self, area: &Area<'_>, legend: &[&str]) -> Result<(), Box<dyn Error>> {
        let text = |text: &str, at: (i32, i32), size: i32, color: RGBColor| {
            area.draw(&Text::new(text.to_owned(), at, (FONT, size).into_font().color(&color)))
        };
        text(&self.title, (24, 14), 28, BLACK)?;
        text(&self.subtitle, (24, 48), 17, GREY)?;
        let (mut x, y) = (24, 92);
        for (index, name) in legend.iter().enumerate() {
            let color = color(index);
            area.draw(&PathElement::new(vec![(x, y), (x + 36, y)], color.stroke_width(3)))?;
            area.draw(&Circle::new((x + 18, y), 5, color.filled()))?;
            text(name, (x + 46, y - 5), 19, BLACK)?;
            let (width, _) = area.estimate_text_size(name, &(FONT, 19).into_font().into())?;
            x += 46 + i32::try_from(width)? + 36;
        }
        Ok(())
    }
}

fn color(index: usize) -> RGBColor {
    COLORS[index % COLORS.len()]
}

fn draw_panel(area: &Area<'_>, panel: &Panel, legend: &[&str]) -> Result<(), Box<dyn Error>> {
    let (x, y) = panel.axes();
    let written = (x.written(), y.written());
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.caption, (FONT, 22))
        .margin_top(16)
        .margin_right(28)
        .margin_bottom(22)
        .margin_left(12)
        .x_label_area_size(56)
        .y_label_area_size(88)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_labels(written.0)
        .y_labels(written.1)
        .x_desc(panel.x)
        .y_desc(panel.y)
        .label_style((FONT, 17))
        .axis_desc_style((FONT, 19))
        .draw()?;
    for line in &panel.lines {
        // One that has no name is the only one.
        let color = color(legend.iter().position(|name| *name == line.name).unwrap_or(1));
        let medians: Vec<(f64, f64)> = line.points.iter().map(|(x, spread)| (*x, spread.median)).collect();
        // Each piece by itself: thick lines that go on have spikes at sharp turns.
        let pieces = medians.windows(2).map(|two| PathElement::new(two.to_vec(), color.stroke_width(3)));
        chart.draw_series(pieces)?;
        let bars = line.points.iter().map(|(x, spread)| [(*x, spread.least), (*x, spread.greatest)]);
        chart.draw_series(bars.clone().map(|ends| PathElement::new(ends.to_vec(), color)))?;
        let end = || PathElement::new(vec![(-BAR_END, 0), (BAR_END, 0)], color);
        chart.draw_series(bars.flatten().map(|at| EmptyElement::at(at) + end()))?;
        chart.draw_series(medians.into_iter().map(|median| Circle::new(median, 5, color.filled())))?;
    }
    Ok(())
}
