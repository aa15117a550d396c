//! Memory for what is half received: messages and bodies that have not arrived whole, of all connections together.
//!
//! All of it has a bound. When it is reached, the receipt that began first gives way: a client that sends its message at
//! once is done within milliseconds, and one that does not is slow, broken or hostile.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use super::table::{Activity, CallArrival};

/// What a receipt costs beside its bytes: a stream of HTTP/2 and its tasks.
const RECEIPT_BYTES: usize = 4 * 1024;

/// The receipts of a node.
#[derive(Debug)]
pub(crate) struct ReceiptTable {
    bytes_max: usize,
    receipts: Mutex<Receipts>,
}

#[derive(Debug, Default)]
struct Receipts {
    next: u64,
    bytes: usize,
    /// In the order in which they began.
    by_number: BTreeMap<u64, Arc<Share>>,
}

/// One receipt's share of the bytes.
#[derive(Debug)]
struct Share {
    bytes: AtomicUsize,
    revoked: CancellationToken,
}

/// A message or body that has not arrived whole; it has arrived, or was given up, when this is dropped.
#[derive(Debug)]
pub(crate) struct Receipt {
    table: Arc<ReceiptTable>,
    number: u64,
    share: Arc<Share>,
    /// Meanwhile its connection may have to give way.
    _arrival: Option<CallArrival>,
}

impl ReceiptTable {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, receipts: Mutex::default() }
    }

    /// A receipt begins, on a connection that does this.
    pub(crate) fn begin(self: &Arc<Self>, activity: Option<&Arc<Activity>>) -> Receipt {
        let share = Arc::new(Share { bytes: AtomicUsize::new(0), revoked: CancellationToken::new() });
        let mut receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        let number = receipts.next;
        receipts.next += 1;
        receipts.by_number.insert(number, share.clone());
        receipts.grow(&share, RECEIPT_BYTES, self.bytes_max);
        drop(receipts);
        Receipt { table: self.clone(), number, share, _arrival: activity.map(Activity::await_arrival) }
    }
}

impl Receipts {
    /// Takes more bytes, from the receipts that began first if there is no room. One that needs more than there is for
    /// all gives way itself.
    fn grow(&mut self, share: &Share, bytes: usize, bytes_max: usize) {
        if share.revoked.is_cancelled() {
            return;
        }
        share.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        while self.bytes > bytes_max {
            let Some((number, _)) = self.by_number.first_key_value() else { return };
            let number = *number;
            self.end(number);
        }
    }

    /// Takes a receipt out, which gives its bytes back.
    fn end(&mut self, number: u64) {
        if let Some(share) = self.by_number.remove(&number) {
            self.bytes -= share.bytes.load(Ordering::Relaxed);
            share.revoked.cancel();
        }
    }
}

impl Receipt {
    /// More bytes have arrived.
    pub(crate) fn grow(&self, bytes: usize) {
        let mut receipts = self.table.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        receipts.grow(&self.share, bytes, self.table.bytes_max);
    }

    /// Resolves if the receipt has to give way.
    pub(crate) fn revoked(&self) -> impl Future<Output = ()> + Send + 'static {
        self.share.revoked.clone().cancelled_owned()
    }

    #[cfg(test)]
    fn is_revoked(&self) -> bool {
        self.share.revoked.is_cancelled()
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.table.receipts.lock().unwrap_or_else(PoisonError::into_inner).end(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 10 * RECEIPT_BYTES;

    fn bytes(table: &ReceiptTable) -> usize {
        table.receipts.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    #[test]
    fn the_receipt_that_began_first_gives_way() {
        let table = Arc::new(ReceiptTable::new(MAX));
        let (first, second) = (table.begin(None), table.begin(None));
        first.grow(6 * RECEIPT_BYTES);
        assert!(!first.is_revoked());
        second.grow(3 * RECEIPT_BYTES);
        assert_eq!((first.is_revoked(), second.is_revoked(), bytes(&table)), (true, false, 4 * RECEIPT_BYTES));
        first.grow(5);
        assert_eq!(bytes(&table), 4 * RECEIPT_BYTES, "it counts no more");
        drop((first, second));
        assert_eq!(bytes(&table), 0);
    }

    #[test]
    fn many_small_receipts_are_bounded_too() {
        let table = Arc::new(ReceiptTable::new(MAX));
        let receipts: Vec<Receipt> = (0..25).map(|_| table.begin(None)).collect();
        assert_eq!(receipts.iter().filter(|receipt| receipt.is_revoked()).count(), 15);
        assert!(receipts[..15].iter().all(Receipt::is_revoked));
    }

    #[test]
    fn one_that_is_larger_than_all_room_gives_way_itself() {
        let table = Arc::new(ReceiptTable::new(MAX));
        let receipt = table.begin(None);
        receipt.grow(MAX);
        assert_eq!((receipt.is_revoked(), bytes(&table)), (true, 0));
    }
}
