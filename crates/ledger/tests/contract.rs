//! The ledger's contract, over a real database in a temporary folder.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::path::Path;

use keyssi::{
    AnchorId, AnchorSigner, AnchorValue, AppendError, BrickHash, Domain, Head, KeySsi, PrivateKey,
    Timestamp, create,
};
use ledger::{
    AnchorFinding, EmbeddedLedger, EngineOptions, Entry, Intent, Ledger, LedgerError, Mode, check,
};

fn open(folder: &Path) -> EmbeddedLedger {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    EmbeddedLedger::open(folder, options, || 1_700_000_000_000).unwrap()
}

/// A signed anchor of its own for each `number`.
fn signer(number: u8) -> AnchorSigner {
    let key = PrivateKey::from_bytes(&[number; 32]).unwrap();
    AnchorSigner::new(id_of(number), key, "default", None).unwrap()
}

fn id_of(number: u8) -> AnchorId {
    let key = PrivateKey::from_bytes(&[number; 32]).unwrap();
    let seed = KeySsi::seed("default", &key).unwrap();
    AnchorId::of(&seed).unwrap()
}

fn hash(text: &str) -> String {
    BrickHash::of(text.as_bytes()).to_string()
}

fn time(offset: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + offset)
}

fn first(signer: &AnchorSigner, text: &str) -> AnchorValue {
    signer.create(&hash(text), &time(0)).unwrap()
}

fn next(signer: &AnchorSigner, last: &AnchorValue, text: &str) -> AnchorValue {
    let head = Head::restore(last.as_str(), None).unwrap();
    signer.append(&head, &hash(text), &time(1)).unwrap()
}

fn entry(signer: &AnchorSigner, value: &AnchorValue, intent: Intent) -> Entry {
    Entry {
        id: signer.id().clone(),
        value: value.clone(),
        intent,
    }
}

fn default_domain() -> Domain {
    "default".parse().unwrap()
}

#[tokio::test]
async fn a_history_is_kept_in_order_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let owner = signer(1);
    let one = first(&owner, "one");
    let two = next(&owner, &one, "two");
    {
        let ledger = open(folder.path());
        assert_eq!(ledger.last_version(owner.id()).await.unwrap(), None);
        assert!(ledger.all_versions(owner.id()).await.unwrap().is_empty());
        let absent = ledger.write(entry(&owner, &two, Intent::Append)).await;
        assert!(matches!(absent, Err(LedgerError::Absent)));
        ledger
            .write(entry(&owner, &one, Intent::Create))
            .await
            .unwrap();
        let again = ledger.write(entry(&owner, &one, Intent::Create)).await;
        assert!(matches!(again, Err(LedgerError::AlreadyExists)));
        ledger
            .write(entry(&owner, &two, Intent::Append))
            .await
            .unwrap();
        let replayed = ledger.write(entry(&owner, &two, Intent::Append)).await;
        assert!(matches!(
            replayed,
            Err(LedgerError::Append(AppendError::OutOfSync))
        ));
    }
    let ledger = open(folder.path());
    let all = ledger.all_versions(owner.id()).await.unwrap();
    assert_eq!(all, [one.as_str(), two.as_str()]);
    let last = ledger.last_version(owner.id()).await.unwrap();
    assert_eq!(last, Some((two.as_str().to_owned(), 2)));
    assert_eq!(ledger.total(&default_domain()).await.unwrap(), 1);
    drop(ledger);
    let report = check(folder.path()).unwrap();
    assert_eq!((report.sound, report.versions), (1, 2));
    assert_eq!(report.findings, []);
}

#[tokio::test]
async fn of_simultaneous_writes_on_one_head_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let owner = signer(2);
    let base = first(&owner, "base");
    let creates = (0..32).map(|n| first(&owner, &format!("create {n}")));
    let won = race(
        &ledger,
        &owner,
        creates.chain([base.clone()]),
        Intent::Create,
    )
    .await;
    assert_eq!(won.len(), 1);
    let last = ledger.last_version(owner.id()).await.unwrap().unwrap().0;
    assert_eq!(last, won[0].as_str());
    let appends = (0..32).map(|n| next(&owner, &won[0], &format!("append {n}")));
    let appended = race(&ledger, &owner, appends, Intent::Append).await;
    assert_eq!(appended.len(), 1);
    let all = ledger.all_versions(owner.id()).await.unwrap();
    assert_eq!(all, [won[0].as_str(), appended[0].as_str()]);
}

