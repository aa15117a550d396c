//! A row of the report: medians over the rounds, and ratios taken within each round.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::rounds::{Sample, Turn};

/// Which row it is; no two of a group have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Label {
    pub(super) name: String,
    /// Nodes that run; null where there are none.
    pub(super) nodes: Option<u32>,
    /// Callers at once; null where there are none.
    pub(super) callers: Option<u32>,
    /// Fields that the node holds, and origins that it knows; null where the name does not tell.
    pub(super) fields: Option<u32>,
    pub(super) origins: Option<u32>,
}

impl Label {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), nodes: None, callers: None, fields: None, origins: None }
    }

    pub(super) fn nodes(self, nodes: u32) -> Self {
        Self { nodes: Some(nodes), ..self }
    }

    pub(super) fn callers(self, callers: u32) -> Self {
        Self { callers: Some(callers), ..self }
    }

    pub(super) fn fields(self, fields: u32) -> Self {
        Self { fields: Some(fields), ..self }
    }

    pub(super) fn origins(self, origins: u32) -> Self {
        Self { origins: Some(origins), ..self }
    }
}

/// What of a sample is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Figure,
    P99,
    Rate,
}

impl Part {
    fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Figure => Some(sample.figure),
            Self::P99 => sample.p99_us,
            Self::Rate => sample.rate,
        }
    }
}

/// What a figure or a ratio is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A question that a row answers beside its figure.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// What is told, such as `throughput over ping`.
    what: String,
    part: Part,
    /// The row below the line; without one the part itself is told, not a ratio.
    over: Option<Label>,
    target: Option<Target>,
}

impl Question {
    /// The part over the same of another row, in each round.
    pub(super) fn ratio(what: impl Into<String>, part: Part, over: Label) -> Self {
        Self { what: what.into(), part, over: Some(over), target: None }
    }

    /// The part itself.
    pub(super) fn itself(what: impl Into<String>, part: Part) -> Self {
        Self { what: what.into(), part, over: None, target: None }
    }

    pub(super) fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    /// What the answer is to be, if that is said.
    #[cfg(test)]
    pub(super) fn wanted(&self) -> Option<Target> {
        self.target
    }
}

/// A row that is to be measured.
#[derive(Clone, Debug)]
pub(super) struct Heading {
    pub(super) label: Label,
    /// Of its figure.
    pub(super) unit: &'static str,
    pub(super) questions: Vec<Question>,
}

/// Median and spread over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

impl Spread {
    /// None of no numbers. The median of an even count is the mean of the two in the middle.
    pub(super) fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let (&least, &greatest) = (numbers.first()?, numbers.last()?);
        let upper = numbers.len() / 2;
        let lower = (numbers.len() - 1) / 2;
        Some(Self { median: f64::midpoint(numbers[lower], numbers[upper]), least, greatest })
    }
}

/// An answered question.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Answer {
    pub(super) what: String,
    /// Null if no round measured what it takes.
    pub(super) value: Option<Spread>,
    pub(super) target: Option<Target>,
    /// Whether the median is as the target says; null without a target.
    pub(super) met: Option<bool>,
}

/// A row that was measured, for people and programs alike.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) group: &'static str,
    #[serde(flatten)]
    pub(super) label: Label,
    pub(super) unit: &'static str,
    /// Null if it could not be measured.
    pub(super) figure: Option<Spread>,
    pub(super) p50_us: Option<Spread>,
    pub(super) p99_us: Option<Spread>,
    pub(super) answers: Vec<Answer>,
    /// Why it could not be measured, or not in every round.
    pub(super) failure: Option<String>,
}

/// The rows of a group, from what its cases gave in each round: `turns[case][round]`.
pub(super) fn rows(group: &'static str, headings: Vec<Heading>, turns: &[Vec<Turn>]) -> Vec<Row> {
    let labels: Vec<Label> = headings.iter().map(|heading| heading.label.clone()).collect();
    let turns_of = |label: &Label| Some(turns.get(labels.iter().position(|one| one == label)?)?.as_slice());
    headings.into_iter().zip(turns).map(|(heading, own)| row(group, heading, own, &turns_of)).collect()
}

fn row<'a>(
    group: &'static str,
    heading: Heading,
    own: &[Turn],
    turns_of: &impl Fn(&Label) -> Option<&'a [Turn]>,
) -> Row {
    let Heading { label, unit, questions } = heading;
    let over_rounds =
        |part: &dyn Fn(&Sample) -> Option<f64>| Spread::of(own.iter().flatten().filter_map(part).collect());
    let answers = questions.into_iter().map(|question| {
        let over = question.over.as_ref().map(|label| turns_of(label).unwrap_or_default());
        answer(question, own, over)
    });
    Row {
        group,
        label,
        unit,
        figure: over_rounds(&|sample| Some(sample.figure)),
        p50_us: over_rounds(&|sample| sample.p50_us),
        p99_us: over_rounds(&|sample| sample.p99_us),
        answers: answers.collect(),
        failure: own.iter().find_map(|turn| turn.as_ref().err().cloned()),
    }
}

