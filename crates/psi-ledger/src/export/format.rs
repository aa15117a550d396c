//! What all exports of this version have.

/// The version of the format.
pub(super) const FORMAT: u32 = 1;
/// What a file says of itself to people who find it.
pub(super) const ABOUT: &str = "Ledgers of a psi-field cluster, psi.ledger.v1.Export in protobuf. Read it by \
                     `psi-field ledger verify FILE`, or by `protoc --decode=psi.ledger.v1.Export` and ledger.proto. \
                     A record is a leaf of a Merkle tree (RFC 6962), a head is a C2SP tlog-checkpoint.\n";
/// The number of the field of an export that holds its parts.
pub(super) const PART_TAG: u32 = 1;
