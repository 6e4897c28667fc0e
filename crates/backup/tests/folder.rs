//! Backups in a folder: made, found, checked and restored, whole and damaged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use backup::{BackupError, Identities, Place, Recipients, S3Options, Source};
use tempfile::TempDir;

/// A little more than a large object's first part, and odd.
const LARGE_BYTES: usize = (16 << 20) + 12_345;

/// What a place has besides backups.
const NOT_BACKED_UP: [&str; 2] = ["backup.json", "lock"];

struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self::with_blobs_of(LARGE_BYTES)
    }

    fn with_blobs_of(length: usize) -> Self {
        let scene = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        scene.write("bricks/000001.sst", &pattern(1, 100_000));
        scene.write("bricks/000002.blob", &pattern(2, length));
        scene.write("bricks/000003.blob", &pattern(2, length));
        scene.write("bricks/CURRENT", b"MANIFEST-000005\n");
        scene.write("anchors/000001.sst", b"");
        scene.write("anchors/LOG", &pattern(3, 70));
        scene.write("keys/default.log-key", b"a private key\n");
        scene
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.at("frozen").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn source(&self) -> Source {
        Source {
            folder: self.at("frozen"),
            frozen_ms: 1_790_000_000_000,
            version: "1".to_owned(),
            node: "0".repeat(32),
            logs: Vec::new(),
            left_out: Vec::new(),
            index: Some(self.at("index.json")),
        }
    }

    fn place(&self) -> Place {
        Place::open_or_make(self.at("place").to_str().unwrap(), &S3Options::default()).unwrap()
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.at("frozen"))
    }
}

/// Bytes that differ by seed and do not repeat soon.
fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// What every work is told that is not to be stopped.
fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn key() -> (Recipients, Identities) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let text = identity.to_string();
    let again: age::x25519::Identity = text.expose_secret().parse().unwrap();
    let recipients = Recipients::parse([recipient.as_str()]).unwrap().unwrap();
    (recipients, vec![Box::new(again)])
}

fn restore(place: &Place, identities: &Identities, to: &Path) -> Result<(), BackupError> {
    let unread = backup::find(place, None)?;
    let snapshot = backup::read(place, &unread, identities)?;
    backup::restore(place, &snapshot, identities, to, &go_on, |_| Ok(()))
}

#[test]
fn a_plain_backup_restores_all_but_the_keys() {
    let scene = Scene::new();
    let place = scene.place();
    let report = backup::create(&place, &scene.source(), None, &go_on).unwrap();
    assert!(report.snapshot.left_out[0].contains("private keys"));
    // Two files have the same bytes.
    assert_eq!(report.stored_files, 5);
    restore(&place, &Vec::new(), &scene.at("restored")).unwrap();
    let mut expected = scene.files();
    expected.remove("keys/default.log-key").unwrap();
    assert_eq!(files(&scene.at("restored")), expected);
}

#[test]
fn an_encrypted_backup_holds_the_keys_and_shows_nothing() {
    let scene = Scene::new();
    let place = scene.place();
    let (recipients, identities) = key();
    let report = backup::create(&place, &scene.source(), Some(&recipients), &go_on).unwrap();
    assert_eq!(report.snapshot.left_out, Vec::<String>::new());
    for (name, bytes) in files(&scene.at("place")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains("a private key") && !text.contains("CURRENT"),
            "{name}"
        );
        assert!(
            NOT_BACKED_UP.contains(&name.as_str()) || bytes.starts_with(b"age-encryption.org/v1"),
            "{name}"
        );
    }
    restore(&place, &identities, &scene.at("restored")).unwrap();
    assert_eq!(files(&scene.at("restored")), scene.files());

    let (_, strangers) = key();
    let error = restore(&place, &strangers, &scene.at("nothing")).unwrap_err();
    assert!(matches!(error, BackupError::WrongIdentity), "{error}");
    let error = restore(&place, &Vec::new(), &scene.at("nothing")).unwrap_err();
    assert!(matches!(error, BackupError::NoIdentity), "{error}");
    assert!(!scene.at("nothing").exists());
}

