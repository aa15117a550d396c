//! Claims about what a disk holds after any fault at any operation, and about what is set aside.

use std::{cell::RefCell, collections::BTreeMap};

use psi_replica::{Config, FieldName, NodeId, Now, TickMs, WallMs};
use psi_state::Replica;

use super::*;
use crate::snapshot::directory::{DataError, Directory};

mod foreign;

fn at(tick: u64) -> Now {
    Now { tick: TickMs(tick), wall: WallMs(1_750_000_000_000 + tick) }
}

fn cluster() -> ClusterName {
    ClusterName::new("test").unwrap()
}

/// A snapshot that holds so many steps.
fn snapshot_of(cluster: ClusterName, steps: u64) -> Vec<u8> {
    let config = Config { join_ms: 0, ..Config::new(cluster, NodeId::new("n").unwrap()) };
    let mut replica = Replica::new(config, at(0));
    replica.tick(at(0));
    for n in 0..steps {
        replica.step(at(1 + n), &FieldName::default_field(), &[0.5; 16]).unwrap();
    }
    replica.flush();
    replica.snapshot()
}

fn parts(bytes: &[u8]) -> impl Iterator<Item = Result<Vec<u8>, TornSnapshot>> {
    bytes.chunks(bytes.len().div_ceil(3)).map(|part| Ok(part.to_vec()))
}

fn steps_of(loaded: LoadOutcome) -> Option<u64> {
    let config = Config::new(cluster(), NodeId::new("n").unwrap());
    let (_, snapshot) = loaded.snapshot?;
    Some(Replica::with_snapshot(config, at(0), snapshot).view(&FieldName::default_field()).unwrap().moments.count)
}

/// What goes wrong at one operation.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing is done.
    Fails,
    /// It is done, yet an error comes back; of a write, half is done, as on a full disk.
    FailsLate,
    /// Nothing is done any more: the machine has stopped.
    Stops,
}

