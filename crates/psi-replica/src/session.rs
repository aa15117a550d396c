//! Sessions: what a replica lacks of what a client has seen or written, by the client's token.
//!
//! A replica *has reached* a token when it holds, of every origin, at least what the replica that gave the token held
//! then. It is never told so: it has to prove it.
//!
//! **Listed origins** are compared, one by one. Own writes count as held before they are flushed, since the view has
//! them. A token that lists all (most do) is reached when they are held, and that is the whole argument.
//!
//! **A token that leaves origins out**, since more than 40 are known, sums up the positions (origin and version) of
//! those in a hash. A replica that holds some set of positions with that hash, besides the listed origins, holds just
//! what was left out, and so has reached the token: that is proof, but for a collision in 64 bits. The listed are those
//! that moved last. So what is left out has mostly stopped long ago (runs of nodes that have since been started
//! again) and stands the same everywhere. What a replica may hold besides are origins that are newer than the
//! token. They are the youngest runs or those that moved last, so the replica leaves out its own, one after the other
//! in each of these two orders, and compares every time.
//!
//! If no set fits, some origin that was left out has written since, or is lacking. These can't be told apart by a sum,
//! so the replica does not answer: the token is not reached, and waits for its deadline. A wrong "no" costs a retry, a
//! wrong "yes" would break a promise. It takes more than 40 runs that write within a token's life. A shell that can reach
//! the run which gave the token may ask it for its frontier then: whoever covers what that run holds now has reached what
//! it held before.
//!
//! A token claims the future if it wants more of the replica's *own* origin than was written: nobody else can have
//! written it. More of another origin than anybody is known to hold may just be on its way, and is waited for.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    digest::Digest,
    name::{ClusterName, NodeId},
    origin::{Origin, Version},
    replica::Replica,
    token::{NameHash, TOKEN_ORIGINS_MAX, Token, TokenError},
};

/// Most origins that a replica leaves out of the comparison, in each order, because they may be newer than a token.
const NEWER_MAX: usize = 64;

/// An origin of which a replica holds less than a token wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Its name; `None` if the replica has not heard of it.
    pub origin: Option<Origin>,
    /// What stands for it in the token.
    pub hash: NameHash,
    /// The version that the client has seen or written.
    pub wanted: Version,
    /// The version that the replica holds.
    pub held: Version,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}")?,
            None => write!(f, "an origin unknown here (hash {})", self.hash)?,
        }
        write!(f, " up to version {} (held: {})", self.wanted, self.held)
    }
}

/// What a replica lacks of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacks {
    /// Origins that the token lists.
    pub listed: Vec<Lack>,
    /// Whether it can't be told that all which the token leaves out is held.
    pub left_out: bool,
}

impl Lacks {
    /// Whether the token is reached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && !self.left_out
    }
}

/// Names the first few.
impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let mut parts: Vec<String> = self.listed.iter().take(SHOWN).map(ToString::to_string).collect();
        if self.listed.len() > SHOWN {
            parts.push(format!("{} more origins", self.listed.len() - SHOWN));
        }
        if self.left_out {
            parts.push(format!("origins beyond the {TOKEN_ORIGINS_MAX} that the token lists"));
        }
        f.write_str(&parts.join(", "))
    }
}

/// What goes into tokens, worked out once: from one step to the next only the own version differs.
#[derive(Debug)]
pub(crate) struct Told {
    cluster: NameHash,
    own: Option<NameHash>,
    /// Until an origin moves.
    others: OnceCell<Others>,
}

/// What tokens say of the origins other than the own one.
#[derive(Debug)]
struct Others {
    listed: Vec<(NameHash, Version)>,
    /// The sum of the positions of those left out.
    rest: Option<Digest>,
}

impl Told {
    pub(crate) fn new(cluster: &ClusterName) -> Self {
        Self { cluster: NameHash::of_cluster(cluster), own: None, others: OnceCell::new() }
    }

    /// Notes the own origin.
    pub(crate) fn minted(&mut self, origin: &Origin) {
        self.own = Some(NameHash::of_origin(origin));
        self.forget();
    }

    /// Forgets what was worked out of the others: an origin has moved, or the own one begins to be listed.
    pub(crate) fn forget(&mut self) {
        self.others.take();
    }
}

impl Replica {
    /// What a client knows that sees this replica now: all that is held and written here.
    #[must_use]
    pub fn token(&self) -> Token {
        let own = self.told.own.filter(|_| self.version > Version::ZERO);
        let others = self.told.others.get_or_init(|| self.others(own.is_some()));
        let mut seen = Vec::with_capacity(others.listed.len() + 1);
        seen.extend(own.map(|own| (own, self.version)));
        seen.extend_from_slice(&others.listed);
        Token::new(self.told.cluster, self.told.own, seen, others.rest)
    }

    /// What a token says of the other origins, that lists the own one or does not.
    fn others(&self, lists_own: bool) -> Others {
        let others = self.recency.latest_first().filter(|(origin, _)| self.me.as_ref() != Some(origin));
        let latest: Vec<&(Origin, NameHash)> = others.take(TOKEN_ORIGINS_MAX - usize::from(lists_own)).collect();
        let is_whole = latest.len() + usize::from(lists_own) >= self.origins_written();
        let listed = latest.iter().map(|(origin, hash)| (*hash, self.frontier.version(origin))).collect();
        let rest = (!is_whole).then(|| {
            let listed = self.me.iter().chain(latest.into_iter().map(|(origin, _)| origin));
            self.positions_without(listed)
        });
        Others { listed, rest }
    }

