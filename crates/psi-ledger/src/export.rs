//! A file with ledgers that anyone verifies, without the cluster and years later.
//!
//! It is one protobuf message, so tools of any language read it; its heads are text, which other tools verify. An
//! auditor who has only the file sees that nobody changed it since its nodes signed it. Who those nodes are is another
//! question: for that an auditor brings the cluster's authority, or heads from earlier, in a [`TrustBasis`].

use psi_security::certificate::TrustAnchors;

use crate::head::SignedHead;

mod alignment;
mod encoder;
mod finding;
mod format;
mod frame;
mod keys;
mod layout;
mod links;
mod report;
mod section;

pub use encoder::{ExportEncoder, RunPreface};
pub use finding::{FINDINGS_MAX, Fault, Finding, Subject};
pub use report::{KeySource, Report, RunReport};

use finding::{Findings, Place};
use keys::Keys;
use layout::{Item, Layout};
use links::{Links, Statements};
use section::RunReading;

/// What the reader of a file knows from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrustBasis<'a> {
    /// The authorities of the cluster. With them every key must be vouched for.
    pub anchors: Option<&'a TrustAnchors>,
    /// Heads that were had before. The file must go on from each.
    pub heads: &'a [SignedHead],
}

/// Verifies every byte of an export.
///
/// # Errors
/// All that is wrong, by place; at least one finding.
pub fn verify(bytes: &[u8], basis: &TrustBasis<'_>) -> Result<Report, Vec<Finding>> {
    let mut findings = Findings::default();
    let frames = frame::read(bytes, &mut findings);
    let layout = Layout::read(bytes, frames, &mut findings);
    let runs: Vec<_> = layout.runs.iter().map(|section| RunReading::read(section, &mut findings)).collect();
    let statements: Vec<_> = runs.iter().map(|run| Statements::read(run, &mut findings)).collect();
    check_clusters(&layout, &mut findings);
    let keys = Keys::read(&layout, &runs, &statements, basis.anchors, &mut findings);
    let mut links = Links::new(&runs, &statements, basis.heads);
    links.check(&mut findings);
    basis.heads.iter().for_each(|head| links.check_known(head, &mut findings));
    let outside = links.outside;
    let reports: Option<Vec<_>> =
        runs.iter().zip(&statements).map(|(run, statements)| keys.report(run, statements)).collect();
    let findings = findings.finish();
    match (layout.cluster, reports) {
        (Some(cluster), Some(runs)) if findings.is_empty() => {
            Ok(Report { cluster: cluster.value, bytes: bytes.len() as u64, runs, outside })
        }
        _ => Err(findings),
    }
}

/// Whether there are runs, and of which cluster.
fn check_clusters(layout: &Layout, findings: &mut Findings) {
    let Some(Item { offset, value: cluster }) = &layout.cluster else { return };
    let preamble = Place::at(Subject::Preamble, *offset);
    let others: Vec<_> = layout.runs.iter().filter(|run| run.log.cluster != *cluster).collect();
    if layout.runs.is_empty() {
        findings.add(Fault::Dropped, Place::at(Subject::Run, *offset), "the file has no run, so it shows nothing");
    } else if others.len() == layout.runs.len() {
        findings.add(Fault::Contradicted, preamble, format!("its cluster is {cluster}, and no run is of that"));
    } else {
        for run in others {
            let place = Place::at(Subject::Run, run.offset).of(&run.log);
            findings.add(Fault::Contradicted, place, format!("the file is of cluster {cluster}"));
        }
    }
}