#[derive(Clone, Debug)]
enum NameChange {
    Put(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

#[derive(Clone, Debug, Default)]
struct Content {
    written: Vec<u8>,
    synced: Vec<u8>,
}

/// A disk as POSIX has it: what was not synced may be there after the machine stopped, or not, or in part.
#[derive(Clone, Debug, Default)]
struct Machine {
    files: Vec<Content>,
    /// Names as programs see them.
    names: BTreeMap<String, usize>,
    /// Names as they were when the directory was last synced.
    synced_names: BTreeMap<String, usize>,
    unsynced: Vec<NameChange>,
    done: usize,
    fault: Option<(usize, Fault)>,
    stopped: bool,
}

fn change(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Put(name, file) => {
            names.insert(name.clone(), *file);
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
        NameChange::Rename(from, to, file) => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
    }
}

impl Machine {
    fn change(&mut self, one: NameChange) {
        change(&mut self.names, &one);
        self.unsynced.push(one);
    }

    /// Every disk that may be found once the machine has stopped now.
    fn after_a_stop(&self) -> Vec<FaultyDisk> {
        /// What became of bytes that were not synced.
        type Fate = fn(&Content) -> Vec<u8>;
        let fates: [Fate; 4] = [
            |content| content.synced.clone(),
            |content| content.written[..content.written.len() / 2].to_vec(),
            |content| vec![0; content.written.len()],
            |content| content.written.clone(),
        ];
        let mut disks = Vec::new();
        for chosen in 0..1_usize << self.unsynced.len() {
            let mut names = self.synced_names.clone();
            let survivors = self.unsynced.iter().enumerate().filter(|(n, _)| chosen & (1 << n) != 0);
            survivors.for_each(|(_, one)| change(&mut names, one));
            for fate in fates {
                let kept = |content: &Content| {
                    let bytes = if content.written == content.synced { content.synced.clone() } else { fate(content) };
                    Content { written: bytes.clone(), synced: bytes }
                };
                let files = self.files.iter().map(kept).collect();
                let (names, synced_names) = (names.clone(), names.clone());
                let machine = Self { files, names, synced_names, ..Self::default() };
                disks.push(FaultyDisk(RefCell::new(machine)));
            }
        }
        disks
    }
}

struct FaultyDisk(RefCell<Machine>);

impl FaultyDisk {
    fn new() -> Self {
        Self(RefCell::new(Machine::default()))
    }

    /// Does an operation, or fails it. `half` is what a late failure does.
    fn operate<R>(&self, whole: impl FnOnce(&mut Machine) -> R, half: impl FnOnce(&mut Machine)) -> io::Result<R> {
        let mut machine = self.0.borrow_mut();
        let number = machine.done;
        machine.done += 1;
        let fault = machine.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        let broken = || Err(io::Error::other("injected"));
        match fault {
            _ if machine.stopped => broken(),
            None => Ok(whole(&mut machine)),
            Some(Fault::Fails) => broken(),
            Some(Fault::FailsLate) => {
                half(&mut machine);
                broken()
            }
            Some(Fault::Stops) => {
                machine.stopped = true;
                broken()
            }
        }
    }

    /// An operation that a late failure has done all the same.
    fn all_or_nothing(&self, act: impl Fn(&mut Machine)) -> io::Result<()> {
        self.operate(&act, &act)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let mut machine = self.0.borrow_mut();
        machine.files.push(Content { written: bytes.to_vec(), synced: bytes.to_vec() });
        let file = machine.files.len() - 1;
        machine.names.insert(name.to_owned(), file);
        machine.synced_names = machine.names.clone();
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let machine = self.0.borrow();
        Some(machine.files[*machine.names.get(name)?].written.clone())
    }
}

impl Disk for FaultyDisk {
    type File = usize;

    fn create(&self, name: &str) -> io::Result<usize> {
        let act = |machine: &mut Machine| {
            machine.files.push(Content::default());
            let file = machine.files.len() - 1;
            machine.change(NameChange::Put(name.to_owned(), file));
            file
        };
        self.operate(act, |machine| {
            act(machine);
        })
    }

    fn write(&self, file: &mut usize, bytes: &[u8]) -> io::Result<()> {
        let write = |machine: &mut Machine, bytes: &[u8]| machine.files[*file].written.extend(bytes);
        self.operate(|machine| write(machine, bytes), |machine| write(machine, &bytes[..bytes.len() / 2]))
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        self.all_or_nothing(|machine| {
            let content = &mut machine.files[*file];
            content.synced = content.written.clone();
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let Some(file) = self.0.borrow().names.get(from).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.all_or_nothing(|machine| machine.change(NameChange::Rename(from.to_owned(), to.to_owned(), file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.0.borrow().names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.all_or_nothing(|machine| machine.change(NameChange::Remove(name.to_owned())))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.all_or_nothing(|machine| {
            machine.synced_names = machine.names.clone();
            machine.unsynced.clear();
        })
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let bytes = self.bytes(name).ok_or(io::ErrorKind::NotFound)?;
        self.operate(|_| bytes, |_| ())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().names.keys().cloned().collect())
    }
}

/// Saves a snapshot of so many steps, with a fault at one operation, counted from the start of the save.
fn save(store: &Store<FaultyDisk>, steps: u64, fault: Option<(usize, Fault)>) -> Result<Option<u64>, SaveError> {
    let mut machine = store.disk.0.borrow_mut();
    machine.fault = fault.map(|(at, fault)| (machine.done + at, fault));
    drop(machine);
    store.save(parts(&snapshot_of(cluster(), steps)))
}

/// A store that holds two snapshots, of one and of two steps.
fn settled() -> Store<FaultyDisk> {
    let store = Store::new(FaultyDisk::new());
    save(&store, 1, None).unwrap();
    save(&store, 2, None).unwrap();
    store
}

/// Operations of a save: create, three writes, sync, two renames, sync of the directory; one more is never reached.
const OPERATIONS: usize = 9;
const FAULTS: [Fault; 3] = [Fault::Fails, Fault::FailsLate, Fault::Stops];

/// Whatever is on the disk once the machine has stopped, it is one of the wanted snapshots, whole, and nothing
/// broken.
fn check_after_a_stop(store: &Store<FaultyDisk>, want: std::ops::RangeInclusive<u64>, what: &str) {
    for disk in store.disk.0.borrow().after_a_stop() {
        let names = disk.names().unwrap();
        let loaded = Store::new(disk).load(&cluster(), 7).unwrap();
        assert!(loaded.refused.is_empty(), "{what}, {names:?}: {:?}", loaded.refused);
        let steps = steps_of(loaded);
        assert!(steps.is_some_and(|steps| want.contains(&steps)), "{what}, {names:?}: {steps:?} instead of {want:?}");
    }
}

#[test]
fn whatever_fails_and_when_the_old_or_the_new_snapshot_is_there_whole() {
    let mut failed = std::collections::BTreeSet::new();
    for (at, fault) in (0..OPERATIONS).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
        let store = settled();
        let saved = save(&store, 3, Some((at, fault)));
        assert_eq!(saved.is_ok(), at == OPERATIONS - 1, "{fault:?} at {at}");
        let oldest = if saved.is_ok() { 3 } else { 2 };
        check_after_a_stop(&store, oldest..=3, &format!("{fault:?} at {at}"));
        failed.extend(saved.err().map(|error| error.operation.as_str()));
    }
    assert_eq!(failed.into_iter().collect::<Vec<_>>(), ["create", "rename", "sync_directory", "sync_file", "write"]);
}

#[test]
fn a_save_that_failed_takes_nothing_from_the_ones_after_it() {
    for (first, fault) in (0..OPERATIONS).flat_map(|at| [(at, Fault::Fails), (at, Fault::FailsLate)]) {
        for (second, later) in (0..OPERATIONS).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
            let store = settled();
            let oldest = if save(&store, 3, Some((first, fault))).is_ok() { 3 } else { 2 };
            let oldest = if save(&store, 4, Some((second, later))).is_ok() { 4 } else { oldest };
            check_after_a_stop(&store, oldest..=4, &format!("{fault:?} at {first}, {later:?} at {second}"));
        }
        let store = settled();
        let _ = save(&store, 3, Some((first, fault)));
        save(&store, 4, None).unwrap();
        check_after_a_stop(&store, 4..=4, &format!("{fault:?} at {first}, then none"));
    }
}

#[test]
fn a_failed_write_does_not_stay_on_a_full_disk() {
    let store = settled();
    let error = save(&store, 3, Some((2, Fault::FailsLate))).unwrap_err();
    assert_eq!(error.to_string(), "write failed: injected");
    assert_eq!(store.disk.names().unwrap(), [LATEST, PREVIOUS]);
}

#[test]
fn what_cannot_be_used_is_set_aside_as_it_was_and_the_previous_one_stands_in() {
    let whole = snapshot_of(cluster(), 2);
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    let mut future = whole.clone();
    future[8] = 9;
    let foreign = snapshot_of(ClusterName::new("prod").unwrap(), 2);
    let truncated = whole[..whole.len() - 1].to_vec();
    for (bytes, reason) in [
        (flipped, "checksum"),
        (truncated, "checksum"),
        (Vec::new(), "truncated"),
        (future, "from_future"),
        (foreign, "wrong_cluster"),
        (b"hello, world".to_vec(), "not_a_snapshot"),
    ] {
        let store = settled();
        store.disk.put(LATEST, &bytes);
        let loaded = store.load(&cluster(), 77).unwrap();
        let [refused] = &loaded.refused[..] else { panic!("{reason}: {:?}", loaded.refused) };
        assert_eq!((refused.name, refused.error.reason()), (LATEST, reason));
        assert_eq!(refused.aside.as_ref().unwrap(), "snapshot.refused-77");
        assert_eq!(store.disk.bytes("snapshot.refused-77"), Some(bytes), "{reason}: for people to look at");
        assert_eq!(steps_of(loaded), Some(1), "{reason}");
    }
}

#[test]
fn where_nothing_can_be_used_there_is_no_snapshot_and_the_next_one_is_written() {
    let store = settled();
    store.disk.put(LATEST, b"psisnap\n");
    store.disk.put(PREVIOUS, b"");
    let loaded = store.load(&cluster(), 77).unwrap();
    assert_eq!(loaded.refused.len(), 2);
    assert_eq!(loaded.refused[1].aside.as_ref().unwrap(), "snapshot.refused-78", "a name of its own");
    assert!(loaded.snapshot.is_none());
    save(&store, 5, None).unwrap();
    assert_eq!(steps_of(store.load(&cluster(), 79).unwrap()), Some(5));
}

#[test]
fn a_file_that_cannot_be_read_or_moved_keeps_no_node_from_starting() {
    let store = settled();
    let mut machine = store.disk.0.borrow_mut();
    machine.fault = Some((machine.done, Fault::Stops));
    drop(machine);
    let loaded = store.load(&cluster(), 77).unwrap();
    assert!(loaded.snapshot.is_none());
    assert_eq!(loaded.refused[0].error.reason(), "unreadable");
    assert!(loaded.refused.iter().all(|refused| refused.aside.is_err()));
}

#[test]
fn only_the_latest_of_what_was_set_aside_is_kept() {
    let store = settled();
    for start in 1..=9 {
        store.disk.put(LATEST, b"damaged");
        store.load(&cluster(), start).unwrap();
    }
    let names = store.disk.names().unwrap();
    let asides: Vec<&String> = names.iter().filter(|name| name.starts_with(ASIDE)).collect();
    assert_eq!(asides, ["snapshot.refused-6", "snapshot.refused-7", "snapshot.refused-8", "snapshot.refused-9"]);
}

#[test]
fn a_real_directory_keeps_snapshots_and_removes_what_a_crash_left() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("made/on/the/way");
    let store = Store::new(Directory::lock(path.clone()).unwrap());
    assert!(store.load(&cluster(), 1).unwrap().snapshot.is_none());
    for steps in [1, 2] {
        let bytes = snapshot_of(cluster(), steps);
        assert_eq!(store.save(parts(&bytes)).unwrap(), Some(bytes.len() as u64));
    }
    std::fs::write(path.join(TEMPORARY), b"half").unwrap();
    std::fs::write(path.join("notes.txt"), b"not ours").unwrap();
    drop(store);
    let store = Store::new(Directory::lock(path.clone()).unwrap());
    assert_eq!(steps_of(store.load(&cluster(), 1).unwrap()), Some(2));
    std::fs::write(path.join(LATEST), b"damaged").unwrap();
    assert_eq!(steps_of(store.load(&cluster(), 5).unwrap()), Some(1));
    let mut names = store.disk.names().unwrap();
    names.sort();
    assert_eq!(names, ["lock", "notes.txt", PREVIOUS, "snapshot.refused-5"]);
}

#[test]
fn a_directory_belongs_to_one_process_and_must_be_one() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().to_owned();
    let held = Directory::lock(path.clone()).unwrap();
    let error = Directory::lock(path.clone()).unwrap_err();
    assert!(matches!(error, DataError::InUse(_)), "{error}");
    assert!(error.to_string().contains("give each node a directory of its own (data.dir)"), "{error}");
    drop(held);
    Directory::lock(path.clone()).unwrap();
    std::fs::write(path.join("file"), b"").unwrap();
    let error = Directory::lock(path.join("file")).unwrap_err();
    assert!(error.to_string().contains("make it writable, or choose another (data.dir)"), "{error}");
}

#[test]
fn a_torn_snapshot_changes_nothing_on_disk() {
    let store = Store::new(FaultyDisk::new());
    save(&store, 1, None).unwrap();
    let whole = snapshot_of(cluster(), 2);
    let torn = parts(&whole).take(2).chain([Err(TornSnapshot)]);
    assert_eq!(store.save(torn).unwrap(), None);
    assert!(!store.disk.names().unwrap().contains(&TEMPORARY.to_owned()));
    assert_eq!(steps_of(store.load(&cluster(), 0).unwrap()), Some(1));
}
