//! What gates compared over time, as a picture: a PNG with a panel for each gate.

use std::{error::Error, path::Path};

use plotters::prelude::{Color, IntoFont, PathElement, Polygon, RGBColor, Text};
use psi_rollout::{Gate, gate::Comparison};

use super::course::Course;
use crate::output::{
    Failure,
    canvas::{
        self, Area, FONT,
        panel::{Axes, BLUE, Chart, GREEN, GREY, HEADER_HEIGHT, VERMILION, draw_header, line},
    },
    numbers::short,
};

const WIDTH: u32 = 1500;
const PANEL_HEIGHT: u32 = 420;
const COLUMNS: usize = 2;
const CHAMPION: RGBColor = RGBColor(90, 90, 90);

/// What is drawn.
pub(super) struct Picture {
    title: String,
    /// What each colour stands for.
    legend: Vec<(String, RGBColor)>,
    panels: Vec<Panel>,
    /// What happened, with the minute.
    events: Vec<(f64, String)>,
    /// The last minute.
    end: f64,
}

/// What one gate compared.
struct Panel {
    gate: Gate,
    /// Minute by minute, as far as there was enough to compare; each stretch by itself.
    stretches: Vec<Vec<(f64, Comparison)>>,
}

/// A line that can be drawn of a comparison.
type Part = fn(&Comparison) -> f64;

impl Picture {
    pub(super) fn of(name: &str, course: &Course) -> Self {
        let (rollout, samples) = (&course.rollout, &course.samples);
        let panel = |gate: Gate| Panel { stretches: stretches(samples.of(&gate)), gate };
        let events = course.occurrences.iter().filter(|one| one.hold.is_none());
        let event = |event: &str, percent: String| match event {
            "advance" => percent,
            "rollback" => "ROLLED_BACK".to_owned(),
            _ => "PROMOTED".to_owned(),
        };
        let legend = [
            (format!("{}, the canary", rollout.canary().version()), BLUE),
            (format!("{}, the champion", rollout.champion().version()), CHAMPION),
            ("tolerated, and how far beyond it FAIL begins".to_owned(), VERMILION),
            ("limit, and how far within it PASS begins".to_owned(), GREEN),
            ("a percentage begins, or the end".to_owned(), GREY),
        ];
        let last = course.occurrences.last().map_or(course.begin_ms, |last| last.ms);
        Self {
            title: format!("{name}: what gates would have said, {}", rollout.status()),
            legend: legend.to_vec(),
            panels: samples.gates().into_iter().map(panel).collect(),
            events: events
                .map(|one| (minutes(one.ms - course.begin_ms), event(one.event, one.percent.to_string())))
                .collect(),
            end: minutes(last - course.begin_ms).max(1.0),
        }
    }

    /// Draws it into a file, with `force` over one that exists; how many gates are on it.
    ///
    /// # Errors
    /// If that is not possible.
    pub(super) fn write(&self, path: &Path, force: bool) -> Result<u64, Failure> {
        let failed = |error: Box<dyn Error>| Failure::failed(format!("can't draw {}: {error}", path.display()));
        self.draw().map_err(failed)?.write(path, force)?;
        Ok(self.panels.len() as u64)
    }

    fn draw(&self) -> Result<canvas::Picture, Box<dyn Error>> {
        let columns = self.panels.len().clamp(1, COLUMNS);
        let rows = self.panels.len().div_ceil(COLUMNS).max(1);
        let height = HEADER_HEIGHT + PANEL_HEIGHT * u32::try_from(rows)?;
        canvas::Picture::paint((WIDTH, height), |area| {
            let (header, body) = area.split_vertically(HEADER_HEIGHT);
            draw_header(&header, &self.title, &self.legend)?;
            for (area, panel) in body.split_evenly((rows, columns)).iter().zip(&self.panels) {
                self.draw_panel(area, panel)?;
            }
            Ok(())
        })
    }

