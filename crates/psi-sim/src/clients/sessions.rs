//! Clients that carry a token from one node to another: a node that says that it has reached a token must hold all that
//! was held and written where the token was given.

use psi_replica::{Origin, Token, Version};

use super::token::CarriedToken;
use crate::{report::markers::Marker, world::World};

/// Tokens that clients carry at one time.
const CARRIED: usize = 24;

impl World<'_> {
    /// A client takes a token along, now and then, and another shows one.
    pub(crate) fn carry_tokens(&mut self, p: usize) {
        if self.dice.sessions.chance(250) {
            self.take_token(p);
        }
        if self.dice.sessions.chance(500) {
            self.show_token(p);
        }
    }

    fn take_token(&mut self, p: usize) {
        let replica = &self.processes[p].replica;
        let mut holds: Vec<(Origin, Version)> =
            replica.frontier().iter().map(|(origin, version)| (origin.clone(), version)).collect();
        if let Some(me) = replica.origin().filter(|_| replica.version() > Version::ZERO) {
            holds.push((me.clone(), replica.version()));
        }
        let token = replica.token();
        // As it travels.
        match token.to_string().parse::<Token>() {
            Ok(parsed) if parsed == token => {}
            _ => self.found_wrong(format_args!("{} gave a token that can't be read", self.label(p))),
        }
        if token.to_string().len() >= 1000 {
            self.found_wrong(format_args!("{} gave a token of a kilobyte", self.label(p)));
        }
        if self.tokens.len() == CARRIED {
            self.tokens.pop_front();
        }
        self.tokens.push_back(CarriedToken { token, holds });
    }

    fn show_token(&mut self, p: usize) {
        let turn = self.dice.sessions.below(self.tokens.len() as u64);
        let Some(carried) = usize::try_from(turn).ok().and_then(|turn| self.tokens.get(turn)) else { return };
        let replica = &self.processes[p].replica;
        if replica.readiness().for_writing().is_err() {
            return;
        }
        let lacks = match replica.token_gaps(&carried.token) {
            Ok(lacks) => lacks,
            Err(error) => {
                return self.found_wrong(format_args!("{} refused an honest token: {error}", self.label(p)));
            }
        };
        if !lacks.is_empty() {
            return self.reach(Marker::TOKEN_NOT_REACHED);
        }
        let holds = |(origin, version): &&(Origin, Version)| {
            let own = replica.origin().filter(|me| *me == origin).map(|_| replica.version());
            // Of a run whose name is forgotten, all that counts is held.
            own.unwrap_or_else(|| replica.frontier().version(origin)) >= *version || replica.is_below_horizon(origin)
        };
        let broken = carried.holds.iter().find(|held| !holds(held)).cloned();
        self.reach(Marker::TOKEN_REACHED);
        if let Some((origin, version)) = broken {
            self.found_wrong(format_args!("{} honours a token and lacks {origin} up to {version}", self.label(p)));
        }
    }

    /// In the end every node has reached every token that lists all, and of which nothing was lost with its node. One that
    /// leaves origins out is only reached while these stand still.
    pub(crate) fn check_tokens(&mut self) {
        for p in self.lasting() {
            let replica = &self.processes[p].replica;
            let covered = |carried: &&CarriedToken| {
                let holds = |(origin, version): &(Origin, Version)| replica.frontier().version(origin) >= *version;
                carried.token.is_whole() && carried.holds.iter().all(holds)
            };
            let broken = self.tokens.iter().filter(covered).find_map(|carried| {
                let lacks = replica.token_gaps(&carried.token).map_err(|error| error.to_string());
                match lacks {
                    Ok(lacks) if lacks.is_empty() => None,
                    Ok(lacks) => Some(format!("lacks {lacks}")),
                    Err(error) => Some(error),
                }
            });
            if let Some(why) = broken {
                self.found_wrong(format_args!("{} holds all of a token and does not honour it: {why}", self.label(p)));
            }
        }
    }
}
