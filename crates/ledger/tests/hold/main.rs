//! A log on hold, and one that takes the place of another.
//!
//! *Bug that this looks for:* a store that was put back to an older state, or damaged, goes on and
//! signs a second history, or takes entries that can never be signed; a witness stops a log with a
//! number that nobody signed; a hold that is lifted although something larger is known.
//! *Mechanism:* a folder is copied, the log goes on, the copy takes the folder's place; a peer on
//! loopback shows what a witness would.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod renewed;
mod restored;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use keyssi::{AnchorId, AnchorSigner, BrickHash, Domain, KeySsi, PrivateKey, Timestamp};
use ledger::{
    EmbeddedLedger, EngineOptions, Entry, Fit, Hold, HoldCause, Intent, Ledger, LedgerError,
    LiftError, LogKeeper, LogSigner, Mode, Outside, OutsideError, Regard, SignerError, Witnesses,
};
use tempfile::TempDir;
use translog::{Checkpoint, LogKey, Origin, SignedNote};

const NOW_MS: u64 = 1_700_000_000_000;
const ORIGIN: &str = "log.example/default";

fn open(folder: &Path) -> EmbeddedLedger {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    EmbeddedLedger::open(folder, options, || NOW_MS).unwrap()
}

fn domain() -> Domain {
    "default".parse().unwrap()
}

fn owner(number: u8) -> AnchorSigner {
    let key = PrivateKey::from_bytes(&[number; 32]).unwrap();
    let seed = KeySsi::seed("default", &key).unwrap();
    AnchorSigner::new(AnchorId::of(&seed).unwrap(), key, "default", None).unwrap()
}

async fn create(ledger: &EmbeddedLedger, number: u8, text: &str) -> Result<(), LedgerError> {
    let owner = owner(number);
    let hash = BrickHash::of(text.as_bytes()).to_string();
    let value = owner
        .create(&hash, &Timestamp::from_millis(NOW_MS))
        .unwrap();
    let entry = Entry {
        id: owner.id().clone(),
        value,
        intent: Intent::Create,
    };
    ledger.write(entry).await
}

fn origin() -> Origin {
    Origin::parse(ORIGIN).unwrap()
}

fn key(seed: u8) -> LogKey {
    LogKey::from_seed(&origin(), &[seed; 32])
}

async fn signer(ledger: &EmbeddedLedger) -> LogSigner {
    let log = ledger.log(&domain());
    LogSigner::open(log, origin(), vec![key(1)], None)
        .await
        .unwrap()
}

/// Adds entries, each signed on its own; gives the last note.
async fn grow(ledger: &EmbeddedLedger, numbers: std::ops::Range<u8>, text: &str) -> SignedNote {
    let signer = signer(ledger).await;
    let mut note = None;
    for number in numbers {
        create(ledger, number, text).await.unwrap();
        note = signer.sign().await.unwrap();
    }
    note.unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in from.read_dir().unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// A store that was put back: it holds `kept` entries, of which its log had signed all, and went on
/// to `signed`. Gives the last note of what was lost.
async fn put_back(kept: u8, signed: u8) -> (TempDir, SignedNote) {
    let (live, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = open(live.path());
    grow(&ledger, 1..kept + 1, "first").await;
    drop(ledger);
    copy(live.path(), old.path());
    let ledger = open(live.path());
    let note = grow(&ledger, kept + 1..signed + 1, "first").await;
    (old, note)
}

/// A witness that shows this, whatever it is asked.
fn witness(status: &str, body: &str) -> Witnesses {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|it| !it.is_empty()))
            {}
            // The client may have gone already.
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    Witnesses::new([url.as_str()]).unwrap()
}

fn outside(note: &SignedNote) -> Outside {
    let keys = [key(1).verifier().clone()];
    Outside::signed(note, &origin(), &keys, "a friend").unwrap()
}

/// A checkpoint that our key signed, with entries that nobody has.
fn forged(size: u64, seed: u8) -> SignedNote {
    let checkpoint = Checkpoint {
        origin: origin(),
        size,
        root: [9; 32],
        extensions: Vec::new(),
    };
    SignedNote::new(&checkpoint, key(seed).sign(&checkpoint))
}