    fn draw_panel(&self, area: &Area<'_>, panel: &Panel) -> Result<(), Box<dyn Error>> {
        let (low, high) = panel.range();
        let axes = Axes {
            caption: &panel.caption(),
            x_name: "minute",
            x: (0.0, self.end),
            y: (low, high),
            x_label: &|minute| short(*minute),
            y_label: &|number| panel.label(*number),
        };
        let mut chart = axes.draw(area)?;
        for stretch in &panel.stretches {
            let zone = |from: Part, to: Part| {
                let there = stretch.iter().map(|(minute, one)| (*minute, from(one).clamp(low, high)));
                let back = stretch.iter().rev().map(|(minute, one)| (*minute, to(one).clamp(low, high)));
                there.chain(back).collect::<Vec<_>>()
            };
            chart.draw_series([
                Polygon::new(zone(|one| one.tolerated, fail_from), VERMILION.mix(0.18)),
                Polygon::new(zone(|one| one.limit, pass_from), GREEN.mix(0.18)),
            ])?;
        }
        self.draw_events(&mut chart, (low, high))?;
        let lines: [(Part, RGBColor, u32); 4] = [
            (|one| one.tolerated, VERMILION, 1),
            (|one| one.limit, GREEN, 1),
            (|one| one.champion, CHAMPION, 2),
            (|one| one.canary, BLUE, 2),
        ];
        for (part, color, width) in lines {
            for stretch in &panel.stretches {
                let points: Vec<_> =
                    stretch.iter().map(|(minute, one)| (*minute, part(one).clamp(low, high))).collect();
                chart.draw_series(line(&points, color.stroke_width(width)))?;
            }
        }
        Ok(())
    }

    fn draw_events(&self, chart: &mut Chart<'_, '_>, (low, high): (f64, f64)) -> Result<(), Box<dyn Error>> {
        for (minute, label) in &self.events {
            chart.draw_series([PathElement::new(vec![(*minute, low), (*minute, high)], GREY)])?;
            // Beside the line, and to its left where the picture ends.
            let is_last = *minute > 0.85 * self.end;
            let shift = if is_last { -7 * i32::try_from(label.chars().count())? - 4 } else { 4 };
            let style = (FONT, 14).into_font().color(&CHAMPION);
            let text =
                plotters::element::EmptyElement::at((*minute, high)) + Text::new(label.clone(), (shift, 2), style);
            chart.draw_series([text])?;
        }
        Ok(())
    }
}

impl Panel {
    /// What the panel shows, with its unit.
    fn caption(&self) -> String {
        match &self.gate {
            Gate::ErrorRate => "error_rate: the share of steps with an error".to_owned(),
            Gate::Latency => "latency: the mean, in milliseconds".to_owned(),
            gate => format!("{gate}: the mean"),
        }
    }

    fn label(&self, number: f64) -> String {
        if self.gate == Gate::ErrorRate { format!("{} %", short(100.0 * number)) } else { short(number) }
    }

    /// The least and the greatest that are shown: of all means and bounds, with room for some of their radii, which are
    /// far wider at first.
    fn range(&self) -> (f64, f64) {
        let all = self.stretches.iter().flatten();
        let numbers = all.flat_map(|(_, one)| [one.canary, one.champion, one.tolerated, one.limit]);
        let (low, high) =
            numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), one| (low.min(one), high.max(one)));
        if low > high {
            return (0.0, 1.0);
        }
        let room = if high > low { 0.4 * (high - low) } else { 0.1 * high.abs().max(1e-3) };
        // What never is below 0 needs no room there.
        let bottom = if low < 0.0 { f64::NEG_INFINITY } else { 0.0 };
        ((low - room).max(bottom), high + room)
    }
}

/// From where on the canary surely is worse than tolerated: beyond that, seen from the champion.
fn fail_from(one: &Comparison) -> f64 {
    if is_falling(one) { one.tolerated - one.tolerated_radius } else { one.tolerated + one.tolerated_radius }
}

/// Up to where it surely is within the limit.
fn pass_from(one: &Comparison) -> f64 {
    if is_falling(one) { one.limit + one.limit_radius } else { one.limit - one.limit_radius }
}

/// Whether less is worse.
fn is_falling(one: &Comparison) -> bool {
    one.limit < one.tolerated
}

/// Looks at which there was enough to compare, as far as they follow each other.
fn stretches(looks: impl Iterator<Item = (u64, Option<Comparison>)>) -> Vec<Vec<(f64, Comparison)>> {
    let mut stretches = vec![Vec::new()];
    for (ms, comparison) in looks {
        match (comparison, stretches.last_mut()) {
            (Some(comparison), Some(stretch)) => stretch.push((minutes(ms), comparison)),
            _ => stretches.push(Vec::new()),
        }
    }
    stretches.retain(|stretch| !stretch.is_empty());
    stretches
}

fn minutes(ms: u64) -> f64 {
    ms as f64 / 60_000.0
}