#[test]
fn the_next_backup_stores_what_is_new_and_reads_no_table_again() {
    let scene = Scene::new();
    let place = scene.place();
    let first = backup::create(&place, &scene.source(), None, &go_on).unwrap();
    // A table never changes once it is written, so a change that no clock shows is not noticed.
    let table = scene.at("frozen/bricks/000001.sst");
    let modified = fs::metadata(&table).unwrap().modified().unwrap();
    let mut bytes = fs::read(&table).unwrap();
    bytes[5] ^= 1;
    fs::write(&table, &bytes).unwrap();
    fs::File::options()
        .write(true)
        .open(&table)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    scene.write("bricks/CURRENT", b"MANIFEST-000009\n");
    scene.write("bricks/000007.sst", b"new");
    let mut source = scene.source();
    source.frozen_ms += 1;
    let second = backup::create(&place, &source, None, &go_on).unwrap();
    assert_eq!(second.stored_files, 2);
    assert_eq!(second.stored_bytes, 16 + 3);

    // Both are whole, and the older one is still what it was.
    let all = backup::list(&place).unwrap();
    assert_eq!(
        all.iter().map(|unread| &unread.id).collect::<Vec<_>>(),
        [&first.id, &second.id]
    );
    for unread in &all {
        let snapshot = backup::read(&place, unread, &Vec::new()).unwrap();
        let report = backup::check(&place, &snapshot, &Vec::new(), &go_on).unwrap();
        assert!(report.findings.is_empty());
    }
    // A place that has not got it gets no table that is not what it was.
    let other = Place::open_or_make(scene.at("other").to_str().unwrap(), &S3Options::default());
    let error = backup::create(&other.unwrap(), &source, None, &go_on).unwrap_err();
    assert!(
        matches!(&error, BackupError::Rotten { path } if path == Path::new("bricks/000001.sst")),
        "{error}"
    );
    // Without the index everything is read, and the change is not known for one.
    fs::remove_file(scene.at("index.json")).unwrap();
    source.frozen_ms += 1;
    let third = backup::create(&place, &source, None, &go_on).unwrap();
    assert_eq!(third.stored_files, 1);
}

#[test]
fn other_recipients_get_objects_of_their_own() {
    let scene = Scene::new();
    let place = scene.place();
    let (one, _) = key();
    let (other, identities) = key();
    backup::create(&place, &scene.source(), Some(&one), &go_on).unwrap();
    let mut source = scene.source();
    source.frozen_ms += 1;
    let report = backup::create(&place, &source, Some(&other), &go_on).unwrap();
    assert_eq!(report.stored_files, 6);
    restore(&place, &identities, &scene.at("restored")).unwrap();
    assert_eq!(files(&scene.at("restored")), scene.files());
}

#[test]
fn every_damage_is_found_and_named() {
    for sealed in [false, true] {
        let scene = Scene::with_blobs_of(70_000);
        let place = scene.place();
        let (recipients, identities) = key();
        let recipients = sealed.then_some(&recipients);
        backup::create(&place, &scene.source(), recipients, &go_on).unwrap();
        let objects: Vec<_> = files(&scene.at("place")).into_iter().collect();
        for (name, bytes) in objects {
            if NOT_BACKED_UP.contains(&name.as_str()) {
                continue;
            }
            let path = scene.at("place").join(&name);
            let middle = bytes.len() / 2;
            let mut flipped = bytes.clone();
            if let Some(byte) = flipped.get_mut(middle) {
                *byte ^= 1;
            }
            let mut longer = bytes.clone();
            longer.push(0);
            let cut = bytes[..bytes.len().saturating_sub(1)].to_vec();
            for (what, damaged) in [
                ("flipped", Some(flipped)),
                ("longer", Some(longer)),
                ("cut", Some(cut)),
                ("gone", None),
            ] {
                match &damaged {
                    Some(damaged) if *damaged == bytes => continue,
                    Some(damaged) => fs::write(&path, damaged).unwrap(),
                    None => fs::remove_file(&path).unwrap(),
                }
                assert_found(&scene, &place, &identities, &name, what);
                fs::write(&path, &bytes).unwrap();
            }
        }
        restore(&place, &identities, &scene.at("restored")).unwrap();
    }
}