#[tokio::test]
async fn a_store_that_was_put_back_signs_and_takes_nothing_once_a_witness_shows_more() {
    let (folder, lost) = put_back(3, 5).await;
    let ledger = open(folder.path());
    let keeper = LogKeeper::new(signer(&ledger).await);
    keeper.begin(&witness("200 OK", &lost.to_string())).await;
    let hold = keeper.signer().log().hold().unwrap();
    assert_eq!(hold.cause, HoldCause::Contradicted);
    assert_eq!((hold.since_ms, hold.outside.len()), (NOW_MS, 1));
    assert_eq!(hold.outside[0].note(), Some(lost.to_string().as_str()));
    let trouble = keeper.trouble().unwrap();
    assert!(
        trouble.contains("of 5 entries") && trouble.contains("holds 3 only"),
        "{trouble}"
    );
    drop((keeper, ledger));

    // After a restart too, without the witness; reading goes on.
    let ledger = open(folder.path());
    let refused = create(&ledger, 9, "second").await;
    assert!(
        matches!(refused, Err(LedgerError::Held { .. })),
        "{refused:?}"
    );
    let signer = signer(&ledger).await;
    let refused = signer.sign().await;
    assert!(
        matches!(refused, Err(SignerError::Held { .. })),
        "{refused:?}"
    );
    assert_eq!(signer.log().hold(), Some(hold));
    let history = ledger.all_versions(owner(2).id()).await.unwrap();
    assert_eq!(history.len(), 1);
    // A smaller checkpoint does not lift it: the larger one is known.
    let ours = signer.log().checkpoint().await.unwrap().unwrap();
    let refused = signer
        .lift(&[outside(&ours)], Regard::All)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, LiftError::NotContained { outside, fit: Fit::Larger { ours: 3 } } if outside.size() == 5),
        "{refused:?}"
    );
}

#[tokio::test]
async fn another_root_at_a_size_that_the_store_has_is_a_fork() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    grow(&ledger, 1..5, "first").await;
    let keeper = LogKeeper::new(signer(&ledger).await);
    keeper
        .begin(&witness("200 OK", &forged(2, 1).to_string()))
        .await;
    let trouble = keeper.trouble().unwrap();
    assert!(trouble.contains("another root"), "{trouble}");
    let refused = create(&ledger, 9, "second").await;
    assert!(matches!(refused, Err(LedgerError::Held { .. })));
}

#[tokio::test]
async fn what_our_key_has_not_signed_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let ours = grow(&ledger, 1..4, "first").await;
    let elsewhere = Origin::parse("log.example/other").unwrap();
    let other_log = Checkpoint {
        origin: elsewhere.clone(),
        size: 9,
        root: [9; 32],
        extensions: Vec::new(),
    };
    let by_other = LogKey::from_seed(&elsewhere, &[1; 32]).sign(&other_log);
    let mut broken = forged(9, 1).to_string();
    broken.replace_range(broken.len() - 12..broken.len() - 8, "AAAA");
    for (status, body) in [
        ("200 OK", forged(9, 2).to_string()),
        ("200 OK", SignedNote::new(&other_log, by_other).to_string()),
        ("200 OK", broken),
        ("200 OK", "9\n".to_owned()),
        ("409 Conflict", "9\n".to_owned()),
        ("404 Not Found", String::new()),
        ("200 OK", ours.to_string()),
    ] {
        let keeper = LogKeeper::new(signer(&ledger).await);
        keeper.begin(&witness(status, &body)).await;
        assert_eq!(keeper.signer().log().hold(), None, "{body}");
    }
    create(&ledger, 9, "second").await.unwrap();
}

#[tokio::test]
async fn a_restored_log_goes_on_after_it_was_compared() {
    let (folder, lost) = put_back(3, 5).await;
    let ledger = open(folder.path());
    let held = ledger
        .hold_logs(HoldCause::Restored, "from the backup of Monday")
        .await;
    assert_eq!(held.unwrap(), [domain()]);
    let signer = signer(&ledger).await;
    let ours = signer.log().checkpoint().await.unwrap().unwrap();
    let nothing = signer.lift(&[], Regard::All).await.unwrap_err();
    assert!(matches!(nothing, LiftError::NothingOutside), "{nothing:?}");
    // Looked at, and compared with more than it has: nothing changes.
    let refused = signer
        .lift(&[outside(&ours), outside(&lost)], Regard::All)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, LiftError::NotContained { .. }),
        "{refused:?}"
    );
    assert_eq!(signer.log().hold().unwrap().cause, HoldCause::Restored);
    let lifted = signer.lift(&[outside(&ours)], Regard::All).await.unwrap();
    assert_eq!((lifted.size, lifted.compared.size()), (3, 3));
    assert_eq!(signer.log().hold(), None);
    create(&ledger, 9, "second").await.unwrap();
    assert_eq!(
        signer
            .sign()
            .await
            .unwrap()
            .unwrap()
            .checkpoint()
            .unwrap()
            .size,
        4
    );
    drop((ledger, signer));
    assert_eq!(open(folder.path()).log(&domain()).hold(), None);
}

