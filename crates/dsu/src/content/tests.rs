use keyssi::KeySsi;
use proptest::prelude::*;

use super::*;
use crate::compact::{CompactError, Container};
use crate::seal::CHUNK_BYTES_DEFAULT;
use crate::seal::tests::sealer;

fn bytes_of(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

/// A big file: its entries and its bricks.
fn big_file(content: &[u8], chunk: usize) -> (Vec<Entry>, Vec<Vec<u8>>) {
    let size = KeySsi::size("default", content.len() as u64, chunk as u64).unwrap();
    let mut entries = vec![Entry::size_of(&size)];
    let mut bricks = Vec::new();
    for (place, part) in content.chunks(chunk).enumerate() {
        let sealed = sealer().seal((place * chunk) as u64, part).unwrap();
        entries.push(sealed.entry);
        bricks.push(sealed.bytes);
    }
    (entries, bricks)
}

fn find<'a>(bricks: &'a [Vec<u8>], piece: &Piece) -> &'a [u8] {
    let hash = piece.brick().unwrap().hash;
    let is_meant = |bytes: &&Vec<u8>| BrickHash::of(bytes) == hash;
    bricks.iter().find(is_meant).unwrap()
}

fn read(content: &Content, bricks: &[Vec<u8>]) -> Vec<u8> {
    let pieces = content.pieces().iter();
    pieces
        .flat_map(|piece| piece.open(find(bricks, piece)).unwrap().to_vec())
        .collect()
}

fn fault(entry: Entry) -> EntryFault {
    match Content::of_entries(&[entry]) {
        Err(ContentError::Entry { index: 0, source }) => source,
        other => panic!("{other:?}"),
    }
}

fn ssi(text: &str) -> KeySsi {
    KeySsi::parse(text).unwrap()
}

#[test]
fn a_file_without_entries_is_empty() {
    let content = Content::of_entries(&[]).unwrap();
    assert_eq!(content.total_bytes(), Some(0));
    assert!(content.pieces().is_empty());
    assert!(content.range(0..10).unwrap().is_empty());
}

#[test]
fn sizes_of_ordinary_files_are_not_known() {
    let (entries, _) = big_file(&bytes_of(30), 10);
    let content = Content::of_entries(&entries[1..]).unwrap();
    assert_eq!(content.total_bytes(), None);
    assert!(content.range(0..1).is_none());
}

#[test]
fn a_big_file_that_has_grown_is_read_as_a_whole() {
    let (mut entries, mut bricks) = big_file(&bytes_of(25), 10);
    let more = sealer().seal(25, b"more").unwrap();
    entries.push(more.entry);
    bricks.push(more.bytes);
    let content = Content::of_entries(&entries).unwrap();
    assert_eq!(content.total_bytes(), None);
    let mut due = bytes_of(25);
    due.extend_from_slice(b"more");
    assert_eq!(read(&content, &bricks), due);
}

#[test]
fn a_brick_of_another_size_than_announced_is_an_error() {
    let (mut entries, bricks) = big_file(&bytes_of(25), 10);
    entries.swap(1, 3);
    let content = Content::of_entries(&entries).unwrap();
    let piece = &content.pieces()[0];
    let refused = piece.open(find(&bricks, piece));
    let (expected, found) = (10, 5);
    assert_eq!(refused, Err(OpenError::WrongSize { expected, found }));
}

#[test]
fn repeated_bricks_are_fetched_once_and_read_twice() {
    let sealed = sealer().seal(0, b"again").unwrap();
    let content = Content::of_entries(&[sealed.entry.clone(), sealed.entry]).unwrap();
    assert_eq!(content.bricks().len(), 1);
    assert_eq!(read(&content, &[sealed.bytes]), b"againagain");
}

#[test]
fn compacted_files_are_slices_of_one_brick() {
    let files = [b"one".as_slice(), b"", b"three", b"one"];
    let mut container = Container::new();
    for file in files {
        container.add(&sealer(), file).unwrap();
    }
    let sealed = container.finish(&sealer()).unwrap();
    assert_eq!(sealed.hash, BrickHash::of(&sealed.bytes));
    // As the reference writes it: the container without the hint of the DSU,
    // the slice as its identifier.
    let link = sealed.entries[2].hash_link().unwrap().unwrap();
    let slice = BrickHash::of(&sealed.bytes[67 + 64..][..69]);
    let slice = KeySsi::hash_link("default", &slice.to_string()).unwrap();
    let due = format!(
        r#"ssi:hl:default:{}::v0:{{"embedded":"131,69,{}"}}"#,
        sealed.hash,
        *slice.wrapped()
    );
    assert_eq!(*link.plain(), due);
    for (file, entry) in files.iter().zip(&sealed.entries) {
        let content = Content::of_entries(std::slice::from_ref(entry)).unwrap();
        assert_eq!(content.total_bytes(), Some(file.len() as u64));
        let brick = content.pieces()[0].brick().unwrap();
        assert_eq!((brick.hash, &brick.domain), (sealed.hash, &sealed.domain));
        assert_eq!(read(&content, std::slice::from_ref(&sealed.bytes)), *file);
    }
}

