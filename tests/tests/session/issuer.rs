//! Tokens that leave origins out, in a cluster where many runs write: the run that gave them is asked.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use psi_api::v1::{GetFrontierRequest, GetStateRequest, replication_service_client::ReplicationServiceClient};
use psi_replica::{ClusterName, Config, FieldName, LinkId, NameHash, Now, TickMs, Token, WallMs};
use psi_state::Replica;
use psi_tests::{INCIDENT, Member, cluster, eventually};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

/// More than a token lists.
const RUNS: usize = 60;
const PATIENT_MS: u32 = 30_000;
const SHORT_MS: u32 = 1_000;

/// Replicas in this process, all linked to one, the hub, which is linked to the nodes over sockets.
struct Crowd {
    begun: Instant,
    hub: Replica,
    runs: Vec<Replica>,
}

fn replica(name: &str, now: Now) -> Replica {
    let cluster = ClusterName::new("psi-field").expect("a name");
    let config = Config { join_ms: 0, ..Config::new(cluster, name.parse().expect("a name")) };
    let mut replica = Replica::new(config, now);
    replica.tick(now);
    replica
}

impl Crowd {
    /// Runs that have written once.
    fn new() -> Self {
        let begun = Instant::now();
        let mut crowd = Self { begun, hub: replica("hub", now(begun)), runs: Vec::new() };
        for number in 0..RUNS {
            let run = replica(&format!("run{number:02}"), crowd.now());
            crowd.runs.push(run);
            let link = LinkId(number as u64);
            let now = crowd.now();
            crowd.hub.link_up(now, link);
            crowd.runs[number].link_up(now, link);
            crowd.write(number);
        }
        crowd
    }

    fn now(&self) -> Now {
        now(self.begun)
    }

    /// A run writes.
    fn write(&mut self, number: usize) {
        let now = self.now();
        self.runs[number].step(now, &FieldName::default_field(), &INCIDENT).expect("it is ready");
        self.runs[number].flush();
        self.turn();
    }

    /// Carries what the crowd has to say among itself.
    fn turn(&mut self) {
        let now = self.now();
        self.hub.tick(now);
        for (run, link) in self.runs.iter_mut().zip((0..).map(LinkId)) {
            run.tick(now);
            loop {
                let (there, back) = (run.poll_frame(now, link), self.hub.poll_frame(now, link));
                if there.is_none() && back.is_none() {
                    break;
                }
                there.into_iter().for_each(|frame| self.hub.handle_frame(now, link, frame).expect("a good frame"));
                back.into_iter().for_each(|frame| run.handle_frame(now, link, frame).expect("a good frame"));
            }
        }
    }
}

fn now(begun: Instant) -> Now {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).expect("years");
    Now { tick: TickMs(ms(begun.elapsed())), wall: WallMs(ms(UNIX_EPOCH.elapsed().expect("after 1970"))) }
}

/// Links the hub to a node for as long as the test runs.
async fn link(crowd: Arc<Mutex<Crowd>>, member: &Member, id: LinkId) -> Result<()> {
    let (outbound, frames) = tokio::sync::mpsc::channel(16);
    let mut client = ReplicationServiceClient::connect(format!("http://{}", member.node.addresses().grpc)).await?;
    let poll = move |crowd: &Mutex<Crowd>| {
        let mut crowd = crowd.lock().expect("nobody panicked");
        crowd.turn();
        let now = crowd.now();
        crowd.hub.poll_frame(now, id)
    };
    {
        let mut crowd = crowd.lock().expect("nobody panicked");
        let now = crowd.now();
        crowd.hub.link_up(now, id);
    }
    outbound.send(poll(&crowd).context("it introduces itself")?).await?;
    let mut inbound = client.link(ReceiverStream::new(frames)).await?.into_inner();
    tokio::spawn(async move {
        loop {
            while let Some(frame) = poll(&crowd) {
                if outbound.send(frame).await.is_err() {
                    return;
                }
            }
            match tokio::time::timeout(Duration::from_millis(10), inbound.message()).await {
                Ok(Ok(Some(frame))) => {
                    let mut crowd = crowd.lock().expect("nobody panicked");
                    let now = crowd.now();
                    crowd.hub.handle_frame(now, id, frame).expect("a good frame");
                }
                Ok(_) => return,
                Err(_) => {}
            }
        }
    });
    Ok(())
}

async fn version_of(member: &Member, node: &str) -> Result<u64> {
    let frontier = member.cluster.clone().get_frontier(GetFrontierRequest {}).await?.into_inner();
    Ok(frontier.origins.iter().find(|origin| origin.node == node).map_or(0, |origin| origin.version))
}

async fn read(member: &Member, after: &str, deadline_ms: u32) -> Result<u64, Status> {
    let request = GetStateRequest { after: after.to_owned(), deadline_ms, ..Default::default() };
    Ok(member.field.clone().get_state(request).await?.into_inner().k)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_that_gave_a_token_says_what_it_holds_of_writers_left_out() -> Result<()> {
    let members = cluster(2).await?;
    let crowd = Arc::new(Mutex::new(Crowd::new()));
    for (member, id) in members.iter().zip([LinkId(1_000), LinkId(1_001)]) {
        link(crowd.clone(), member, id).await?;
    }
    eventually("both hold all runs", async || {
        Ok(members[0].state("").await?.k == RUNS as u64 && members[1].state("").await?.k == RUNS as u64)
    })
    .await?;
    let text = members[0].state("").await?.token;
    let token: Token = text.parse()?;
    assert!(!token.is_whole());
    assert_eq!(read(&members[1], &text, SHORT_MS).await?, RUNS as u64, "what was left out stands as it stood");
    // A run that the token leaves out writes on, so that no sum of positions fits any more.
    let left_out = {
        let mut crowd = crowd.lock().expect("nobody panicked");
        let lists = |run: &Replica| {
            let hash = run.origin().map(NameHash::of_origin);
            token.seen().iter().any(|(listed, _)| Some(*listed) == hash)
        };
        let left_out = crowd.runs.iter().position(|run| !lists(run)).context("it leaves some out")?;
        crowd.write(left_out);
        format!("run{left_out:02}")
    };
    eventually("both know it", async || {
        Ok(version_of(&members[0], &left_out).await? == 2 && version_of(&members[1], &left_out).await? == 2)
    })
    .await?;
    assert_eq!(read(&members[1], &text, PATIENT_MS).await?, RUNS as u64 + 1, "the node that gave it is asked");
    // Once that run is gone there is nobody to ask, and no answer is better than a wrong one.
    let mut members = members;
    let giver = members.remove(0);
    giver.node.shutdown().await;
    eventually("gossip says that it left", async || {
        let request = psi_api::v1::ListMembersRequest {};
        let known = members[0].cluster.clone().list_members(request).await?.into_inner();
        Ok(known.members.iter().any(|member| member.state() == psi_api::v1::MemberState::Left))
    })
    .await?;
    let refused = read(&members[0], &text, SHORT_MS).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused}");
    assert!(refused.message().contains("beyond the 40"), "{refused}");
    Ok(())
}
