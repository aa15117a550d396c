//! A row of the report: medians over the rounds, and ratios taken within each round.

use serde::Serialize;

use super::{
    question::{Question, RowHeader, Target},
    spread::Spread,
};
use crate::rounds::{Label, Sample, Turn};

/// An answered question.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// What it is called, such as `throughput over ping`.
    pub what: String,
    /// Null if no round measured what it takes.
    pub value: Option<Spread>,
    /// What it should be, if that is said.
    pub target: Option<Target>,
    /// Whether the median is as the target says; null without a target.
    pub met: Option<bool>,
}

/// A row that was measured, for people and programs alike.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The group's name.
    pub group: &'static str,
    /// Which row of the group.
    #[serde(flatten)]
    pub label: Label,
    /// Of its figure.
    pub unit: &'static str,
    /// Null if it could not be measured.
    pub figure: Option<Spread>,
    /// Half of all took at most this; null where single calls were not timed.
    pub p50_us: Option<Spread>,
    /// 99 of 100 took at most this.
    pub p99_us: Option<Spread>,
    /// Ratios and further figures.
    pub answers: Vec<Answer>,
    /// Why it could not be measured, or not in every round.
    pub failure: Option<String>,
}

/// The rows of a group, from what its cases gave in each round: `turns[case][round]`.
pub(crate) fn rows(group: &'static str, headers: Vec<RowHeader>, turns: &[Vec<Turn>]) -> Vec<Row> {
    let labels: Vec<Label> = headers.iter().map(|header| header.label.clone()).collect();
    let turns_of = |label: &Label| Some(turns.get(labels.iter().position(|one| one == label)?)?.as_slice());
    headers.into_iter().zip(turns).map(|(header, own)| row(group, header, own, &turns_of)).collect()
}

fn row<'a>(
    group: &'static str,
    header: RowHeader,
    own: &[Turn],
    turns_of: &impl Fn(&Label) -> Option<&'a [Turn]>,
) -> Row {
    let RowHeader { label, unit, questions } = header;
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
pub(crate) fn unmeasured(group: &'static str, why: String) -> Row {
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
    use crate::report::question::Part;

    fn turns(figures: &[f64]) -> Vec<Turn> {
        figures.iter().map(|&figure| Ok(Sample { figure, p99_us: Some(figure * 10.0), ..Sample::default() })).collect()
    }

    fn header(name: &str, questions: Vec<Question>) -> RowHeader {
        RowHeader { label: Label::new(name), unit: "steps/s", questions }
    }

    fn over_base(target: Target) -> Question {
        Question::ratio("over base", Part::Figure, Label::new("base")).target(target)
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was ten times slower in the second round, and slower still in the third: the ratio of medians
        // would be 9 over 10, that of rounds is always 2 or 0.9.
        let headers = vec![header("base", vec![]), header("own", vec![over_base(Target::AtLeast(2.0))])];
        let rows = rows("calls", headers, &[turns(&[100.0, 10.0, 1.0]), turns(&[200.0, 9.0, 2.0])]);
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
            let headers = vec![header("own", vec![over_base(target)]), header("base", vec![])];
            let rows = rows("calls", headers, &[turns(&[own]), turns(&[10.0])]);
            assert_eq!(rows[0].answers[0].met, Some(want), "{own} {target}");
        }
    }

    #[test]
    fn a_round_that_failed_is_left_out_and_named() {
        let mut own = turns(&[4.0, 6.0]);
        own.insert(1, Err("gone".to_owned()));
        let p99 = Question::ratio("p99 over base", Part::P99, Label::new("base"));
        let headers = vec![header("base", vec![]), header("own", vec![p99])];
        let rows = rows("calls", headers, &[turns(&[2.0, 100.0, 2.0]), own]);
        assert_eq!(rows[1].failure.as_deref(), Some("gone"));
        assert_eq!(rows[1].figure.map(|figure| figure.median), Some(5.0));
        assert_eq!(rows[1].answers[0].value, Some(Spread { median: 2.5, least: 2.0, greatest: 3.0 }));
    }

    #[test]
    fn what_was_not_measured_has_no_ratio() {
        let headers = vec![header("base", vec![]), header("own", vec![over_base(Target::AtMost(1.0))])];
        let rows = rows("calls", headers, &[vec![Err("gone".to_owned())], turns(&[1.0])]);
        assert_eq!((rows[1].answers[0].value, rows[1].answers[0].met), (None, None));
        assert_eq!((rows[0].figure, rows[1].figure.is_some()), (None, true));
    }
}