#[test]
fn containers_have_at_most_a_mebibyte() {
    let mut container = Container::new();
    let bytes = CHUNK_BYTES_DEFAULT + 1;
    let refused = container.add(&sealer(), &vec![0; bytes]);
    assert_eq!(refused, Err(CompactError::TooLarge { bytes }));
    container.add(&sealer(), b"x").unwrap();
    let bytes = CHUNK_BYTES_DEFAULT - 64;
    let refused = container.add(&sealer(), &vec![0; bytes]);
    assert_eq!(refused, Err(CompactError::Full { bytes }));
    container.add(&sealer(), &vec![0; bytes - 1]).unwrap();
    assert_eq!(container.finish(&sealer()).unwrap().bytes.len(), 1 << 20);
}

#[test]
fn a_slice_beyond_its_container_is_an_error() {
    let sealed = sealer().seal(0, b"inside").unwrap();
    let end = sealed.bytes.len();
    for place in [format!("1,{end}"), format!("{},1", end + 1)] {
        let hash = sealed.hash;
        let hint = format!(r#"{{"embedded":"{place},ssi:hl:d:{hash}::v0"}}"#);
        let link = ssi(&format!("ssi:hl:d:{hash}::v0:{hint}"));
        let content = Content::of_entries(&[Entry::brick(&link, None)]).unwrap();
        let refused = content.pieces()[0].open(&sealed.bytes);
        assert!(matches!(refused, Err(OpenError::SliceOutside { .. })));
    }
    for place in ["", "1", "1,2", "-1,2,x", "1,2,x", "1,x,x"] {
        let hint = format!(r#"{{"embedded":"{place}"}}"#);
        let link = ssi(&format!("ssi:hl:d:{}::v0:{hint}", sealed.hash));
        assert_eq!(fault(Entry::brick(&link, None)), EntryFault::BadSlice);
    }
}

#[test]
fn entries_that_name_no_brick_are_errors() {
    let hash = BrickHash::of(b"");
    let bad_hash = ssi("ssi:hl:d:word::v0");
    assert!(matches!(
        fault(Entry::brick(&bad_hash, None)),
        EntryFault::BadHash(_)
    ));
    let bad_domain = ssi(&format!("ssi:hl:$HOME:{hash}::v0"));
    assert!(matches!(
        fault(Entry::brick(&bad_domain, None)),
        EntryFault::BadDomain(_)
    ));
    let kind = SsiKind::CZa;
    let no_link = ssi(&format!("ssi:cza:d:{hash}::v0"));
    assert_eq!(
        fault(Entry::brick(&no_link, None)),
        EntryFault::NotALink { kind }
    );
    let link = ssi(&format!("ssi:hl:d:{hash}::v0"));
    assert!(matches!(
        fault(Entry::brick(&link, Some(&no_link))),
        EntryFault::BadKey(_)
    ));
    for size in ["ssi:size:d:1:0:v0", "ssi:size:d:-1:1:v0", "ssi:hl:d:1:1:v0"] {
        assert_eq!(fault(Entry::size_of(&ssi(size))), EntryFault::BadSize);
    }
    let size = Entry::size_of(&ssi("ssi:size:d:10:10:v0"));
    let late = Content::of_entries(&[Entry::brick(&link, None), size]);
    let source = EntryFault::BadSize;
    assert_eq!(late.err(), Some(ContentError::Entry { index: 1, source }));
}

proptest! {
    #[test]
    fn ranges_are_slices(length in 0..200_usize, chunk in 1..50_usize, a in 0..250_usize, b in 0..250_usize) {
        let whole = bytes_of(length);
        let (entries, bricks) = big_file(&whole, chunk);
        let content = Content::of_entries(&entries).unwrap();
        prop_assert_eq!(content.total_bytes(), Some(length as u64));
        let (start, end) = (a.min(b), a.max(b));
        let mut read = Vec::new();
        for part in content.range(start as u64..end as u64).unwrap() {
            let opened = part.open(find(&bricks, part.piece)).unwrap();
            prop_assert_eq!(opened.len(), part.bytes);
            read.extend_from_slice(&opened);
        }
        prop_assert_eq!(&read, &whole[start.min(length)..end.min(length)]);
    }
}
