//! chitchat itself behind the gate: what it says is let in, and what could harm it is not.

use chitchat::{Chitchat, Serializable as _};
use futures_util::FutureExt as _;
use psi_replica::NodeId;
use psi_security::{
    key::{ClusterKey, KeyRing},
    seal::{Opener, Refusal, Sealer},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::timeout;

use super::{
    craft::{CLUSTER, about, ack, fact, message, run, syn, version},
    datagram::tests::{damaged, seeds},
    rig::{DEADLINE, INTERVAL, Peer, Stranger, dropped, gate, keyed, loopback},
    *,
};

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_see_each_other_and_nothing_is_dropped() {
    let peers = [Peer::start("n1").await, Peer::start("n2").await, Peer::start("n3").await];
    for peer in &peers[1..] {
        peer.handle.gossip(peers[0].address()).expect("it runs");
    }
    for peer in &peers {
        let all = |chitchat: &Chitchat| {
            let has_fact = chitchat.node_states().values().filter(|state| state.get("ready") == Some("1")).count();
            chitchat.live_nodes().count() == 3 && has_fact == 3
        };
        peer.learns("all three, live", all).await;
        assert_eq!(dropped(&peer.drops), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_facts_of_128_nodes_with_three_runs_each_get_through() {
    let (first, second) = (Peer::start("n1").await, Peer::start("n2").await);
    first.know_others(128).await;
    second.handle.gossip(first.address()).expect("it runs");
    let all = |chitchat: &Chitchat| {
        chitchat.node_states().values().filter(|state| state.get("agree").is_some()).count() == 384
    };
    second.learns("384 runs", all).await;
    assert_eq!((dropped(&first.drops), dropped(&second.drops)), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_make_chitchat_panic_does_not_get_there() {
    let (peer, stranger) = (Peer::start("n1").await, Stranger::bind().await);
    stranger.ask(&peer, &syn(CLUSTER, &[run("n2", [1, 0, 0])])).await;
    for (operations, reason) in
        [([fact("é", "1", 1), vec![]], "bad_name"), ([fact("ready", "1", 5), version(4)], "malformed")]
    {
        stranger.send(&peer, &ack(&[vec![about("n2")], operations.to_vec()].concat())).await;
        stranger.ask(&peer, &syn(CLUSTER, &[])).await;
        assert!(dropped(&peer.drops).contains(&(reason.to_owned(), 1)), "{:?}", dropped(&peer.drops));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chitchat_decodes_whatever_damage_the_gate_lets_in_and_goes_on() {
    let (seeds, mut random) = (seeds().await, StdRng::seed_from_u64(9));
    let (peer, stranger) = (Peer::start("n1").await, Stranger::bind().await);
    for round in 0..300 {
        for _ in 0..10 {
            let bytes = damaged(&seeds, &mut random);
            if !bytes.is_empty() {
                stranger.send(&peer, &bytes).await;
            }
        }
        stranger.send(&peer, &syn(CLUSTER, &[])).await;
        timeout(DEADLINE, stranger.receive(1)).await.unwrap_or_else(|_| panic!("no answer after round {round}"));
    }
    let dropped = dropped(&peer.drops);
    assert!(dropped.iter().all(|(reason, _)| reason != "undecodable"), "{dropped:?}");
    assert!(dropped.iter().map(|(_, count)| count).sum::<u64>() > 1000, "{dropped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_fill_the_table_do_not_silence_members() {
    let peers = [Peer::start("n1").await, Peer::start("n2").await];
    peers[0].handle.gossip(peers[1].address()).expect("it runs");
    for peer in &peers {
        peer.learns("both", |chitchat| chitchat.live_nodes().count() == 2).await;
        let ids =
            peer.knows(|chitchat| chitchat.node_states().keys().map(|id| id.serialize_to_vec()).collect::<Vec<_>>());
        peer.gate.update(ids.await.into_iter(), std::iter::empty(), Vec::new(), DEADLINE);
    }
    let stranger = Stranger::bind().await;
    // To each of the two, other names.
    for (index, peer) in peers.iter().enumerate() {
        for round in 0..100 {
            let runs: Vec<_> = (0..200).map(|number| run(&format!("x{index}-{round}-{number}"), [1, 0, 0])).collect();
            stranger.ask(peer, &syn(CLUSTER, &runs)).await;
        }
    }
    for peer in &peers {
        let known = peer.knows(|chitchat| chitchat.node_states().len()).await;
        assert!((700..=datagram::MEMBERS_MAX + 1).contains(&known), "{known}");
        let other = peers.iter().map(|peer| peer.handle.chitchat_id()).find(|id| *id != peer.handle.chitchat_id());
        let other = other.expect("there are two");
        let heartbeat = |chitchat: &Chitchat| chitchat.node_state(other).map(|state| u64::from(state.heartbeat()));
        let before = peer.knows(heartbeat).await.expect("it is known");
        peer.learns("a later heartbeat", |chitchat| heartbeat(chitchat).is_some_and(|now| now > before + 20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_loses_nothing_and_mixes_nothing_up() {
    let (gate, drops) = gate();
    let mut socket =
        GossipTransport::new(gate, Arc::new(Identity::without_key())).open_socket(loopback()).await.expect("it opens");
    let to = socket.local_addr().expect("an address");
    let stranger = Stranger::bind().await;
    for number in 0_usize..200 {
        let runs: Vec<_> = (0..number % 7).map(|number| run(&format!("n{number}"), [1, 0, 0])).collect();
        let bytes = syn(CLUSTER, &runs);
        stranger.0.send_to(&bytes, to).await.expect("it is sent");
        // Each call is cancelled where it first waits, most while they decode.
        let received = async {
            loop {
                match socket.recv().now_or_never() {
                    Some(received) => break received.expect("it receives"),
                    None => tokio::task::yield_now().await,
                }
            }
        };
        let received = timeout(DEADLINE, received).await.expect("in time");
        assert_eq!((received.from_addr, received.num_bytes_received), (stranger.address(), bytes.len()));
        let shown = format!("{:?}", received.envelope.message);
        assert_eq!(shown.matches("NodeDigest").count(), number % 7, "{shown}");
    }
    assert_eq!(dropped(&drops), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_chitchat_does_not_decode_is_counted_and_does_not_stall() {
    let mut codec = Codec::open().await.expect("it opens");
    for (payload, is_message) in [(vec![0; 9], false), (syn(CLUSTER, &[]), true), (b"junk".to_vec(), false)] {
        codec.begin(payload);
        let message = timeout(DEADLINE, codec.finish()).await.expect("in time").expect("it works");
        assert_eq!(message.is_some(), is_message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codec_takes_nothing_from_other_processes() {
    let mut codec = Codec::open().await.expect("it opens");
    let stranger = Stranger::bind().await;
    let forged = syn(CLUSTER, &[run("forged", [1, 0, 0])]);
    for address in codec.addresses() {
        stranger.0.send_to(&forged, address).await.expect("it is sent");
    }
    codec.begin(b"junk".to_vec());
    assert_eq!(timeout(DEADLINE, codec.finish()).await.expect("in time").expect("it works"), None);
    codec.begin(syn(CLUSTER, &[]));
    let message = codec.finish().await.expect("it works").expect("a message");
    assert_eq!(codec.encode(message).await.expect("it is encoded"), syn(CLUSTER, &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_sent_does_not_end_gossip() {
    let (peer, stranger) = (Peer::start("n1").await, Stranger::bind().await);
    // Nothing may be sent to port 0, nor by a loopback socket to another machine.
    for address in ["127.0.0.1:0", "203.0.113.1:9"] {
        peer.handle.gossip(address.parse().expect("an address")).expect("it runs");
    }
    stranger.ask(&peer, &syn(CLUSTER, &[])).await;
    let mut socket = GossipTransport::new(gate().0, Arc::new(Identity::without_key()))
        .open_socket(loopback())
        .await
        .expect("it opens");
    let nowhere = "127.0.0.1:0".parse().expect("an address");
    assert!(socket.send_message(nowhere, decoded(&syn(CLUSTER, &[])).await).await.is_err());
    let sent = socket.send(nowhere, decoded(&syn(CLUSTER, &[])).await).await;
    assert_eq!(sent.expect("no error").num_bytes_sent, 0);
}

async fn decoded(bytes: &[u8]) -> ChitchatEnvelope {
    let mut codec = Codec::open().await.expect("it opens");
    codec.begin(bytes.to_vec());
    codec.finish().await.expect("it works").expect("a message")
}

#[test]
fn what_is_of_another_cluster_gets_through_once_a_second() {
    let (gate, drops) = gate();
    let from = loopback();
    let passes = [syn("other", &[]), syn("other", &[]), message(0, 3, &[]), syn(CLUSTER, &[])]
        .map(|bytes| gate.admit(&bytes, from).is_some());
    assert_eq!(passes, [true, false, false, true]);
    assert_eq!(dropped(&drops), [("other_cluster".to_owned(), 2)]);
}

#[test]
fn facts_of_other_names_pass_while_there_is_room() {
    let (gate, drops) = gate();
    let with = |key: &str| ack(&[about("n1"), fact("ready", "1", 1), fact(key, "1", 2)]);
    for number in 0..100 {
        let bytes = with(&format!("later-{number}"));
        let admitted = gate.admit(&bytes, loopback()).expect("it passes, cut or not");
        assert_eq!(admitted == bytes, number < 16, "{number}");
    }
    for key in crate::cluster::facts::KEYS.into_iter().filter(|key| *key != "ready") {
        assert_eq!(gate.admit(&with(key), loopback()).as_deref(), Some(&with(key)[..]));
    }
    assert_eq!(dropped(&drops), [("no_room".to_owned(), 84)]);
}

#[test]
fn every_name_that_a_node_can_have_passes() {
    for name in ["n", "psi-field-0.psi-field", &"Z".repeat(64), "a_b.c-1"] {
        assert!(NodeId::new(name).is_ok());
        assert!(gate().0.admit(&syn(CLUSTER, &[run(name, [1, 0, 0])]), loopback()).is_some(), "{name}");
    }
}

/// Who seals, for which cluster, from now on.
struct SealedBy(Sealer);

impl SealedBy {
    fn new(key: &ClusterKey, cluster: &str, session: u8) -> Self {
        Self(Sealer::new(key, cluster, [session; 16]))
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        self.0.seal(wall_ms(), payload).expect("it is sealed").remove(0)
    }
}

fn wall_ms() -> u64 {
    let elapsed = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    u64::try_from(elapsed.as_millis()).expect("not that late")
}

/// One byte is another, or bytes are missing.
fn broken(mut datagram: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    let at = random.random_range(0..datagram.len());
    if random.random_bool(0.5) {
        datagram[at] ^= random.random_range(1..=255_u8);
    } else {
        datagram.truncate(at);
    }
    datagram
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_datagrams_that_the_key_did_not_seal_are_counted_and_not_answered() {
    const BATCH: u64 = 50;
    let (key, cluster) = (ClusterKey::from_random([1; 32]), CLUSTER);
    let peers = [Peer::start_as("n1", keyed(&key)).await, Peer::start_as("n2", keyed(&key)).await];
    peers[1].handle.gossip(peers[0].address()).expect("it runs");
    let (peer, stranger) = (&peers[0], Stranger::bind().await);
    let (mut random, question) = (StdRng::seed_from_u64(4), syn(cluster, &[]));
    let mut own = SealedBy::new(&key, cluster, 1);
    let mut foreign = SealedBy::new(&ClusterKey::from_random([9; 32]), cluster, 2);
    let mut of_another_cluster = SealedBy::new(&key, "another", 3);
    for sent in 1..=10_000 {
        let datagram = match sent % 4 {
            0 => question.clone(),
            1 => broken(own.seal(&question), &mut random),
            2 => foreign.seal(&question),
            _ => of_another_cluster.seal(&question),
        };
        stranger.send(peer, &datagram).await;
        // The kernel drops what waits too long.
        let counted = || dropped(&peer.drops).iter().map(|(_, count)| count).sum::<u64>();
        let all_counted = async {
            while counted() < sent {
                tokio::time::sleep(INTERVAL / 25).await;
            }
        };
        if sent % BATCH == 0 {
            timeout(DEADLINE, all_counted).await.unwrap_or_else(|_| panic!("{} of {sent}", counted()));
        }
    }
    let counts = dropped(&peer.drops);
    assert!(counts.iter().all(|(reason, _)| Refusal::REASONS.contains(&reason.as_str())), "{counts:?}");
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 10_000, "{counts:?}");
    for (reason, least) in [("unsealed", 2_500), ("unknown_key", 2_500), ("forged", 2_500), ("malformed", 100)] {
        assert!(counts.iter().any(|(counted, count)| counted == reason && *count >= least), "{reason}: {counts:?}");
    }
    // All have been read by now, and the first answer is to what the key has sealed.
    let mut buffer = [0; 65_536];
    assert!(stranger.0.try_recv(&mut buffer).is_err(), "a stranger was answered");
    stranger.send(peer, &own.seal(&question)).await;
    let length = timeout(DEADLINE, stranger.0.recv(&mut buffer)).await.expect("in time").expect("an answer");
    let opened = Opener::new(KeyRing::from(key), cluster).open(wall_ms(), &buffer[..length]).expect("it is sealed");
    assert_eq!(opened.expect("it is whole").payload[3], 1, "the answer to a first message");
    for peer in &peers {
        peer.learns("both, live", |chitchat| chitchat.live_nodes().count() == 2).await;
    }
}
