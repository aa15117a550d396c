//! Group `capacity`: what a node costs by what it holds — idle, in memory, in each step, and to one that joins it.

mod case;
mod loaded_cluster;

use std::sync::Arc;

use crate::{
    error::BenchError,
    plural::pluralize,
    report::{
        GroupReport,
        question::{Part, Question, RowHeader, Target},
    },
    rounds::{Label, Plan, Progress},
};

use case::{CapacityCase, Quantity, STEPS_A_BATCH};
use loaded_cluster::{LoadedCluster, NODES, STEPS_OLD, STEPS_YOUNG};

pub(crate) const GROUP: &str = "capacity";
/// Fields that nodes hold beside `default`.
const FIELDS: [u32; 3] = [1, 100, 10_000];
/// Origins that nodes know, all with steps in one field.
const ORIGINS: [u32; 3] = [10, 100, 1_000];
/// What a step may cost where much is held, over where little is.
const STEP_MOST: Target = Target::AtMost(1.10);
/// Of a core, percent, for an idle node that holds the most fields.
const IDLE_MOST: Target = Target::AtMost(2.0);
/// Seconds until a fresh node has caught up on the most fields.
const CATCH_UP_MOST: Target = Target::AtMost(5.0);

fn header(quantity: Quantity, label: Label, questions: Vec<Question>) -> RowHeader {
    RowHeader { label, unit: quantity.unit(), questions }
}

fn with_fields(what: &str, fields: u32) -> Label {
    Label::new(format!("{what}, {} held", pluralize(fields.into(), "field"))).nodes(NODES).fields(fields)
}

fn with_origins(what: &str, origins: u32) -> Label {
    Label::new(format!("{what}, {origins} origins known")).nodes(NODES).origins(origins)
}

/// Rows that look at the same node.
struct Rows {
    headers: Vec<RowHeader>,
    cases: Vec<CapacityCase>,
}

impl Rows {
    fn add(&mut self, quantity: Quantity, cluster: &Arc<LoadedCluster>, label: Label, questions: Vec<Question>) {
        self.cases.push(CapacityCase::new(quantity, cluster.clone(), label.clone()));
        self.headers.push(header(quantity, label, questions));
    }

    fn idle(&mut self, cluster: &Arc<LoadedCluster>, label: Label, target: bool) {
        let question = Question::itself("% of a core", Part::Figure);
        self.add(Quantity::Idle, cluster, label, if target { vec![question.target(IDLE_MOST)] } else { Vec::new() });
    }

    fn step(
        &mut self,
        quantity: Quantity,
        cluster: &Arc<LoadedCluster>,
        label: Label,
        over: &Label,
        target: Option<Target>,
    ) {
        if label == *over {
            return self.add(quantity, cluster, label, Vec::new());
        }
        let ratio = Question::ratio(format!("over \"{}\"", over.name), Part::Figure, over.clone());
        let ratio = target.into_iter().fold(ratio, Question::target);
        self.add(quantity, cluster, label, vec![ratio]);
    }
}

/// Measures the group.
///
/// # Errors
/// If a node can't be started, or does not take what it is to hold.
pub(crate) async fn measure(plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
    let mut rows = Rows { headers: Vec::new(), cases: Vec::new() };
    progress.preparing("starting a node");
    rows.idle(&LoadedCluster::empty(1).await?.into(), Label::new("idle node, alone").nodes(1), false);
    for fields in FIELDS {
        progress.preparing(format!("making {}", pluralize(fields.into(), "field")));
        let cluster = LoadedCluster::fields(fields).await?.into();
        rows.idle(&cluster, with_fields("idle node", fields), fields == FIELDS[2]);
        rows.add(Quantity::Memory, &cluster, with_fields("memory", fields), Vec::new());
        let over = with_fields("step", FIELDS[0]);
        rows.step(Quantity::Step, &cluster, with_fields("step", fields), &over, Some(STEP_MOST));
        let over = with_fields("seldom step", FIELDS[0]);
        rows.step(Quantity::Seldom, &cluster, with_fields("seldom step", fields), &over, None);
        if fields == FIELDS[2] {
            let question = Question::itself("s from its start", Part::Figure).target(CATCH_UP_MOST);
            rows.add(
                Quantity::CatchUp { fields },
                &cluster,
                with_fields("fresh node catches up", fields),
                vec![question],
            );
        }
    }
    for origins in ORIGINS {
        progress.preparing(format!("making {origins} origins"));
        let cluster = LoadedCluster::origins(origins).await?.into();
        rows.add(Quantity::Memory, &cluster, with_origins("memory", origins), Vec::new());
        let over = with_origins("step", ORIGINS[0]);
        rows.step(Quantity::Step, &cluster, with_origins("step", origins), &over, Some(STEP_MOST));
        let over = with_origins("seldom step", ORIGINS[0]);
        rows.step(Quantity::Seldom, &cluster, with_origins("seldom step", origins), &over, None);
    }
    progress.preparing(format!("taking {STEPS_OLD} steps"));
    let (cluster, young) = (LoadedCluster::stepped().await?.into(), after_steps(STEPS_YOUNG));
    rows.step(Quantity::StepYoung, &cluster, young.clone(), &young, None);
    rows.step(Quantity::Step, &cluster, after_steps(STEPS_OLD), &young, None);

    let Rows { headers, cases } = rows;
    Ok(GroupReport::measure(GROUP, headers, cases, plan, progress).await.with_notes(notes()))
}

fn after_steps(steps: u64) -> Label {
    Label::new(format!("step, after {steps} steps of its field")).nodes(NODES)
}

fn notes() -> Vec<String> {
    vec![
        format!(
            "capacity: a row looks at one node of a cluster of its own, which it shares with rows of as many fields or \
             origins; all stand from the beginning, and nodes of a cluster hold the same. Fields come beside `default`, with ten steps in each. Origins come in a \
             snapshot, each with ten steps in the one field. An idle node's CPU is that of all its threads over {} times \
             --seconds; memory is what is resident.",
            case::LONGER,
        ),
        format!(
            "capacity: a step is what the node's process takes of the CPU for each step of a caller that sends batches of \
             {STEPS_A_BATCH}, wire, flushes, what it sends its peers and all else included. Flushes of 20 ms are shared by many steps there; a seldom step \
             comes alone, every 25 ms, and bears what a flush and the links cost meanwhile. A field that took {STEPS_YOUNG} steps is made again for \
             each turn. A fresh node has caught up when it says that it is ready, counted from the start of its process."
        ),
    ]
}
