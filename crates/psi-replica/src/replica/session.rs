//! Sessions: what a replica is missing of what a client has seen or written, by the client's token.
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
//! If no set fits, some origin that was left out has written since, or is missing. These can't be told apart by a sum,
//! so the replica does not answer: the token is not reached, and waits for its deadline. A wrong "no" costs a retry, a
//! wrong "yes" would break a promise. It takes more than 40 runs that write within a token's life. A shell that can reach
//! the run which gave the token may ask it for its frontier then: a replica that covers what that run holds now has reached what
//! it held before.
//!
//! A token claims the future if it wants more of the replica's *own* origin than was written: nobody else can have
//! written it. More of another origin than anybody is known to hold may just be on its way, and is waited for.

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use crate::{
    entry::{
        digest::Digest,
        origin::{Origin, Version},
    },
    session::{
        cache::OtherOrigins,
        token::{NameHash, TOKEN_ORIGINS_MAX, Token, TokenError},
        token_gap::{TokenGap, TokenGaps},
    },
    state::State,
};

/// Most origins that a replica leaves out of the comparison, in each order, because they may be newer than a token.
const NEWER_MAX: usize = 64;

impl<S: State> Replica<S> {
    /// What a client knows that sees this replica now: all that is held and written here.
    #[must_use]
    pub fn token(&self) -> Token {
        let own = self.tokens.own().filter(|_| self.local.version() > Version::ZERO);
        let others = self.tokens.others(|| self.others(own.is_some()));
        let mut seen = Vec::with_capacity(others.listed.len() + 1);
        seen.extend(own.map(|own| (own, self.local.version())));
        seen.extend_from_slice(&others.listed);
        Token::new(self.tokens.cluster(), self.tokens.own(), seen, others.rest)
    }

    /// What a token says of the other origins, that lists the own one or does not.
    fn others(&self, lists_own: bool) -> OtherOrigins {
        let others = self.store.latest_first().filter(|(origin, _)| !self.local.is(origin));
        let latest: Vec<&(Origin, NameHash)> = others.take(TOKEN_ORIGINS_MAX - usize::from(lists_own)).collect();
        let is_whole = latest.len() + usize::from(lists_own) >= self.origins_written();
        let listed = latest.iter().map(|(origin, hash)| (*hash, self.store.version(origin))).collect();
        let rest = (!is_whole).then(|| {
            let listed = self.local.origin().into_iter().chain(latest.into_iter().map(|(origin, _)| origin));
            self.positions_without(listed)
        });
        OtherOrigins { listed, rest }
    }

    /// What this replica is missing of what a client has seen or written; see the module for when that is nothing.
    ///
    /// # Errors
    /// [`TokenError`] if the token is of another cluster or claims what was never written.
    pub fn token_gaps(&self, token: &Token) -> Result<TokenGaps, TokenError> {
        let ours_hash = self.tokens.cluster();
        if token.cluster() != ours_hash {
            let ours = self.config.cluster.clone();
            return Err(TokenError::Cluster { ours, ours_hash, theirs: token.cluster() });
        }
        let own = self.tokens.own();
        let mut listed = Vec::new();
        for (hash, wanted) in token.seen() {
            let is_own = own == Some(*hash);
            let origin = if is_own { self.local.origin() } else { self.store.origin(*hash) };
            let held =
                if is_own { self.local.version() } else { origin.map_or(Version::ZERO, |it| self.store.version(it)) };
            match origin.filter(|_| is_own && *wanted > held) {
                Some(own) => {
                    return Err(TokenError::Future { origin: own.clone(), claimed: *wanted, written: held });
                }
                None if *wanted > held => {
                    let origin = origin.or_else(|| self.origin_in_gap(*hash)).cloned();
                    listed.push(TokenGap { origin, hash: *hash, wanted: *wanted, held });
                }
                None => {}
            }
        }
        let given_here = own.is_some() && token.issuer() == own;
        Ok(TokenGaps { listed, left_out: !token.is_whole() && !given_here && !self.holds_left_out(token) })
    }

    /// Origins that a token of now has to cover.
    fn origins_written(&self) -> usize {
        let own_unflushed = self
            .local
            .origin()
            .is_some_and(|own| self.local.version() > Version::ZERO && self.store.version(own) == Version::ZERO);
        // Those that are forgotten can't be listed.
        let forgotten = usize::from(self.store.base().forgotten() != Digest::ZERO);
        self.store.frontier().len() + forgotten + usize::from(own_unflushed)
    }

    /// The sum of all positions held but those of the given origins.
    fn positions_without<'a>(&self, origins: impl Iterator<Item = &'a Origin>) -> Digest {
        origins.fold(self.store.frontier().hash(), |sum, origin| sum.minus(self.position(origin)))
    }

    /// An origin's part in the sum of positions.
    fn position(&self, origin: &Origin) -> Digest {
        match self.store.version(origin) {
            Version::ZERO => Digest::ZERO,
            version => Digest::of_position(origin, version),
        }
    }

    /// Whether what the token leaves out is held for certain.
    fn holds_left_out(&self, token: &Token) -> bool {
        let listed: BTreeSet<NameHash> = token.seen().iter().map(|(hash, _)| *hash).collect();
        let own = self.tokens.own().zip(self.local.origin()).filter(|(hash, _)| listed.contains(hash));
        let known = listed.iter().filter_map(|hash| self.store.origin(*hash));
        let known: BTreeSet<&Origin> = known.chain(own.map(|(_, own)| own)).collect();
        let held = self.positions_without(known.iter().copied());
        let latest = self.store.latest_first().map(|(origin, _)| origin).filter(|origin| !known.contains(origin));
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
        for (origin, _) in self.store.frontier().iter().filter(|(origin, _)| !but.contains(origin)) {
            youngest.insert((origin.incarnation, origin), origin);
            if youngest.len() > NEWER_MAX {
                youngest.pop_first();
            }
        }
        youngest
    }

    /// An origin of which nothing is held yet, though some peer is known to hold something.
    fn origin_in_gap(&self, hash: NameHash) -> Option<&Origin> {
        self.gaps.origins().find(|origin| NameHash::of_origin(origin) == hash)
    }
}
