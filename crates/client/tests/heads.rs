//! The memory of heads: never backwards, never half, whoever writes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fs;
use std::path::PathBuf;

use client::{HeadError, HeadMemory};
use dsu::SeenHead;
use keyssi::{AnchorId, BrickHash};

fn id(text: &str) -> AnchorId {
    let hash = BrickHash::of(text.as_bytes());
    AnchorId::parse_plain(&format!("ssi:cza:default:{hash}::v0")).unwrap()
}

fn head(versions: usize) -> SeenHead {
    SeenHead {
        versions,
        last_value: format!("value {versions}"),
    }
}

/// The one file of a memory that remembers one anchor.
fn only_file(memory: &HeadMemory) -> PathBuf {
    let entries = fs::read_dir(memory.folder()).unwrap();
    let mut files = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some());
    let file = files.next().unwrap();
    assert_eq!(files.next(), None);
    file
}

#[test]
fn only_longer_histories_replace() {
    let folder = tempfile::tempdir().unwrap();
    let memory = HeadMemory::new(folder.path().join("made/when/needed"));
    assert_eq!(memory.recall(&id("a")).unwrap(), None);
    memory.remember(&id("a"), &head(0)).unwrap();
    assert!(!memory.folder().exists());
    for (versions, expected) in [(3, 3), (2, 3), (3, 3), (4, 4)] {
        memory.remember(&id("a"), &head(versions)).unwrap();
        assert_eq!(memory.recall(&id("a")).unwrap(), Some(head(expected)));
    }
    let fork = SeenHead {
        versions: 4,
        last_value: "another".to_owned(),
    };
    memory.remember(&id("a"), &fork).unwrap();
    assert_eq!(memory.recall(&id("a")).unwrap(), Some(head(4)));
    assert_eq!(memory.recall(&id("b")).unwrap(), None);
    let text = fs::read_to_string(only_file(&memory)).unwrap();
    let expected = format!(
        r#"{{"anchor":"{}","versions":4,"last":"value 4"}}"#,
        id("a")
    );
    assert_eq!(text, expected);
}

#[test]
fn a_damaged_memory_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let memory = HeadMemory::new(folder.path().to_owned());
    memory.remember(&id("a"), &head(3)).unwrap();
    let file = only_file(&memory);
    let whole = fs::read(&file).unwrap();
    let of_another = String::from_utf8(whole.clone()).unwrap();
    let of_another = of_another.replace(id("a").as_str(), id("b").as_str());
    let too_long = [&whole[..], &vec![b' '; 100_000]].concat();
    for bytes in [
        &whole[..whole.len() - 1],
        b"",
        b"[]",
        b"\xff",
        of_another.as_bytes(),
        &[&whole[..], b"x"].concat(),
        &[&too_long[..], b"x"].concat(),
    ] {
        fs::remove_file(&file).unwrap();
        fs::copy(write_to(folder.path().join("new.part"), bytes), &file).unwrap();
        for failure in [
            memory.recall(&id("a")).map(|_| ()),
            memory.remember(&id("a"), &head(9)),
        ] {
            let named =
                matches!(&failure, Err(HeadError::Damaged { file: named, .. }) if *named == file);
            assert!(named, "{failure:?}");
        }
    }
}

fn write_to(path: PathBuf, bytes: &[u8]) -> PathBuf {
    testkit::server::write_file(&path, bytes).unwrap();
    path
}

#[test]
fn what_a_crash_left_is_no_hindrance() {
    let folder = tempfile::tempdir().unwrap();
    let memory = HeadMemory::new(folder.path().to_owned());
    memory.remember(&id("a"), &head(1)).unwrap();
    write_to(only_file(&memory).with_extension("tmp"), b"{\"anch");
    assert_eq!(memory.recall(&id("a")).unwrap(), Some(head(1)));
    memory.remember(&id("a"), &head(2)).unwrap();
    assert_eq!(memory.recall(&id("a")).unwrap(), Some(head(2)));
}

#[test]
fn many_writers_at_once_leave_the_longest() {
    let folder = tempfile::tempdir().unwrap();
    let id = id("contended");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (id, folder) = (&id, folder.path());
            scope.spawn(move || {
                // A memory each: as processes have it, they share nothing but the folder.
                let memory = HeadMemory::new(folder.to_owned());
                let mut seen = 0;
                for round in 0..25 {
                    memory
                        .remember(id, &head(1 + (round * 7 + writer * 11) % 100))
                        .unwrap();
                    let now = memory.recall(id).unwrap().unwrap();
                    assert_eq!(now.last_value, format!("value {}", now.versions));
                    assert!(now.versions >= seen, "backwards");
                    seen = now.versions;
                }
            });
        }
    });
    let longest = (0..4)
        .flat_map(|writer| (0..25).map(move |round| 1 + (round * 7 + writer * 11) % 100))
        .max()
        .unwrap();
    let memory = HeadMemory::new(folder.path().to_owned());
    assert_eq!(memory.recall(&id).unwrap(), Some(head(longest)));
}
