//! Crashes at every write of a step to the disk: what was kept before stays, no matter which of the last writes arrived.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use redb::{Database, StorageBackend};

use super::{
    LedgerStore,
    processes::{EvidenceKey, StoredEvidence, StoredRegister},
};

const REGISTER: &str = "tasks/small/117";
const VOTE: [u8; 32] = [7; 32];
const STEPS: u8 = 4;

#[derive(Clone, Debug)]
enum DiskWrite {
    Length(u64),
    Bytes(u64, Vec<u8>),
    Sync,
}

/// A disk that notes what is written to it.
#[derive(Clone, Debug, Default)]
struct RecordingDisk {
    bytes: Arc<Mutex<Vec<u8>>>,
    writes: Arc<Mutex<Vec<DiskWrite>>>,
}

/// Which of the writes that were not synced are on the disk after a crash.
#[derive(Clone, Copy, Debug)]
enum Luck {
    None,
    All,
    EverySecond,
    /// All, but of the last only the first half.
    TornLast,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn apply(bytes: &mut Vec<u8>, write: &DiskWrite) {
    match write {
        DiskWrite::Length(length) => bytes.resize(usize::try_from(*length).expect("short"), 0),
        DiskWrite::Bytes(offset, data) => {
            let from = usize::try_from(*offset).expect("short");
            bytes.resize(bytes.len().max(from + data.len()), 0);
            bytes[from..from + data.len()].copy_from_slice(data);
        }
        DiskWrite::Sync => {}
    }
}

impl RecordingDisk {
    fn of(bytes: Vec<u8>) -> Self {
        Self { bytes: Arc::new(Mutex::new(bytes)), writes: Arc::default() }
    }

    fn count(&self) -> usize {
        lock(&self.writes).len()
    }

    fn store(&self) -> LedgerStore {
        let database = Database::builder().create_with_backend(self.clone()).expect("it opens");
        let store = LedgerStore { database: Arc::new(RwLock::new(Some(Arc::new(database)))), path: None };
        store.prepare().expect("there is room");
        store
    }

    fn note(&self, write: DiskWrite) {
        apply(&mut lock(&self.bytes), &write);
        lock(&self.writes).push(write);
    }

    /// What is on the disk after a crash behind so many writes.
    fn after_crash(&self, count: usize, luck: Luck) -> Vec<u8> {
        let writes = lock(&self.writes);
        let synced = writes[..count].iter().rposition(|write| matches!(write, DiskWrite::Sync)).unwrap_or(0);
        let mut bytes = Vec::new();
        for (number, write) in writes[..count].iter().enumerate() {
            let is_last = number + 1 == count;
            let arrives = match luck {
                _ if number <= synced => true,
                Luck::None => false,
                Luck::All | Luck::TornLast => true,
                Luck::EverySecond => number.is_multiple_of(2),
            };
            match write {
                DiskWrite::Bytes(offset, data) if is_last && matches!(luck, Luck::TornLast) => {
                    apply(&mut bytes, &DiskWrite::Bytes(*offset, data[..data.len() / 2].to_vec()));
                }
                // The system keeps lengths apart from bytes, and in order.
                write if arrives || matches!(write, DiskWrite::Length(_)) => apply(&mut bytes, write),
                _ => {}
            }
        }
        bytes
    }
}

impl StorageBackend for RecordingDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.bytes).len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (bytes, from) = (lock(&self.bytes), usize::try_from(offset).expect("short"));
        let read = bytes.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(read);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(DiskWrite::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note(DiskWrite::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(DiskWrite::Bytes(offset, data.to_vec()));
        Ok(())
    }
}

/// What a voter keeps of a step before it answers: the transition, its vote, the register; and evidence on the way.
fn keep_step(store: &LedgerStore, step: u8) {
    let evidence = EvidenceKey { task: "process/small/main".to_owned(), name: format!("report-{step}") };
    let piece = StoredEvidence { document: vec![step; 3_000], ..StoredEvidence::default() };
    assert!(store.put_evidence(&evidence, &piece, (100, 1 << 20)).expect("there is room"));
    let transition = ([step; 32], vec![step; 2_000]);
    if step.is_multiple_of(2) {
        store.put_vote(&VOTE, &[step; 300], Some(&transition)).expect("there is room");
    } else {
        store.put_blobs(&[transition]).expect("there is room");
        store.put_vote(&VOTE, &[step; 300], None).expect("there is room");
    }
    let register = StoredRegister { first_voters: Vec::new(), step: step.into(), decision: vec![step; 1_000] };
    store.put_process_register(REGISTER, &register).expect("there is room");
}

/// Which step a store has, whole: that of its vote, and that of its register.
fn kept_steps(store: &LedgerStore, image: &str) -> (u8, u8) {
    let vote = store.vote(&VOTE).expect("readable").unwrap_or_default();
    let voted = vote.first().copied().unwrap_or(0);
    assert!(vote.is_empty() || vote == [voted; 300], "{image}: a vote that nobody gave");
    let register = store.process_register(REGISTER).expect("readable").unwrap_or_default();
    let step = u8::try_from(register.step).expect("few");
    assert!(step == 0 || register.decision == [step; 1_000], "{image}: a decision that nobody made");
    for number in 1..=voted {
        let blob = store.blob(&[number; 32]).expect("readable");
        assert_eq!(blob, Some(vec![number; 2_000]), "{image}: it voted for a transition that it does not have");
    }
    (voted, step)
}

#[test]
fn nothing_that_was_kept_is_undone_by_a_crash_at_any_write() {
    let disk = RecordingDisk::default();
    let store = disk.store();
    let first = disk.count();
    let mut done = Vec::new();
    for step in 1..=STEPS {
        keep_step(&store, step);
        done.push(disk.count());
    }
    let all = disk.count();
    assert!(all - first > 30, "{} writes", all - first);
    for count in first..=all {
        for luck in [Luck::None, Luck::All, Luck::EverySecond, Luck::TornLast] {
            let image = format!("{luck:?} after {count} of {all} writes");
            let crashed = RecordingDisk::of(disk.after_crash(count, luck)).store();
            let (voted, step) = kept_steps(&crashed, &image);
            let answered = u8::try_from(done.iter().filter(|done| **done <= count).count()).expect("few");
            assert!(answered <= step && step <= voted, "{image}: {answered} were done, {voted} voted, {step} decided");
        }
    }
}
