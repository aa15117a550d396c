//! The connections of clients and peers, over gRPC and HTTP alike: how many there may be, how long they may be silent,
//! and how much may be half received. So a stranger who reaches the ports costs a bounded amount of memory.

pub(crate) mod accept;
pub(crate) mod messages;
pub(crate) mod preface;
pub(crate) mod receipts;
pub(crate) mod table;