/// The damage is found by a check, or already when the snapshot is read, and nothing is restored.
fn assert_found(scene: &Scene, place: &Place, identities: &Identities, name: &str, what: &str) {
    let found = backup::find(place, None)
        .and_then(|unread| backup::read(place, &unread, identities))
        .and_then(|snapshot| backup::check(place, &snapshot, identities, &go_on));
    match found {
        Ok(report) => {
            assert_eq!(report.findings.len(), 1, "{name} {what}");
            let text = report.findings[0].to_string();
            assert!(text.starts_with(name), "{text} for {name} {what}");
        }
        Err(error) => assert!(
            matches!(
                error,
                BackupError::Damaged { .. }
                    | BackupError::Unknown { .. }
                    | BackupError::WrongIdentity
            ),
            "{name} {what}: {error}"
        ),
    }
    assert!(
        restore(place, identities, &scene.at("nothing")).is_err(),
        "{name} {what}"
    );
    assert!(!scene.at("nothing").exists());
}

#[test]
fn a_restore_goes_into_an_empty_folder_and_never_half() {
    let scene = Scene::new();
    let place = scene.place();
    backup::create(&place, &scene.source(), None, &go_on).unwrap();
    fs::create_dir(scene.at("full")).unwrap();
    fs::write(scene.at("full/file"), b"mine").unwrap();
    let error = restore(&place, &Vec::new(), &scene.at("full")).unwrap_err();
    assert!(matches!(error, BackupError::NotEmpty { .. }), "{error}");

    // What an earlier try left is taken away, and an empty folder is as good as none. It stays the
    // folder that it is, because a file system may be mounted there.
    let old = scene.at("new").join(backup::UNFINISHED).join("bricks/old");
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(&old, b"old").unwrap();
    fs::create_dir(scene.at("new/lost+found")).unwrap();
    let inode = fs::metadata(scene.at("new")).unwrap().ino();
    restore(&place, &Vec::new(), &scene.at("new")).unwrap();
    assert_eq!(fs::metadata(scene.at("new")).unwrap().ino(), inode);
    let mut expected = scene.files();
    expected.remove("keys/default.log-key").unwrap();
    assert_eq!(files(&scene.at("new")), expected);
    assert!(!scene.at("new").join(backup::UNFINISHED).exists());

    // What could not be finished is not there, whether it failed or was stopped.
    let unread = backup::find(&place, None).unwrap();
    let snapshot = backup::read(&place, &unread, &Vec::new()).unwrap();
    let refuse = |within: &Path| {
        assert!(within.ends_with(backup::UNFINISHED));
        Err(BackupError::NoIdentity)
    };
    let to = scene.at("refused");
    let none = Vec::new();
    assert!(backup::restore(&place, &snapshot, &none, &to, &go_on, refuse).is_err());
    assert!(!to.exists());
    fs::create_dir(&to).unwrap();
    let stop = |_| ControlFlow::Break(());
    let stopped = backup::restore(&place, &snapshot, &none, &to, &stop, |_| Ok(()));
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
}

#[test]
fn a_hostile_place_cannot_write_outside_the_folder() {
    use sha2::{Digest, Sha256};
    let scene = Scene::new();
    let place = scene.place();
    backup::create(&place, &scene.source(), None, &go_on).unwrap();
    let stored = files(&scene.at("place"));
    let (name, text) = stored
        .iter()
        .find(|(name, _)| name.starts_with("snapshots/"))
        .unwrap();
    fs::remove_file(scene.at("place").join(name)).unwrap();
    let text = String::from_utf8(text.clone()).unwrap();
    let text = text.replace("bricks/CURRENT", "../bricks/CURRENT");
    let digest = Sha256::digest(text.as_bytes());
    let digest = digest[..8].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let hostile = scene
        .at("place/snapshots")
        .join(format!("1790000000000-{digest}.json"));
    fs::write(hostile, text).unwrap();
    let error = restore(&place, &Vec::new(), &scene.at("restored")).unwrap_err();
    assert!(error.to_string().contains("../bricks/CURRENT"), "{error}");
    assert!(!scene.at("restored").exists());
}

