//! Cloudflare's crates on our log. Two traps of their version 0.2: it writes `tile/8/<L>/<N>` where
//! C2SP now says `tile/<L>/<N>`, and calls entry bundles `data`.

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error, Hash, Tile, TileHashReader, TileReader, check_record, check_tree,
    prove_record, prove_tree, record_hash,
};

use crate::live::{Live, ORIGIN, config, proof_lines, usual};

/// Tiles over HTTP.
struct Tiles<'a>(&'a Live);

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let path = |tile: &Tile| {
            let path = tile.path();
            let rest = path.strip_prefix("tile/8/").unwrap();
            format!("tile/{rest}")
        };
        Ok(tiles.iter().map(|it| self.0.part(&path(it))).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The size and root that a note says, if the log has signed it.
fn verified(live: &Live, note: &[u8]) -> (u64, Hash) {
    verified_of(live, note, ORIGIN, "")
}

/// The same of a log with another name and these extension lines.
fn verified_of(live: &Live, note: &[u8], origin: &str, extension: &str) -> (u64, Hash) {
    let keys = String::from_utf8(live.part("vkey")).unwrap();
    let key = StandardVerifier::new(keys.trim_end()).unwrap();
    let known = VerifierList::new(vec![Box::new(key)]);
    let note = Note::from_bytes(note).unwrap();
    let (verified, unknown) = note.verify(&known).unwrap();
    assert_eq!((verified.len(), unknown.len()), (1, 0));
    let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(checkpoint.origin(), origin);
    assert_eq!(checkpoint.extension(), extension);
    (checkpoint.size(), *checkpoint.hash())
}

#[test]
fn other_peoples_code_verifies_a_live_log() {
    let live = Live::start(&usual());
    let mut ids = live.anchor(0..100);
    let (old, old_root) = verified(&live, &live.checkpoint(100));
    ids.extend(live.anchor(100..300));
    let (new, new_root) = verified(&live, &live.checkpoint(300));
    let tiles = Tiles(&live);
    let reader = TileHashReader::new(new, new_root, &tiles);
    let proof = prove_tree(new, old, &reader).unwrap();
    check_tree(&proof, new, new_root, old, old_root).unwrap();
    assert!(check_tree(&proof, new, new_root, old, new_root).is_err());
    let entries = live.entries(new);
    for number in [0, 1, 99, 100, 254, 255, 256, 257, 298, 299] {
        let file = live.fetch(&format!("/anchor/default/proof/{}", ids[number]));
        assert_eq!(file.status, 200, "{}", file.text());
        let (index, hashes) = proof_lines(&file.text());
        assert_eq!(index, number as u64, "anchors are logged in their order");
        let leaf = record_hash(&entries[number]);
        let derived = prove_record(new, index, &reader).unwrap();
        check_record(&derived, new, new_root, index, leaf).unwrap();
        let derived: Vec<String> = derived.iter().map(ToString::to_string).collect();
        assert_eq!(derived, hashes, "the node's proof of entry {index}");
        let other = record_hash(&entries[(number + 1) % 300]);
        let derived = prove_record(new, index, &reader).unwrap();
        assert!(check_record(&derived, new, new_root, index, other).is_err());
    }
}

#[test]
fn a_note_that_was_altered_is_refused_by_other_peoples_code() {
    let live = Live::start(&usual());
    live.anchor(0..2);
    let note = String::from_utf8(live.checkpoint(2)).unwrap();
    let key = String::from_utf8(live.part("vkey")).unwrap();
    let key = StandardVerifier::new(key.trim_end()).unwrap();
    let known = VerifierList::new(vec![Box::new(key)]);
    let altered = note.replacen("\n2\n", "\n3\n", 1);
    assert_ne!(note, altered);
    let parsed = Note::from_bytes(altered.as_bytes()).unwrap();
    assert!(parsed.verify(&known).is_err());
}

/// A log that continues another one: what says so is an extension line, which others may ignore and must
/// not trip over.
#[test]
fn other_peoples_code_verifies_a_log_that_continues_another() {
    let mut live = Live::start(&usual());
    let mut ids = live.anchor(0..3);
    let (_, root) = verified(&live, &live.checkpoint(3));
    live.stop();
    let new = "log.example/second";
    live.renew(new);
    live.start_again(&config(&format!("origin = \"{new}\"")))
        .unwrap();
    let note = String::from_utf8(live.part("checkpoint")).unwrap();
    let continues = note.lines().nth(3).unwrap().to_owned() + "\n";
    assert!(continues.starts_with(&format!("kiln/continues {ORIGIN} 5 ")));
    let (old, old_root) = verified_of(&live, &live.checkpoint(3), new, &continues);
    assert_eq!((old, old_root), (3, root), "the same entries");
    ids.extend(live.anchor(3..6));
    let (size, root) = verified_of(&live, &live.checkpoint(6), new, &continues);
    let tiles = Tiles(&live);
    let reader = TileHashReader::new(size, root, &tiles);
    let proof = prove_tree(size, old, &reader).unwrap();
    check_tree(&proof, size, root, old, old_root).unwrap();
    let entries = live.entries(size);
    for (number, id) in ids.iter().enumerate() {
        let file = live.fetch(&format!("/anchor/default/proof/{id}"));
        let (index, hashes) = proof_lines(&file.text());
        assert_eq!(index, number as u64);
        let derived = prove_record(size, index, &reader).unwrap();
        check_record(&derived, size, root, index, record_hash(&entries[number])).unwrap();
        let derived: Vec<String> = derived.iter().map(ToString::to_string).collect();
        assert_eq!(derived, hashes, "the node's proof of entry {index}");
    }
    let note = live.part("checkpoint");
    let without = String::from_utf8(note).unwrap().replacen(&continues, "", 1);
    let key = String::from_utf8(live.part("vkey")).unwrap();
    let key = StandardVerifier::new(key.trim_end()).unwrap();
    let known = VerifierList::new(vec![Box::new(key)]);
    let parsed = Note::from_bytes(without.as_bytes()).unwrap();
    assert!(parsed.verify(&known).is_err(), "the line can be dropped");
}
