//! Taking old backups away: what stays is whole, whatever ended the work, and nobody is disturbed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use age::secrecy::ExposeSecret;
use backup::{
    BackupError, Identities, Keep, Place, PruneMode, PruneReport, Recipients, S3Options, Source,
};
use tempfile::TempDir;

/// When the first backup is made.
const FIRST_MS: u64 = 1_790_000_000_000;

struct Scene {
    folder: TempDir,
    place: Place,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        let place = Place::open_or_make(place.to_str().unwrap(), &S3Options::default()).unwrap();
        Self { folder, place }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The backup of this number: a file that all have, one shared with the next one, one of its own.
    fn back_up(&self, number: u64, recipients: Option<&Recipients>) {
        let frozen = self.at("frozen");
        fs::create_dir_all(&frozen).unwrap();
        let write = |name: &str, text: String| fs::write(frozen.join(name), text).unwrap();
        write("common.sst", "in all".to_owned());
        for shared in [number, number + 1] {
            write(&format!("{}.blob", shared % 2), format!("shared {shared}"));
        }
        write("CURRENT", format!("own {number}"));
        let source = self.source(number);
        backup::create(&self.place, &source, recipients, &go_on).unwrap();
    }

    fn source(&self, number: u64) -> Source {
        Source {
            folder: self.at("frozen"),
            frozen_ms: FIRST_MS + number,
            version: "1".to_owned(),
            node: "0".repeat(32),
            logs: Vec::new(),
            left_out: Vec::new(),
            index: None,
        }
    }

    fn prune(&self, last: usize, mode: PruneMode) -> PruneReport {
        let keep = Keep {
            last,
            ..Keep::default()
        };
        backup::prune(&self.place, &keep, &Vec::new(), mode).unwrap()
    }

    /// The names of all objects.
    fn objects(&self) -> BTreeSet<String> {
        let all = files(&self.at("place"));
        all.into_iter()
            .filter(|name| name.contains("objects/") || name.contains("sealed-"))
            .collect()
    }

    /// Requires that the place has these backups, and that each is whole.
    fn require(&self, numbers: &[u64], identities: &Identities) {
        let all = backup::list(&self.place).unwrap();
        let found: Vec<_> = all
            .iter()
            .map(|unread| unread.id.created_ms() - FIRST_MS)
            .collect();
        assert_eq!(found, numbers);
        for unread in &all {
            let snapshot = backup::read(&self.place, unread, identities).unwrap();
            let report = backup::check(&self.place, &snapshot, identities, &go_on).unwrap();
            assert!(report.findings.is_empty(), "{:?}", report.findings);
        }
    }
}

/// What every work is told that is not to be stopped.
fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(name.to_owned());
            }
        }
    }
    found
}

fn key() -> (Recipients, Identities) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let again: age::x25519::Identity = identity.to_string().expose_secret().parse().unwrap();
    let recipients = Recipients::parse([recipient.as_str()]).unwrap().unwrap();
    (recipients, vec![Box::new(again)])
}

#[test]
fn what_goes_is_what_no_kept_backup_needs() {
    let scene = Scene::new();
    for number in 0..5 {
        scene.back_up(number, None);
    }
    // One for all, six that two share at most, five of their own.
    assert_eq!(scene.objects().len(), 12);
    let before = files(&scene.at("place"));
    let told = scene.prune(2, PruneMode::Try);
    assert_eq!(files(&scene.at("place")), before);
    assert_eq!((told.kept.len(), told.removed.len()), (2, 3));

    let done = scene.prune(2, PruneMode::Remove);
    assert_eq!((&done.kept, &done.removed), (&told.kept, &told.removed));
    assert_eq!((done.objects, done.bytes), (told.objects, told.bytes));
    // The first three of their own and the first three shared ones: "own 0", "shared 0".
    assert_eq!((done.objects, done.bytes), (6, 3 * 5 + 3 * 8));
    scene.require(&[3, 4], &Vec::new());
    assert_eq!(scene.objects().len(), 6);
    // Then there is nothing more to do, and the next backup builds on what is there.
    let again = scene.prune(2, PruneMode::Remove);
    assert_eq!((again.removed.len(), again.objects), (0, 0));
    scene.back_up(5, None);
    scene.require(&[3, 4, 5], &Vec::new());
}

#[test]
fn work_that_was_cut_off_is_taken_up() {
    let scene = Scene::new();
    for number in 0..4 {
        scene.back_up(number, None);
    }
    // Ended after the first of two snapshots, and among the objects.
    let snapshots: Vec<_> = files(&scene.at("place/snapshots")).into_iter().collect();
    fs::remove_file(scene.at("place/snapshots").join(&snapshots[0])).unwrap();
    scene.require(&[1, 2, 3], &Vec::new());
    let done = scene.prune(2, PruneMode::Remove);
    assert_eq!((done.removed.len(), done.objects), (1, 4));
    scene.require(&[2, 3], &Vec::new());

    // Objects of a backup that was cut off go too; what is not ours stays.
    let orphan = scene.at("place/objects/ab").join("c".repeat(62));
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, b"orphan").unwrap();
    let foreign = [
        "place/objects/README",
        "place/notes.txt",
        "place/snapshots/x",
    ];
    for name in foreign {
        fs::write(scene.at(name), b"mine").unwrap();
    }
    let done = scene.prune(2, PruneMode::Remove);
    assert_eq!((done.objects, done.bytes), (1, 6));
    assert!(!orphan.exists());
    for name in foreign {
        assert!(scene.at(name).exists(), "{name}");
    }
    scene.require(&[2, 3], &Vec::new());
}