#[test]
fn what_is_no_place_is_left_alone() {
    let scene = Scene::new();
    let options = S3Options::default();
    let at = |name: &str| scene.at(name).to_str().unwrap().to_owned();
    let error = Place::open(&at("absent"), &options).unwrap_err();
    assert!(matches!(error, BackupError::NotAPlace { .. }), "{error}");
    // Somebody's folder.
    let error = Place::open_or_make(&at("frozen"), &options).unwrap_err();
    assert!(error.to_string().contains("no backup.json"), "{error}");
    fs::create_dir(scene.at("newer")).unwrap();
    fs::write(
        scene.at("newer/backup.json"),
        r#"{"kind":"kiln-backup","format":2}"#,
    )
    .unwrap();
    let error = Place::open(&at("newer"), &options).unwrap_err();
    assert!(
        matches!(
            error,
            BackupError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    for location in ["", "s3://", "gs://bucket", "https://example.org/x"] {
        let error = Place::open_or_make(location, &options).unwrap_err();
        assert!(
            matches!(error, BackupError::Location { .. }),
            "{location}: {error}"
        );
    }
}

#[test]
fn what_is_no_recipient_is_told_by_its_number_and_never_repeated() {
    let public = age::x25519::Identity::generate().to_public().to_string();
    let secret = age::x25519::Identity::generate().to_string();
    let secret = secret.expose_secret();
    let lower = secret.to_lowercase();
    let private = "is a private key; give the public half (age-keygen -y)";
    let other = "is no age recipient (age1…)";
    for (text, problem) in [
        (secret, private),
        (lower.as_str(), private),
        ("AGE-SECRET-KEY-cut-off", private),
        ("age1nothing", other),
        ("äge-secret-key-1", other),
        ("", other),
    ] {
        let refused = Recipients::parse([public.as_str(), text]).err().unwrap();
        assert_eq!(refused.to_string(), format!("recipient 2 {problem}"));
    }
}

#[test]
fn a_place_is_its_owners_and_one_nodes() {
    let scene = Scene::new();
    let place = scene.place();
    assert_eq!(place.open_to_others().unwrap(), None);
    let open = fs::Permissions::from_mode(0o750);
    fs::set_permissions(scene.at("place"), open).unwrap();
    assert_eq!(place.open_to_others().unwrap(), Some(0o750));

    let made = backup::create(&place, &scene.source(), None, &go_on).unwrap();
    assert_eq!(made.snapshot.node, Some("0".repeat(32)));
    let mut source = scene.source();
    source.node = "1".repeat(32);
    let error = backup::create(&scene.place(), &source, None, &go_on).unwrap_err();
    assert!(
        matches!(&error, BackupError::OtherNode { found, .. } if *found == "0".repeat(32)),
        "{error}"
    );
    assert_eq!(backup::list(&place).unwrap().len(), 1);
}

#[test]
fn a_backup_that_is_stopped_is_none() {
    let scene = Scene::new();
    let place = scene.place();
    let stop = |_| ControlFlow::Break(());
    let stopped = backup::create(&place, &scene.source(), None, &stop);
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    assert!(backup::list(&place).unwrap().is_empty());
    backup::create(&place, &scene.source(), None, &go_on).unwrap();
}

#[test]
fn odd_things_in_the_folder_are_refused_by_name() {
    let scene = Scene::new();
    let place = scene.place();
    std::os::unix::fs::symlink("/etc/passwd", scene.at("frozen/bricks/link")).unwrap();
    let error = backup::create(&place, &scene.source(), None, &go_on).unwrap_err();
    assert!(matches!(&error, BackupError::Local { path, .. } if path.ends_with("bricks/link")));
    assert!(backup::list(&place).unwrap().is_empty());
}
