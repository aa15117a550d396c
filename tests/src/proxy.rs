//! A network that can be broken: each node's advertised addresses are those of a proxy, TCP and UDP, so that links
//! and gossip pass through here and nothing else does.
//!
//! Faults are set by direction between two named nodes, no matter who dialled. The sender is known by the datagram's source,
//! which is the sender's gossip socket, and for connections by the process that owns the other end: `/proc` shows which.
//! Clients of a test go past the proxy.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

/// Bytes that are read at once; also the unit in which slow links pass bytes.
const CHUNK_BYTES: usize = 4096;
/// Chunks on their way in one direction of a connection; then the sender feels back-pressure.
const CHUNKS_UNDERWAY: usize = 32;
/// Larger than any datagram.
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// What happens to traffic in one direction between two nodes. The default is none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fault {
    /// Nothing passes: datagrams are gone, and bytes of connections wait, as retransmission has them wait.
    pub cut: bool,
    /// Everything takes this much longer.
    pub delay: Duration,
    /// What a connection passes in a second; `None` is as much as there is.
    pub bytes_per_second: Option<u32>,
    /// Share of datagrams that are lost.
    pub loss: f64,
    /// Share of datagrams that arrive twice.
    pub duplication: f64,
}

impl Fault {
    /// A cable pulled out.
    pub const CUT: Self =
        Self { cut: true, delay: Duration::ZERO, bytes_per_second: None, loss: 0.0, duplication: 0.0 };
}

/// The address that others know of a node, and where it listens.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// What the node advertises: the proxy.
    pub front: Endpoints,
    /// Where the node itself listens.
    pub back: Endpoints,
}

/// The two addresses of a node that other nodes use.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints {
    /// gRPC, TCP.
    pub grpc: SocketAddr,
    /// Gossip, UDP.
    pub gossip: SocketAddr,
}

/// All proxies of one test. Dropping it closes them.
pub struct Network {
    wires: Arc<Wires>,
    proxies: JoinSet<()>,
}

/// From, to.
type Direction = (String, String);

/// What the tasks of a network share.
struct Wires {
    faults: watch::Sender<BTreeMap<Direction, Fault>>,
    /// Counts resets, each of the two nodes named.
    resets: watch::Sender<BTreeMap<Direction, u64>>,
    nodes: Mutex<BTreeMap<String, TrafficSource>>,
    random: Mutex<SmallRng>,
}

/// What distinguishes a node's traffic from another's.
#[derive(Clone, Copy)]
struct TrafficSource {
    gossip: SocketAddr,
    process: Option<u32>,
}

impl Network {
    /// A network without faults; what is lost and doubled later follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let wires = Wires {
            faults: watch::Sender::default(),
            resets: watch::Sender::default(),
            nodes: Mutex::default(),
            random: Mutex::new(SmallRng::seed_from_u64(seed)),
        };
        Self { wires: Arc::new(wires), proxies: JoinSet::new() }
    }

    /// Stands before a node that will listen at `back`.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn route(&mut self, name: &str, back: Endpoints) -> Result<Route> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let front = Endpoints { grpc: listener.local_addr()?, gossip: socket.local_addr()? };
        self.wires.nodes().insert(name.to_owned(), TrafficSource { gossip: back.gossip, process: None });
        self.proxies.spawn(accept(self.wires.clone(), name.to_owned(), listener, back.grpc));
        self.proxies.spawn(pass_datagrams(self.wires.clone(), name.to_owned(), socket, back.gossip));
        Ok(Route { front, back })
    }

    /// Sets which process a node is now.
    pub fn runs(&self, name: &str, process: u32) {
        if let Some(known) = self.wires.nodes().get_mut(name) {
            known.process = Some(process);
        }
    }

    /// Sets what happens on the way from one node to another.
    pub fn set(&self, from: &str, to: &str, fault: Fault) {
        self.wires.faults.send_modify(|faults| {
            faults.insert((from.to_owned(), to.to_owned()), fault);
        });
    }

    /// Sets what happens between two nodes, both ways.
    pub fn between(&self, one: &str, other: &str, fault: Fault) {
        self.set(one, other, fault);
        self.set(other, one, fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.wires.faults.send_modify(BTreeMap::clear);
    }

    /// Breaks every connection between two nodes, at once and for both to see.
    pub fn reset(&self, one: &str, other: &str) {
        self.wires.resets.send_modify(|resets| *resets.entry(pair(one, other)).or_default() += 1);
    }
}

/// Two names in an order of their own.
fn pair(one: &str, other: &str) -> Direction {
    if one < other { (one.to_owned(), other.to_owned()) } else { (other.to_owned(), one.to_owned()) }
}

impl Wires {
    fn nodes(&self) -> MutexGuard<'_, BTreeMap<String, TrafficSource>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, way: &Direction) -> Fault {
        self.faults.borrow().get(way).copied().unwrap_or_default()
    }

    /// Resolves once the way is not cut.
    async fn passable(&self, way: &Direction) {
        let mut faults = self.faults.subscribe();
        let _ = faults.wait_for(|faults| faults.get(way).is_none_or(|fault| !fault.cut)).await;
    }

    /// Resolves when the connections between two nodes are reset.
    async fn reset(&self, way: &Direction) {
        let between = pair(&way.0, &way.1);
        let count = |resets: &BTreeMap<Direction, u64>| resets.get(&between).copied().unwrap_or_default();
        let mut resets = self.resets.subscribe();
        let begun = count(&resets.borrow());
        let _ = resets.wait_for(|resets| count(resets) != begun).await;
    }

    /// The node that gossips from this address; none for what is no node of this network.
    fn gossiper(&self, source: SocketAddr) -> Option<String> {
        self.nodes().iter().find(|(_, known)| known.gossip == source).map(|(name, _)| name.clone())
    }

    /// How often a datagram arrives.
    fn copies(&self, fault: Fault) -> usize {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let mut happens = |share: f64| random.random::<f64>() < share;
        match (fault.cut || happens(fault.loss), happens(fault.duplication)) {
            (true, _) => 0,
            (false, doubled) => 1 + usize::from(doubled),
        }
    }

    /// The node whose process opened the connection from `source` to `front`.
    fn dialler(&self, source: SocketAddr, front: SocketAddr) -> Option<String> {
        let inode = inode(source, front)?;
        let nodes = self.nodes();
        let owns = |known: &TrafficSource| known.process.is_some_and(|process| owns(process, &inode));
        nodes.iter().find(|(_, known)| owns(known)).map(|(name, _)| name.clone())
    }
}