/// Writes all values at once; gives those that were acknowledged.
async fn race(
    ledger: &EmbeddedLedger,
    owner: &AnchorSigner,
    values: impl Iterator<Item = AnchorValue>,
    intent: Intent,
) -> Vec<AnchorValue> {
    let tasks: Vec<_> = values
        .map(|value| {
            let (ledger, entry) = (ledger.clone(), entry(owner, &value, intent));
            (
                value,
                tokio::spawn(async move { ledger.write(entry).await }),
            )
        })
        .collect();
    let mut won = Vec::new();
    for (value, task) in tasks {
        match task.await.unwrap() {
            Ok(()) => won.push(value),
            Err(LedgerError::AlreadyExists | LedgerError::Append(AppendError::OutOfSync)) => {}
            Err(other) => panic!("a loser was told {other:?}"),
        }
    }
    won
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let (here, there) = (signer(3), signer(4));
    let (one, other) = (first(&here, "one"), first(&there, "other"));
    let two = next(&here, &one, "two");
    let any = Intent::CreateOrAppend;
    // The third entry does not follow the second.
    let broken = vec![
        entry(&here, &one, any),
        entry(&there, &other, any),
        entry(&there, &other, any),
    ];
    let refused = ledger.write_all(broken).await.unwrap_err();
    assert_eq!(refused.index, 2);
    assert_eq!(ledger.total(&default_domain()).await.unwrap(), 0);

    let whole = vec![
        entry(&here, &one, any),
        entry(&there, &other, any),
        entry(&here, &two, any),
    ];
    ledger.write_all(whole).await.unwrap();
    assert_eq!(
        ledger.all_versions(here.id()).await.unwrap(),
        [one.as_str(), two.as_str()]
    );
    assert_eq!(ledger.total(&default_domain()).await.unwrap(), 2);
    drop(ledger);
    assert_eq!(check(folder.path()).unwrap().findings, []);
}

#[tokio::test]
async fn ownership_moves_with_a_transfer_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let old = signer(5);
    let new_key = PrivateKey::from_bytes(&[6; 32]).unwrap();
    let one = first(&old, "one");
    let head = create(old.id(), &one).unwrap();
    let transfer = old
        .transfer(Some(&head), &new_key.public_key(), &time(1))
        .unwrap();
    {
        let ledger = open(folder.path());
        ledger
            .write(entry(&old, &one, Intent::Create))
            .await
            .unwrap();
        ledger
            .write(entry(&old, &transfer, Intent::Append))
            .await
            .unwrap();
    }
    let ledger = open(folder.path());
    let head = keyssi::append(old.id(), &head, &transfer).unwrap();
    let by_old = old.append(&head, &hash("old"), &time(2)).unwrap();
    let refused = ledger.write(entry(&old, &by_old, Intent::Append)).await;
    assert!(matches!(
        refused,
        Err(LedgerError::Append(AppendError::OutOfSync))
    ));
    let new = AnchorSigner::new(old.id().clone(), new_key, "default", None).unwrap();
    let by_new = new.append(&head, &hash("new"), &time(2)).unwrap();
    ledger
        .write(entry(&new, &by_new, Intent::Append))
        .await
        .unwrap();
    drop(ledger);
    assert_eq!(check(folder.path()).unwrap().findings, []);
}

#[tokio::test]
async fn documents_are_overwritten_and_paths_are_only_text() {
    let folder = tempfile::tempdir().unwrap();
    {
        let ledger = open(folder.path());
        assert_eq!(ledger.document("../../etc/passwd").await.unwrap(), None);
        for body in ["first", "second"] {
            ledger
                .put_document("../../etc/passwd", body.into())
                .await
                .unwrap();
        }
        ledger.put_document("", "nameless".into()).await.unwrap();
    }
    let ledger = open(folder.path());
    let found = ledger.document("../../etc/passwd").await.unwrap();
    assert_eq!(found.as_deref(), Some(b"second".as_slice()));
    assert_eq!(
        ledger.document("").await.unwrap().as_deref(),
        Some(b"nameless".as_slice())
    );
}

/// A head that does not match its history is what a lost update or a bug would leave behind.
#[tokio::test]
async fn check_names_a_head_that_does_not_match_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let owner = signer(7);
    let one = first(&owner, "one");
    let write = || async {
        open(folder.path())
            .write(entry(&owner, &one, Intent::Create))
            .await
    };
    write().await.unwrap();
    {
        use engine::rocksdb::{ColumnFamilyDescriptor, DB, Options};
        let families = [
            "default",
            "anchors",
            "heads",
            "log",
            "openings",
            "outbox",
            "documents",
            "meta",
        ];
        let descriptors =
            families.map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
        let database =
            DB::open_cf_descriptors(&Options::default(), folder.path(), descriptors).unwrap();
        let heads = database.cf_handle("heads").unwrap();
        let key = [&1_u32.to_be_bytes(), owner.id().as_str().as_bytes()].concat();
        assert!(database.get_cf(heads, &key).unwrap().is_some());
        database.delete_cf(heads, &key).unwrap();
    }
    let report = check(folder.path()).unwrap();
    assert!(
        matches!(report.findings.as_slice(), [AnchorFinding::WrongHead { anchor, .. }] if anchor == owner.id().as_str()),
        "{:?}",
        report.findings
    );
}
