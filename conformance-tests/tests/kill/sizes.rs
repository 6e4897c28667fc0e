//! Sizes of bricks and documents, each with the boundary that it stands at.

use testkit::random::Random;

/// A size worth trying.
struct InterestingSize {
    /// Bytes.
    bytes: usize,
    /// How often it is taken, against the others.
    weight: u64,
    /// Why it is interesting.
    reason: &'static str,
}

const fn size(bytes: usize, weight: u64, reason: &'static str) -> InterestingSize {
    InterestingSize {
        bytes,
        weight,
        reason,
    }
}

/// Every size has its weight in a thousand or so; the large ones are rare because each costs as
/// much disk as a thousand small ones.
const INTERESTING_SIZES: &[InterestingSize] = &[
    size(0, 10, "the empty brick: no bytes follow the header at all"),
    size(1, 20, "the smallest; all writers collide on its 256 bricks"),
    size(200, 200, "many fit one batch and one block of a table"),
    size(4095, 100, "the largest that stays in the tables"),
    size(4096, 100, "the smallest that goes to a blob file"),
    size(4097, 100, "one more"),
    size(
        16 * 1024,
        100,
        "the listener reads a body in pieces of this size",
    ),
    size(16 * 1024 + 1, 60, "the last piece has one byte"),
    size(
        32 * 1024 - 100,
        60,
        "with its key and frame about one block of the write-ahead log",
    ),
    size(
        32 * 1024 + 1,
        60,
        "more than one block of the log, so it is stored in fragments",
    ),
    size(
        64 * 1024,
        60,
        "the first share of the body budget, exactly used up",
    ),
    size(64 * 1024 + 1, 60, "the share has to grow"),
    size(
        1 << 20,
        20,
        "the largest body that may use the whole budget",
    ),
    size((1 << 20) + 1, 10, "the smallest that may not"),
    size(8 << 20, 1, "a batch is closed at this many bytes"),
    size(10_000_064, 1, "the SDK's default chunk with its envelope"),
    size(
        16 << 20,
        1,
        "the largest brick that a node takes by default",
    ),
];

/// Picks a size of at most `bytes_max`.
pub(crate) fn pick(random: &mut Random, bytes_max: usize) -> usize {
    let allowed = || INTERESTING_SIZES.iter().filter(|it| it.bytes <= bytes_max);
    let mut ticket = random.below(allowed().map(|it| it.weight).sum());
    for size in allowed() {
        if ticket < size.weight {
            return size.bytes;
        }
        ticket -= size.weight;
    }
    0
}

/// Why a size is in the table, for messages.
pub(crate) fn reason(bytes: usize) -> &'static str {
    let mut sizes = INTERESTING_SIZES.iter();
    sizes
        .find(|it| it.bytes == bytes)
        .map_or("none of the table", |it| it.reason)
}