fn answer(question: Question, own: &[Turn], over: Option<&[Turn]>) -> Answer {
    let Question { what, part, target, .. } = question;
    let of = |turn: &Turn| part.of(turn.as_ref().ok()?);
    let values = match over {
        None => own.iter().filter_map(of).collect(),
        // Round by round: what slowed one down slowed the other down.
        Some(over) => own.iter().zip(over).filter_map(|(own, over)| ratio(of(own)?, of(over)?)).collect(),
    };
    let value = Spread::of(values);
    let met = target.zip(value).map(|(target, value)| target.is_met(value.median));
    Answer { what, value, target, met }
}

fn ratio(own: f64, over: f64) -> Option<f64> {
    Some(own / over).filter(|ratio| ratio.is_finite())
}

/// A row for a group that could not begin.
pub(super) fn unmeasured(group: &'static str, why: String) -> Row {
    Row {
        group,
        label: Label::new("(all)"),
        unit: "",
        figure: None,
        p50_us: None,
        p99_us: None,
        answers: Vec::new(),
        failure: Some(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(figures: &[f64]) -> Vec<Turn> {
        figures.iter().map(|&figure| Ok(Sample { figure, p99_us: Some(figure * 10.0), ..Sample::default() })).collect()
    }

    fn heading(name: &str, questions: Vec<Question>) -> Heading {
        Heading { label: Label::new(name), unit: "steps/s", questions }
    }

    fn over_base(target: Target) -> Question {
        Question::ratio("over base", Part::Figure, Label::new("base")).target(target)
    }

    #[test]
    fn medians_are_in_the_middle_and_spread_reaches_from_end_to_end() {
        for (numbers, median, least, greatest) in [
            (vec![3.0, 1.0, 2.0], 2.0, 1.0, 3.0),
            (vec![10.0, 1.0, 2.0, 4.0], 3.0, 1.0, 10.0),
            (vec![7.0], 7.0, 7.0, 7.0),
        ] {
            assert_eq!(Spread::of(numbers), Some(Spread { median, least, greatest }));
        }
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was ten times slower in the second round, and slower still in the third: the ratio of medians
        // would be 9 over 10, that of rounds is always 2 or 0.9.
        let headings = vec![heading("base", vec![]), heading("own", vec![over_base(Target::AtLeast(2.0))])];
        let rows = rows("calls", headings, &[turns(&[100.0, 10.0, 1.0]), turns(&[200.0, 9.0, 2.0])]);
        let answer = &rows[1].answers[0];
        assert_eq!(answer.value, Some(Spread { median: 2.0, least: 0.9, greatest: 2.0 }));
        assert_eq!((answer.met, rows[0].answers.len()), (Some(true), 0));
    }

    #[test]
    fn targets_are_met_at_their_limit_and_missed_beyond() {
        for (target, own, want) in [
            (Target::AtLeast(0.5), 5.0, true),
            (Target::AtLeast(0.5), 4.9, false),
            (Target::AtMost(0.5), 5.0, true),
            (Target::AtMost(0.5), 5.1, false),
        ] {
            let headings = vec![heading("own", vec![over_base(target)]), heading("base", vec![])];
            let rows = rows("calls", headings, &[turns(&[own]), turns(&[10.0])]);
            assert_eq!(rows[0].answers[0].met, Some(want), "{own} {target}");
        }
    }

    #[test]
    fn a_round_that_failed_is_left_out_and_told() {
        let mut own = turns(&[4.0, 6.0]);
        own.insert(1, Err("gone".to_owned()));
        let p99 = Question::ratio("p99 over base", Part::P99, Label::new("base"));
        let headings = vec![heading("base", vec![]), heading("own", vec![p99])];
        let rows = rows("calls", headings, &[turns(&[2.0, 100.0, 2.0]), own]);
        assert_eq!(rows[1].failure.as_deref(), Some("gone"));
        assert_eq!(rows[1].figure.map(|figure| figure.median), Some(5.0));
        assert_eq!(rows[1].answers[0].value, Some(Spread { median: 2.5, least: 2.0, greatest: 3.0 }));
    }

    #[test]
    fn what_was_not_measured_has_no_ratio() {
        let headings = vec![heading("base", vec![]), heading("own", vec![over_base(Target::AtMost(1.0))])];
        let rows = rows("calls", headings, &[vec![Err("gone".to_owned())], turns(&[1.0])]);
        assert_eq!((rows[1].answers[0].value, rows[1].answers[0].met), (None, None));
        assert_eq!((rows[0].figure, rows[1].figure.is_some()), (None, true));
    }
}
