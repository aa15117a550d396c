//! Links between the replicas of a world's machines, and the frames that cross them.

use std::collections::BTreeMap;

use psi_replica::{LinkError, LinkId, Now, Replica, State};

/// The numbers of links that stand, each between two machines: the lesser first.
#[derive(Debug, Default)]
pub struct Links {
    standing: BTreeMap<(usize, usize), u64>,
    made: u64,
}

impl Links {
    pub fn stand(&self, pair: (usize, usize)) -> bool {
        self.standing.contains_key(&pair)
    }
}

/// A world of machines that are linked.
pub trait LinkedWorld {
    type State: State;

    fn links(&mut self) -> &mut Links;
    fn at(&self, index: usize) -> Now;
    /// The replica on a machine, if a process runs there.
    fn process(&mut self, index: usize) -> Option<&mut Replica<Self::State>>;

    /// Whether the frame that is on its way gets lost.
    fn loses_frame(&mut self) -> bool {
        false
    }

    /// A replica has refused a frame of a link.
    fn refuse(&mut self, pair: (usize, usize), error: LinkError) {
        panic!("link {pair:?}: {error}");
    }

    /// Makes or breaks the link between two machines, unless it is so.
    fn link(&mut self, pair: (usize, usize), stands: bool) {
        if self.links().stand(pair) == stands {
            return;
        }
        if !stands {
            return self.unlink(pair);
        }
        let links = self.links();
        links.made += 1;
        let link = links.made;
        links.standing.insert(pair, link);
        for index in [pair.0, pair.1] {
            let now = self.at(index);
            self.process(index).unwrap().link_up(now, LinkId(link));
        }
    }

    fn unlink(&mut self, pair: (usize, usize)) {
        let Some(link) = self.links().standing.remove(&pair) else { return };
        for index in [pair.0, pair.1] {
            let now = self.at(index);
            if let Some(replica) = self.process(index) {
                replica.link_down(now, LinkId(link));
            }
        }
    }

    fn unlink_all(&mut self, index: usize) {
        let pairs = self.links().standing.keys().copied();
        let own: Vec<_> = pairs.filter(|pair| pair.0 == index || pair.1 == index).collect();
        own.into_iter().for_each(|pair| self.unlink(pair));
    }

    /// At most so many frames cross each link, each way.
    fn exchange_frames(&mut self, most: usize) {
        for (pair, link) in self.links().standing.clone() {
            for (from, to) in [pair, (pair.1, pair.0)] {
                let (at_from, at_to, link) = (self.at(from), self.at(to), LinkId(link));
                for _ in 0..most {
                    let Some(frame) = self.process(from).and_then(|it| it.poll_frame(at_from, link)) else { break };
                    if self.loses_frame() {
                        continue;
                    }
                    let Some(replica) = self.process(to) else { break };
                    if let Err(error) = replica.handle_frame(at_to, link, frame) {
                        self.refuse(pair, error);
                        break;
                    }
                }
            }
        }
    }

    fn exchange(&mut self) {
        self.exchange_frames(8);
    }
}