/// The kernel's number of the socket at `local` that is connected to `remote`.
fn inode(local: SocketAddr, remote: SocketAddr) -> Option<String> {
    let port = |word: Option<&str>| u16::from_str_radix(word?.rsplit(':').next()?, 16).ok();
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let ends = (port(words.next())?, port(words.next())?);
        (ends == (local.port(), remote.port())).then(|| words.nth(6).map(str::to_owned))?
    })
}

/// Whether a process holds the socket with this number.
fn owns(process: u32, inode: &str) -> bool {
    let target = format!("socket:[{inode}]");
    let Ok(held) = std::fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    held.flatten().any(|held| std::fs::read_link(held.path()).is_ok_and(|link| link == Path::new(&target)))
}

async fn accept(wires: Arc<Wires>, name: String, listener: TcpListener, back: SocketAddr) {
    let mut connections = JoinSet::new();
    let Ok(front) = listener.local_addr() else { return };
    while let Ok((stream, source)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let Some(from) = wires.dialler(source, front) else { continue };
        connections.spawn(carry(wires.clone(), (from, name.clone()), stream, back));
    }
}

/// Carries one connection until both directions have ended, or it is reset.
async fn carry(wires: Arc<Wires>, there: Direction, near: TcpStream, back: SocketAddr) {
    let here = (there.1.clone(), there.0.clone());
    let both = async {
        wires.passable(&there).await;
        wires.passable(&here).await;
        let far = TcpStream::connect(back).await?;
        // A connection that breaks is not to look like one that was ended.
        near.set_zero_linger()?;
        far.set_zero_linger()?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        tokio::try_join!(pump(&wires, &there, near_read, far_write), pump(&wires, &here, far_read, near_write))
    };
    tokio::select! {
        _ = both => {}
        () = wires.reset(&there) => {}
    }
}

/// Passes bytes one way, as the fault of the moment lets it.
async fn pump(
    wires: &Wires,
    way: &Direction,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_UNDERWAY);
    let read = async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let count = from.read(&mut buffer).await?;
            let due = Instant::now() + wires.fault(way).delay;
            if count == 0 || queue.send((due, buffer[..count].to_vec())).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = queued.recv().await {
            tokio::time::sleep_until(due).await;
            wires.passable(way).await;
            to.write_all(&bytes).await?;
            if let Some(rate) = wires.fault(way).bytes_per_second {
                let share = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX)) / f64::from(rate);
                tokio::time::sleep(Duration::from_secs_f64(share)).await;
            }
        }
        // The end of a connection does not cross a cut either.
        wires.passable(way).await;
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(|_| ())
}

/// Passes datagrams to a node, and its answers back to the source: each source has a socket of its own.
async fn pass_datagrams(wires: Arc<Wires>, name: String, front: Arc<UdpSocket>, back: SocketAddr) {
    let mut answering = JoinSet::new();
    let mut sockets: BTreeMap<SocketAddr, (Option<String>, Arc<UdpSocket>)> = BTreeMap::new();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // An error here is that of an earlier datagram that nobody took.
        let Ok((count, source)) = front.recv_from(&mut buffer).await else { continue };
        let (from, socket) = match sockets.entry(source) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let Ok(socket) = connected(back).await else { continue };
                let from = wires.gossiper(source);
                let way = (name.clone(), from.clone());
                answering.spawn(pass_answers(wires.clone(), way, socket.clone(), front.clone(), source));
                new.insert((from, socket))
            }
        };
        let fault = from.clone().map(|from| wires.fault(&(from, name.clone()))).unwrap_or_default();
        toss(&wires, fault, socket, back, &buffer[..count]);
    }
}

async fn connected(back: SocketAddr) -> Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(back).await.context("a loopback address")?;
    Ok(Arc::new(socket))
}

async fn pass_answers(
    wires: Arc<Wires>,
    way: (String, Option<String>),
    socket: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    source: SocketAddr,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok(count) = socket.recv(&mut buffer).await else { continue };
        let fault = way.1.clone().map(|to| wires.fault(&(way.0.clone(), to))).unwrap_or_default();
        toss(&wires, fault, &front, source, &buffer[..count]);
    }
}

/// Sends a datagram as often and as late as the fault has it.
fn toss(wires: &Wires, fault: Fault, socket: &Arc<UdpSocket>, to: SocketAddr, bytes: &[u8]) {
    for _ in 0..wires.copies(fault) {
        let (socket, bytes) = (socket.clone(), bytes.to_vec());
        tokio::spawn(async move {
            tokio::time::sleep(fault.delay).await;
            // A node that is not there does not get it.
            let _ = match socket.peer_addr() {
                Ok(_) => socket.send(&bytes).await,
                Err(_) => socket.send_to(&bytes, to).await,
            };
        });
    }
}
