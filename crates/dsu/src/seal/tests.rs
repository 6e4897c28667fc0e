use std::convert::Infallible;

use keyssi::ArrayElements;
use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};

use super::*;
use crate::brick_map::Timing;
use crate::content::{Content, OpenError, Piece};
use crate::moment::Moment;

/// A repeatable generator. Not a secure one: tests only.
pub(crate) struct Counter(pub(crate) u64);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| (number >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        Ok(self.0.rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            *byte = self.try_next_u64()?.to_be_bytes()[0];
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

const SEED: &str = "ssi:seed:default:Niq62WOdkiBaAmAq/OD/RFU+tZ4neTK/ntIGMdq3gAM=::v0";

fn seed(hint: &str) -> KeySsi {
    KeySsi::parse(&format!("{SEED}{hint}")).unwrap()
}

pub(crate) fn sealer() -> BrickSealer {
    BrickSealer::new(&seed("")).unwrap()
}

fn map() -> BrickMap {
    BrickMap::new(Timing::Stamped, Moment::from_millis(1_795_191_398_000))
}

/// The one piece of a file that is this entry.
fn piece(entry: &Entry) -> Piece {
    let content = Content::of_entries(std::slice::from_ref(entry)).unwrap();
    content.pieces()[0].clone()
}

/// Sizes around which something changes, with the reason.
const INTERESTING_SIZES: [usize; 9] = [
    0,                       // an empty file is one empty brick
    1,                       // the smallest content
    15,                      // one less than a block of AES
    16,                      // a block
    17,                      // one more
    64,                      // as long as what an envelope adds
    CHUNK_BYTES_DEFAULT - 1, // one less than a full brick
    CHUNK_BYTES_DEFAULT,     // a full brick of 1 MiB
    CHUNK_BYTES_DEFAULT + 1, // more than we put into one
];

#[test]
fn what_was_sealed_opens_at_all_interesting_sizes() {
    for size in INTERESTING_SIZES {
        let chunk = vec![7; size];
        let sealed = sealer().seal(0, &chunk).unwrap();
        assert_eq!(sealed.bytes.len(), size + envelope::OVERHEAD_BYTES);
        assert_eq!(sealed.hash, BrickHash::of(&sealed.bytes));
        let piece = piece(&sealed.entry);
        assert_eq!(piece.brick().unwrap().hash, sealed.hash);
        assert_eq!(piece.brick().unwrap().domain, sealed.domain);
        assert_eq!(*piece.open(&sealed.bytes).unwrap(), chunk);
    }
    let full = sealer().seal(0, &vec![0; CHUNK_BYTES_DEFAULT]).unwrap();
    assert_eq!(full.bytes.len(), 1 << 20);
}

#[test]
fn the_same_chunk_at_the_same_place_is_the_same_brick() {
    let seal = |offset, chunk: &[u8]| sealer().seal(offset, chunk).unwrap().hash;
    assert_eq!(seal(0, b"chunk"), seal(0, b"chunk"));
    assert_ne!(seal(0, b"chunk"), seal(5, b"chunk"));
    assert_ne!(seal(0, b"chunk"), seal(0, b"chunk2"));
    let other = KeySsi::constant("default", "another DSU").unwrap();
    let other = BrickSealer::new(&other).unwrap();
    assert_ne!(other.seal(0, b"chunk").unwrap().hash, seal(0, b"chunk"));
}

/// A change of the derivation would make every resumed upload start again. The
/// value was computed from the rule with another library.
#[test]
fn the_derived_bricks_stay_what_they_are() {
    let hash = sealer().seal(7, b"a chunk").unwrap().hash;
    assert_eq!(
        hash.to_string(),
        "8rL6XGG53PZUz5eabM282yPezi2DhPA5Tr5ZKq7ucTHA"
    );
}

#[test]
fn links_carry_the_bricks_domain_and_the_hint() {
    let hinted = seed(r#":{"bricksDomain":"elsewhere","dsuVersion":3}"#);
    let sealed = BrickSealer::new(&hinted).unwrap().seal(0, b"x").unwrap();
    assert_eq!(sealed.domain.as_str(), "elsewhere");
    let link = sealed.entry.hash_link().unwrap().unwrap();
    let due = format!(
        "ssi:hl:elsewhere:{}::v0:{{\"bricksDomain\":\"elsewhere\"}}",
        sealed.hash
    );
    assert_eq!(*link.plain(), due);
    let key = sealed.entry.key().unwrap().unwrap();
    assert!(key.plain().starts_with("ssi:se:default:"));
    assert!(key.hint().is_none());
}

#[test]
fn only_writers_seal() {
    let seed = seed("");
    let reader = seed.derive().unwrap().unwrap();
    let anchor = reader.derive().unwrap().unwrap();
    for ssi in [reader, anchor] {
        let kind = ssi.kind();
        let refused = BrickSealer::new(&ssi).err();
        assert_eq!(refused, Some(SealerError::CannotWrite { kind }));
    }
    let elements = ArrayElements::from_texts(&["a", "b"]);
    for ssi in [
        KeySsi::constant("default", "a").unwrap(),
        KeySsi::array("default", &elements).unwrap(),
        KeySsi::wallet("default", &elements).unwrap(),
    ] {
        assert!(BrickSealer::new(&ssi).is_ok());
    }
    let nowhere = KeySsi::constant("$HOME", "a").unwrap();
    assert!(matches!(
        BrickSealer::new(&nowhere),
        Err(SealerError::Domain(_))
    ));
}

#[test]
fn maps_open_with_the_key_of_any_reader() {
    let seed = seed("");
    let sealed = sealer().seal_map(&map(), &mut Counter(1)).unwrap();
    let reader = seed.derive().unwrap().unwrap();
    for ssi in [&seed, &reader] {
        assert_eq!(open_map(ssi, &sealed.hash, &sealed.bytes), Ok(map()));
    }
    let anchor = reader.derive().unwrap().unwrap();
    assert!(matches!(
        open_map(&anchor, &sealed.hash, &sealed.bytes),
        Err(OpenMapError::NoKey(_))
    ));
    let again = sealer().seal_map(&map(), &mut Counter(2)).unwrap();
    assert_ne!(again.hash, sealed.hash);
}

#[test]
fn a_sealed_text_that_is_no_map_is_malformed() {
    let ssi = seed("");
    let key = ssi.encryption_key().unwrap().unwrap();
    let bytes = envelope::seal(&key, b"no map", &mut Counter(1)).unwrap();
    assert!(matches!(
        open_map(&ssi, &BrickHash::of(&bytes), &bytes),
        Err(OpenMapError::Malformed(_))
    ));
}

/// A nonce that is repeated with another text would give away both.
#[test]
fn where_randomness_is_avoided_the_nonce_follows_from_the_map() {
    let ssi = seed(r#":{"avoidRandom":true}"#);
    let sealer = BrickSealer::new(&ssi).unwrap();
    let seal = |map: &BrickMap, start| sealer.seal_map(map, &mut Counter(start)).unwrap();
    let now = Moment::from_millis(1_795_191_398_000);
    let other = BrickMap::new(Timing::TimeFree, now);
    assert_eq!(seal(&map(), 1).hash, seal(&map(), 2).hash);
    let nonce_and_data = |bytes: &[u8]| bytes[bytes.len() - 64..bytes.len() - 16].to_vec();
    assert_ne!(
        nonce_and_data(&seal(&map(), 1).bytes),
        nonce_and_data(&seal(&other, 1).bytes)
    );
    let brick = seal(&other, 1);
    assert_eq!(open_map(&ssi, &brick.hash, &brick.bytes), Ok(other));
}

#[test]
fn debug_shows_no_secret() {
    let sealer = sealer();
    let brick = sealer.seal(0, b"plaintext").unwrap();
    let key = brick.entry.key().unwrap().unwrap();
    let shown = format!("{sealer:?} {brick:?} {:?}", piece(&brick.entry));
    assert!(!shown.contains(key.specific()) && !shown.contains(key.wrapped().as_str()));
    assert!(shown.contains("default"));
}

proptest! {
    #[test]
    fn opening_undoes_sealing(offset: u64, chunk: Vec<u8>) {
        let sealed = sealer().seal(offset, &chunk).unwrap();
        let opened = piece(&sealed.entry).open(&sealed.bytes).unwrap();
        prop_assert_eq!(&*opened, &chunk);
    }

    #[test]
    fn any_flipped_bit_is_noticed(chunk: Vec<u8>, place: prop::sample::Index, bit in 0..8_u8) {
        let sealed = sealer().seal(0, &chunk).unwrap();
        let mut damaged = sealed.bytes.clone();
        let place = place.index(damaged.len());
        damaged[place] ^= 1 << bit;
        let refused = piece(&sealed.entry).open(&damaged);
        let (expected, actual) = (sealed.hash, BrickHash::of(&damaged));
        prop_assert_eq!(refused, Err(OpenError::WrongHash { expected, actual }));
        let key = sealed.entry.key().unwrap().unwrap();
        let link = KeySsi::hash_link("default", &actual.to_string()).unwrap();
        // Even if the link names the damaged bytes, the key does not open them.
        let forged = piece(&Entry::brick(&link, Some(&key))).open(&damaged);
        prop_assert!(matches!(forged, Err(OpenError::Undecipherable(_))));
    }

    #[test]
    fn any_flipped_bit_of_a_map_is_noticed(place: prop::sample::Index, bit in 0..8_u8) {
        let sealed = sealer().seal_map(&map(), &mut Counter(1)).unwrap();
        let mut damaged = sealed.bytes.clone();
        let place = place.index(damaged.len());
        damaged[place] ^= 1 << bit;
        let (expected, actual) = (sealed.hash, BrickHash::of(&damaged));
        let refused = open_map(&seed(""), &expected, &damaged);
        prop_assert_eq!(refused, Err(OpenMapError::WrongHash { expected, actual }));
        let refused = open_map(&seed(""), &actual, &damaged);
        prop_assert!(matches!(refused, Err(OpenMapError::WrongKey(_))));
    }
}