    /// What this replica lacks of what a client has seen or written; see the module for when that is nothing.
    ///
    /// # Errors
    /// [`TokenError`] if the token is of another cluster or claims what was never written.
    pub fn lacks(&self, token: &Token) -> Result<Lacks, TokenError> {
        let ours_hash = self.told.cluster;
        if token.cluster() != ours_hash {
            let ours = self.config.cluster.clone();
            return Err(TokenError::Cluster { ours, ours_hash, theirs: token.cluster() });
        }
        let own = self.told.own;
        let mut listed = Vec::new();
        for (hash, wanted) in token.seen() {
            let is_own = own == Some(*hash);
            let origin = if is_own { self.me.as_ref() } else { self.recency.origin(*hash) };
            let held = if is_own { self.version } else { origin.map_or(Version::ZERO, |it| self.frontier.version(it)) };
            match origin.filter(|_| is_own && *wanted > held) {
                Some(me) => {
                    return Err(TokenError::Future { origin: me.clone(), claimed: *wanted, written: held });
                }
                None if *wanted > held => {
                    let origin = origin.or_else(|| self.heard_of(*hash)).cloned();
                    listed.push(Lack { origin, hash: *hash, wanted: *wanted, held });
                }
                None => {}
            }
        }
        let given_here = own.is_some() && token.issuer() == own;
        Ok(Lacks { listed, left_out: !token.is_whole() && !given_here && !self.holds_left_out(token) })
    }

    /// Nodes at the other end of a link that are known to hold this replica's own writes up to `version`. Those that
    /// held it and are gone are not among them.
    #[must_use]
    pub fn holders(&self, version: Version) -> BTreeSet<NodeId> {
        let holding = self.links().filter(|(_, link)| link.holds_own >= version);
        holding.filter_map(|(_, link)| Some(link.peer?.node)).collect()
    }

    /// Whether every linked node is known to hold all that this replica wrote, over one link or another: an old link to
    /// it may be dead and not know it yet.
    #[must_use]
    pub fn has_handed_over(&self) -> bool {
        let written = self.me.as_ref().map_or(Version::ZERO, |me| self.frontier.version(me));
        let holders = self.holders(written);
        !self.is_dirty() && self.links().filter_map(|(_, link)| link.peer).all(|peer| holders.contains(&peer.node))
    }

    /// Origins that a token of now has to cover.
    fn origins_written(&self) -> usize {
        let own_unflushed = self
            .me
            .as_ref()
            .is_some_and(|me| self.version > Version::ZERO && self.frontier.version(me) == Version::ZERO);
        self.frontier.len() + usize::from(own_unflushed)
    }

    /// The sum of all positions held but those of the given origins.
    fn positions_without<'a>(&self, origins: impl Iterator<Item = &'a Origin>) -> Digest {
        origins.fold(self.frontier.hash(), |sum, origin| sum.minus(self.position(origin)))
    }

    /// An origin's part in the sum of positions.
    fn position(&self, origin: &Origin) -> Digest {
        match self.frontier.version(origin) {
            Version::ZERO => Digest::ZERO,
            version => Digest::of_position(origin, version),
        }
    }

    /// Whether what the token leaves out is held for certain.
    fn holds_left_out(&self, token: &Token) -> bool {
        let listed: BTreeSet<NameHash> = token.seen().iter().map(|(hash, _)| *hash).collect();
        let own = self.told.own.zip(self.me.as_ref()).filter(|(hash, _)| listed.contains(hash));
        let known = listed.iter().filter_map(|hash| self.recency.origin(*hash));
        let known: BTreeSet<&Origin> = known.chain(own.map(|(_, me)| me)).collect();
        let held = self.positions_without(known.iter().copied());
        let latest = self.recency.latest_first().map(|(origin, _)| origin).filter(|origin| !known.contains(origin));
        self.fits_without(token, held, latest.take(NEWER_MAX)) || {
            let youngest = self.youngest(&known);
            self.fits_without(token, held, youngest.values().rev().copied())
        }
    }

    /// Whether the positions are those that the token leaves out, or are once the first few of `newer` are taken off.
    fn fits_without<'a>(&self, token: &Token, held: Digest, newer: impl Iterator<Item = &'a Origin>) -> bool {
        let mut sum = held;
        token.left_out(sum)
            || newer.into_iter().any(|origin| {
                sum = sum.minus(self.position(origin));
                token.left_out(sum)
            })
    }

    /// The origins minted last, but for those named.
    fn youngest(&self, but: &BTreeSet<&Origin>) -> BTreeMap<(u64, &Origin), &Origin> {
        let mut youngest = BTreeMap::new();
        for (origin, _) in self.frontier.iter().filter(|(origin, _)| !but.contains(origin)) {
            youngest.insert((origin.incarnation, origin), origin);
            if youngest.len() > NEWER_MAX {
                youngest.pop_first();
            }
        }
        youngest
    }

    /// An origin of which nothing is held yet, though some peer is known to hold something.
    fn heard_of(&self, hash: NameHash) -> Option<&Origin> {
        self.lacking.origins().find(|origin| NameHash::of_origin(origin) == hash)
    }
}
