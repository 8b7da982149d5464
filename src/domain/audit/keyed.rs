//! The numbers that a hit is known by. Making them is most of the work and needs nothing but the line, so that it can be
//! done by many at once.

use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use super::hit::{Hit, Kind};

/// Makes the numbers of one audit: keyed anew each time, so that nobody can write a log whose names all collide.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    state: RandomState,
}

/// A hit with its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Keyed<'a> {
    /// The line.
    pub(super) hit: Hit<'a>,
    /// What it means.
    pub(super) kind: Kind,
    /// Its client: address and agent, or the delivery.
    pub(super) client: u64,
    /// Its agent.
    pub(super) agent: u64,
    /// Its network; 0 where no bytes of a file were sent.
    pub(super) network: u64,
    /// Its query; 0 where there is none. The same in every audit, so that people can tell links apart.
    pub(super) link: u64,
}

impl Keys {
    /// The numbers of `hit`.
    pub fn of<'a>(&self, hit: Hit<'a>) -> Keyed<'a> {
        let kind = hit.kind();
        let sends = matches!(kind, Kind::Whole | Kind::Part);
        let agent = self.state.hash_one(hit.agent);
        let client = match hit.delivery {
            Some(delivery) => self.state.hash_one((delivery, true)),
            None => self.state.hash_one((hit.client, agent, false)),
        };
        let link = hit.query.filter(|_| sends).map_or(0, |query| super::digest(query).max(1));
        Keyed { hit, kind, client, agent, network: if sends { hit.network() } else { 0 }, link }
    }
}

impl<'a> Keyed<'a> {
    /// The line.
    pub const fn hit(&self) -> &Hit<'a> {
        &self.hit
    }
}

/// Hashes numbers that are hashes already, or small and counted by us.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mixed(u64);

/// A table by numbers.
pub(super) type Mix = BuildHasherDefault<Mixed>;

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    /// The golden ratio spreads neighbours; the upper half comes down because tables look at the lower one.
    fn write_u64(&mut self, number: u64) {
        let spread = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ (spread >> 32);
    }
}
