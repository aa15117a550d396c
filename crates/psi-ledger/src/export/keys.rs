//! Whose keys sign the runs of a file, and who says so.

use std::collections::{BTreeMap, BTreeSet};

use psi_security::{
    certificate::{AuthorityHash, TrustAnchors},
    node_key::{NodePublicKey, UnverifiedVoucher},
};

use super::{
    finding::{Fault, Findings, Place, Subject},
    layout::Layout,
    links::Statements,
    report::{KeySource, RunReport},
    section::RunReading,
};
use crate::log_name::LogName;

/// What is known of the keys of a file.
pub(super) struct Keys<'a> {
    vouched: BTreeMap<(String, NodePublicKey), AuthorityHash>,
    sources: BTreeMap<&'a LogName, KeySource>,
}

impl<'a> Keys<'a> {
    /// Reads vouchers, and follows the keys of each node from run to run.
    pub(super) fn read(
        layout: &'a Layout,
        runs: &[RunReading<'a>],
        statements: &[Statements],
        anchors: Option<&TrustAnchors>,
        findings: &mut Findings,
    ) -> Self {
        let vouched = read_vouchers(layout, anchors, findings);
        let mut sources = BTreeMap::new();
        let mut latest: Option<&RunReading<'_>> = None;
        for (run, statements) in runs.iter().zip(statements) {
            let (log, key) = (&run.section.log, run.section.public_key);
            let place = Place::at(Subject::Run, run.section.offset).of(log);
            if anchors.is_some() && !vouched.contains_key(&(log.run.node.to_string(), key)) {
                let detail = format!("no trusted authority vouches for key {key}; add the voucher of the node");
                findings.add(Fault::Unvouched, place, detail);
            }
            let before = latest.filter(|earlier| earlier.section.log.is_of_same_node(log));
            let before = before.map(|earlier| earlier.section.public_key);
            let old_key = statements.key_change.map(|change| change.old_key());
            sources.insert(log, source(before, key, old_key));
            latest = Some(run);
        }
        Self { vouched, sources }
    }

    /// What there is to say of a run in which all is well.
    pub(super) fn report(&self, run: &RunReading<'_>, statements: &Statements) -> Option<RunReport> {
        let log = run.section.log.clone();
        let mut kinds = BTreeMap::new();
        for record in &run.records {
            *kinds.entry(record.record.kind).or_default() += 1;
        }
        Some(RunReport {
            head: run.head.clone()?,
            vouched_by: self.vouched.get(&(log.run.node.to_string(), run.section.public_key)).copied(),
            key: self.sources.get(&log).copied()?,
            first: run.section.first(),
            kinds,
            shows_rewind: statements.start.as_ref().is_some_and(crate::body::RunStart::shows_rewind),
            log,
        })
    }
}

fn source(before: Option<NodePublicKey>, key: NodePublicKey, signed_by: Option<NodePublicKey>) -> KeySource {
    match before {
        None => KeySource::First,
        Some(before) if before == key => KeySource::Kept,
        Some(before) if signed_by == Some(before) => KeySource::Changed,
        Some(_) => KeySource::Unexplained,
    }
}

/// The keys that trusted authorities vouch for. Without any authority no voucher can be verified, so none counts.
fn read_vouchers(
    layout: &Layout,
    anchors: Option<&TrustAnchors>,
    findings: &mut Findings,
) -> BTreeMap<(String, NodePublicKey), AuthorityHash> {
    let mut vouched = BTreeMap::new();
    let keys = layout.runs.iter().map(|run| (run.log.cluster.as_str(), run.log.run.node.as_str(), run.public_key));
    let keys: BTreeSet<_> = keys.collect();
    for located in &layout.vouchers {
        let place = Place::at(Subject::Voucher, located.offset);
        let voucher = match UnverifiedVoucher::read(&located.value) {
            Ok(voucher) => voucher,
            Err(error) => {
                findings.add(Fault::Malformed, place, error);
                continue;
            }
        };
        let says = voucher.unverified().clone();
        if !keys.contains(&(says.cluster.as_str(), says.node.as_str(), says.public_key)) {
            let detail =
                format!("node {} of {} has no run with key {} in the file", says.node, says.cluster, says.public_key);
            findings.add(Fault::Added, place, detail);
        }
        let Some(anchors) = anchors else { continue };
        match voucher.verify(anchors, &says.cluster) {
            Ok(voucher) => drop(vouched.insert((voucher.node, voucher.public_key), voucher.authority)),
            Err(error) => findings.add(Fault::Forged, place, error),
        }
    }
    vouched
}
