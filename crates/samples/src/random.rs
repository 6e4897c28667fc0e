//! The random numbers of one file: `ChaCha8` from a seed and a label.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A sequence of its own for each seed and label, so that a change to one generator leaves the
/// files of the others as they were.
#[derive(Debug, Clone)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The sequence of `seed` and `label`. Labels are ASCII and differ in their first 24 bytes.
    pub(crate) fn new(seed: u64, label: &str) -> Self {
        let mut key = [0; 32];
        for (place, byte) in key
            .iter_mut()
            .zip(seed.to_le_bytes().into_iter().chain(label.bytes()))
        {
            *place = byte;
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is far below what a sample could show.
        self.0.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Whether something with this chance in a hundred happens.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the choices.
    #[expect(
        clippy::indexing_slicing,
        reason = "the index is below N; no list of choices is empty"
    )]
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        const { assert!(N > 0, "nothing to choose from") };
        choices[usize::try_from(self.below(N as u64)).unwrap_or(0)]
    }

    /// Fills `bytes`.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A version 4 UUID (RFC 9562).
    pub(crate) fn uuid(&mut self) -> String {
        let text = format!("{:032x}", self.uuid_number());
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
        parts.map(|it| text.get(it).unwrap_or_default()).join("-")
    }

    /// A version 4 UUID as a number.
    pub(crate) fn uuid_number(&mut self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        let version_cleared = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62);
        version_cleared | (0x4 << 76) | (0x2 << 62)
    }

    /// `count` decimal digits, the first of which is not 0.
    pub(crate) fn digits(&mut self, count: usize) -> String {
        let mut digits = String::with_capacity(count);
        for place in 0..count {
            let digit = if place == 0 {
                self.between(1, 9)
            } else {
                self.below(10)
            };
            digits.push_str(&digit.to_string());
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_depends_on_seed_and_label() {
        let first = |seed, label| Random::new(seed, label).below(u64::MAX);
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
    }

    #[test]
    fn uuids_state_their_version() {
        let uuid = Random::new(3, "uuid").uuid();
        assert_eq!(uuid.len(), 36, "{uuid}");
        assert_eq!(&uuid[14..15], "4", "{uuid}");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }
}
