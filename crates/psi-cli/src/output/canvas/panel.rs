//! What pictures over time have in common: a head with a legend, panels with axes, and lines.

use std::error::Error;

use plotters::{
    chart::ChartContext,
    coord::{cartesian::Cartesian2d, types::RangedCoordf64},
    prelude::{
        BLACK, BitMapBackend, ChartBuilder, Color, IntoFont, PathElement, RGBColor, ShapeStyle, TRANSPARENT, Text,
    },
};

use super::{Area, FONT};

/// Colours that people who don't distinguish red and green can distinguish (Okabe and Ito).
pub(crate) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(crate) const VERMILION: RGBColor = RGBColor(213, 94, 0);
pub(crate) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(crate) const GREY: RGBColor = RGBColor(150, 150, 150);
/// Height of a head.
pub(crate) const HEADER_HEIGHT: u32 = 64;

/// Where lines are drawn.
pub(crate) type Chart<'a, 'b> = ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The axes of a panel.
pub(crate) struct Axes<'a> {
    pub(crate) caption: &'a str,
    pub(crate) x_name: &'a str,
    /// The least and the greatest, which differ.
    pub(crate) x: (f64, f64),
    pub(crate) y: (f64, f64),
    pub(crate) x_label: &'a dyn Fn(&f64) -> String,
    pub(crate) y_label: &'a dyn Fn(&f64) -> String,
}

impl Axes<'_> {
    /// Draws them, and gives what lines are drawn on.
    ///
    /// # Errors
    /// Whatever the drawing met.
    pub(crate) fn draw<'a, 'b>(&self, area: &'a Area<'b>) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
        let mut chart = ChartBuilder::on(area)
            .caption(self.caption, (FONT, 18))
            .margin_top(4)
            .margin_right(20)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(self.x.0..self.x.1, self.y.0..self.y.1)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.1))
            .x_labels(6)
            .y_labels(6)
            .x_desc(self.x_name)
            .x_label_formatter(self.x_label)
            .y_label_formatter(self.y_label)
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 14))
            .draw()?;
        Ok(chart)
    }
}

/// Draws the title, and what each colour stands for.
///
/// # Errors
/// Whatever the drawing met.
pub(crate) fn draw_header(area: &Area<'_>, title: &str, legend: &[(String, RGBColor)]) -> Result<(), Box<dyn Error>> {
    let text = |text: &str, at: (i32, i32), size: i32, color: RGBColor| {
        area.draw(&Text::new(text.to_owned(), at, (FONT, size).into_font().color(&color)))
    };
    text(title, (20, 10), 24, BLACK)?;
    let mut at = (20, 40);
    for (label, color) in legend {
        let label = format!("– {label}");
        text(&label, at, 17, *color)?;
        let (width, _) = area.estimate_text_size(&label, &(FONT, 17).into_font().into())?;
        at.0 += i32::try_from(width)? + 24;
    }
    Ok(())
}

/// A line through points. Each piece by itself: thick lines that go on have spikes at sharp turns, far beyond the panel.
pub(crate) fn line(points: &[(f64, f64)], style: ShapeStyle) -> Vec<PathElement<(f64, f64)>> {
    match points {
        // One is a point.
        [point] => vec![PathElement::new(vec![*point, *point], style)],
        _ => points.windows(2).map(|two| PathElement::new(two.to_vec(), style)).collect(),
    }
}