#[tokio::test]
async fn a_restored_log_goes_on_by_itself_when_every_witness_shows_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let note = grow(&ledger, 1..4, "first").await;
    let hold = || Hold::new(HoldCause::Restored, "from a backup");
    let log = ledger.log(&domain());
    let keeper = LogKeeper::new(signer(&ledger).await);
    for (status, body) in [("404 Not Found", ""), ("500 Oops", ""), ("200 OK", "none")] {
        log.hold_back(hold()).await.unwrap();
        keeper.begin(&witness(status, body)).await;
        assert!(log.hold().is_some(), "{status}");
    }
    keeper.begin(&witness("200 OK", &note.to_string())).await;
    assert_eq!(log.hold(), None);
    // A restored log that turns out to be contradicted says that.
    log.hold_back(hold()).await.unwrap();
    keeper
        .begin(&witness("200 OK", &forged(9, 1).to_string()))
        .await;
    assert_eq!(log.hold().unwrap().cause, HoldCause::Contradicted);
    keeper.begin(&witness("200 OK", &note.to_string())).await;
    assert_eq!(log.hold().unwrap().cause, HoldCause::Contradicted);
}

#[tokio::test]
async fn nothing_is_taken_into_a_log_that_can_never_be_signed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    grow(&ledger, 1..4, "first").await;
    drop(ledger);
    // A note over entries that are not there, as a store put together from two copies has.
    let text = forged(3, 1).to_string();
    let families: Vec<engine::Family> =
        ["anchors", "heads", "log", "openings", "outbox", "documents"]
            .map(|name| engine::Family { name, tune: |_| {} })
            .into();
    let families: &'static [engine::Family] = families.leak();
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    let raw = engine::Engine::open(folder.path(), families, 2, options).unwrap();
    let mut found = None;
    let visit = |key: &[u8], _: &[u8]| {
        if key[4..] == *b"n" {
            found = Some(key.to_vec());
        }
        Ok(())
    };
    raw.scan("log", b"", visit).unwrap();
    let mut batch = engine::rocksdb::WriteBatch::default();
    raw.put(&mut batch, "log", &found.unwrap(), text.as_bytes())
        .unwrap();
    raw.write(batch).unwrap();
    drop(raw);

    let ledger = open(folder.path());
    let keeper = LogKeeper::new(signer(&ledger).await);
    keeper.begin(&Witnesses::new([]).unwrap()).await;
    let hold = keeper.signer().log().hold().unwrap();
    assert_eq!(hold.cause, HoldCause::Damaged);
    assert!(hold.words().contains("another root"), "{}", hold.words());
    let refused = create(&ledger, 9, "second").await;
    assert!(matches!(refused, Err(LedgerError::Held { .. })));
    let unfit = keeper
        .signer()
        .lift(&[outside(&forged(3, 1))], Regard::All)
        .await;
    assert!(matches!(unfit, Err(LiftError::Unfit(_))), "{unfit:?}");
}

#[test]
fn only_a_checkpoint_of_our_own_log_by_our_own_key_is_one_from_outside() {
    let keys = [key(1).verifier().clone()];
    let refused =
        |note: &SignedNote, origin: &Origin| Outside::signed(note, origin, &keys, "x").unwrap_err();
    assert_eq!(
        refused(&forged(3, 2), &origin()),
        OutsideError::NotOurs(origin())
    );
    assert_eq!(refused(&forged(0, 1), &origin()), OutsideError::Empty);
    let other = Origin::parse("log.example/other").unwrap();
    assert_eq!(
        refused(&forged(3, 1), &other),
        OutsideError::OtherLog {
            found: origin(),
            ours: other.clone()
        }
    );
}