#[test]
fn without_the_key_of_what_stays_nothing_goes() {
    let scene = Scene::new();
    let (old, _) = key();
    let (new, identities) = key();
    scene.back_up(0, Some(&old));
    scene.back_up(1, Some(&new));
    scene.back_up(2, Some(&new));
    let keep = Keep {
        last: 2,
        ..Keep::default()
    };
    let before = files(&scene.at("place"));
    let error = backup::prune(&scene.place, &keep, &Vec::new(), PruneMode::Remove).unwrap_err();
    assert!(matches!(error, BackupError::NoIdentity), "{error}");
    assert_eq!(files(&scene.at("place")), before);

    // The key of what goes is not needed, and nothing of its folder stays.
    let done = backup::prune(&scene.place, &keep, &identities, PruneMode::Remove).unwrap();
    assert_eq!((done.removed.len(), done.objects), (1, 4));
    scene.require(&[1, 2], &identities);
    let folders = |names: BTreeSet<String>| -> BTreeSet<String> {
        let first = |name: &String| name.split('/').next().unwrap().to_owned();
        names.iter().map(first).collect()
    };
    assert_eq!(folders(scene.objects()).len(), 1);
}

#[test]
fn a_damaged_backup_can_go_but_not_decide() {
    let scene = Scene::new();
    for number in 0..3 {
        scene.back_up(number, None);
    }
    let snapshots: Vec<_> = files(&scene.at("place/snapshots")).into_iter().collect();
    let damage = |name: &str| fs::write(scene.at("place/snapshots").join(name), b"{}").unwrap();
    damage(&snapshots[0]);
    let before = files(&scene.at("place"));
    let keep = Keep {
        last: 3,
        ..Keep::default()
    };
    let error = backup::prune(&scene.place, &keep, &Vec::new(), PruneMode::Remove).unwrap_err();
    assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
    assert_eq!(files(&scene.at("place")), before);
    scene.prune(2, PruneMode::Remove);
    scene.require(&[1, 2], &Vec::new());
}

/// What goes may be the last backup that is whole.
#[test]
fn nothing_goes_while_one_that_stays_lacks_an_object() {
    let (recipients, identities) = key();
    let keep = Keep {
        last: 1,
        ..Keep::default()
    };
    for recipients in [None, Some(&recipients)] {
        let scene = Scene::new();
        scene.back_up(0, recipients);
        let first = scene.objects();
        scene.back_up(1, recipients);
        let newest = backup::list(&scene.place).unwrap().pop().unwrap().id;
        let both = scene.objects();
        let own: Vec<_> = both.difference(&first).collect();
        assert_eq!(own.len(), 2);
        for is_cut in [true, false] {
            for name in &own {
                let path = scene.at("place").join(name);
                let bytes = fs::read(&path).unwrap();
                fs::remove_file(&path).unwrap();
                if is_cut {
                    fs::write(&path, &bytes[..1]).unwrap();
                }
            }
            let before = files(&scene.at("place"));
            for mode in [PruneMode::Try, PruneMode::Remove] {
                let error = backup::prune(&scene.place, &keep, &identities, mode).unwrap_err();
                assert!(
                    matches!(&error, BackupError::Incomplete { backup, detail }
                        if *backup == newest && detail.contains(own[0].as_str())),
                    "{error}"
                );
                assert!(error.to_string().contains("1 more"), "{error}");
                assert_eq!(files(&scene.at("place")), before);
            }
            // The same files again: what it lacked is stored.
            scene.back_up(1, recipients);
            scene.require(&[0, 1], &identities);
        }
        let done = backup::prune(&scene.place, &keep, &identities, PruneMode::Remove).unwrap();
        assert_eq!((done.removed.len(), done.objects), (1, 2));
        scene.require(&[1], &identities);
    }
}

#[test]
fn nothing_goes_while_a_backup_is_made_and_none_is_made_meanwhile() {
    let scene = Scene::new();
    scene.back_up(0, None);
    scene.back_up(1, None);
    fs::write(scene.at("frozen/new.sst"), b"new").unwrap();
    let again = || {
        let name = scene.at("place");
        Place::open(name.to_str().unwrap(), &S3Options::default()).unwrap()
    };
    let keep = Keep::default();
    let tried = Mutex::new(Vec::new());
    // In the midst of a backup; others can be made at the same time.
    let during = |_: u64| {
        let place = again();
        let pruned = backup::prune(&place, &keep, &Vec::new(), PruneMode::Remove);
        backup::prune(&place, &keep, &Vec::new(), PruneMode::Try).unwrap();
        tried.lock().unwrap().push(pruned.unwrap_err());
        ControlFlow::Continue(())
    };
    backup::create(&scene.place, &scene.source(2), None, &during).unwrap();
    let tried = tried.into_inner().unwrap();
    assert!(!tried.is_empty());
    for error in tried {
        assert!(matches!(error, BackupError::Busy { .. }), "{error}");
    }
    scene.require(&[0, 1, 2], &Vec::new());

    // While backups go, as the lock says.
    let lock = fs::File::options()
        .write(true)
        .open(scene.at("place/lock"))
        .unwrap();
    lock.lock().unwrap();
    for number in [3, 4] {
        let made = backup::create(&scene.place, &scene.source(number), None, &go_on);
        let error = made.unwrap_err();
        assert!(matches!(error, BackupError::Busy { .. }), "{error}");
        assert!(error.to_string().contains("taken away"), "{error}");
    }
    let error = backup::prune(&scene.place, &keep, &Vec::new(), PruneMode::Remove).unwrap_err();
    assert!(matches!(error, BackupError::Busy { .. }), "{error}");
    // A lock ends with its holder, and what it left is no obstacle.
    drop(lock);
    scene.prune(1, PruneMode::Remove);
    scene.require(&[2], &Vec::new());
}
