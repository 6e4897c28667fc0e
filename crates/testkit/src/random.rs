//! Randomness for tests that can be had again: a generator whose seed is printed.

use std::env;
use std::hash::{BuildHasher, RandomState};

/// The environment variable that sets the seed, to repeat a run.
pub const SEED_VARIABLE: &str = "KILN_SEED";

/// `SplitMix64`: small, fast, and the same on every machine. Not for keys that protect anything.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator from the seed in `KILN_SEED`, or from a new one. The seed is printed to standard
    /// error together with the name of the test, so that a failure can be repeated.
    ///
    /// # Errors
    /// When `KILN_SEED` is set and is not a number.
    pub fn announced(name: &str) -> Result<Self, std::num::ParseIntError> {
        let seed = match env::var(SEED_VARIABLE) {
            Ok(text) => text.parse()?,
            // The standard library seeds its hashers from the operating system.
            Err(_) => RandomState::new().hash_one(name),
        };
        eprintln!("{name}: {SEED_VARIABLE}={seed}");
        Ok(Self(seed))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias is far below what any test could notice.
        self.bits().checked_rem(bound).unwrap_or(0)
    }

    /// An index into something that is `length` long; 0 when it is empty.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A generator of its own for a part of the test, so that parts that run at the same time do
    /// not disturb one another's sequence.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.bits())
    }

    /// `length` random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length.next_multiple_of(8));
        while bytes.len() < length {
            bytes.extend_from_slice(&self.bits().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut first, mut second) = (Random::new(7), Random::new(7));
        assert_eq!(first.bytes(100), second.bytes(100));
        assert_eq!(first.fork().bits(), second.fork().bits());
        assert_ne!(first.bits(), Random::new(8).bits());
    }

    #[test]
    fn bounds_hold() {
        let mut random = Random::new(1);
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert_eq!((random.below(0), random.index(0)), (0, 0));
        assert_eq!(
            [0, 1, 7, 8, 9].map(|it| random.bytes(it).len()),
            [0, 1, 7, 8, 9]
        );
    }
}
