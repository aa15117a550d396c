//! Series of leases.

use prometheus::Registry;

use super::family::{Family, families};

families! {
    pub(crate) struct LeaseMetrics {
        contention: IntCounter = "psi_lease_contention_total" []
            "Leases that callers of this node asked for while another held them, or was faster";
    }
}

impl LeaseMetrics {
    pub(super) fn families() -> &'static [Family] {
        Self::FAMILIES
    }

    pub(super) fn new(registry: &Registry) -> Self {
        Self::register(registry)
    }

    pub(crate) fn record_contention(&self) {
        self.contention.inc();
    }
}
