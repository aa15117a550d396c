//! Certificates at the other end of a connection that were refused: counted by reason, and logged once a minute.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use psi_security::certificate::CertificateRefusal;
use tracing::warn;

use crate::node::log_limit::LogLimit;

/// How many certificates were refused.
#[derive(Debug, Default)]
pub(in crate::node::identity) struct RefusalCounts {
    counts: [AtomicU64; CertificateRefusal::REASONS.len()],
    limit: LogLimit,
}

impl RefusalCounts {
    /// Counts the end of a handshake, if it ended for the other end's certificate; strangers can cause as many as they
    /// like.
    pub(super) fn record(&self, error: &io::Error) {
        let refusal = error.get_ref().and_then(|error| error.downcast_ref()).and_then(CertificateRefusal::of);
        let Some(refusal) = refusal else { return };
        let counts = CertificateRefusal::REASONS.iter().zip(&self.counts);
        for (_, count) in counts.filter(|(reason, _)| **reason == refusal.reason()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(count) = self.limit.record() {
            warn!(count, reason = refusal.reason(), "refused a certificate: {refusal}");
        }
    }

    /// How many, by reason.
    pub(in crate::node::identity) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        CertificateRefusal::REASONS.into_iter().zip(counts)
    }
}
