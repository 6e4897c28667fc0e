//! A log whose newest entries are lost, and the one that takes its place.
//!
//! *Bug that this looks for:* two histories under one name; a new log that hides which one it
//! continues, or says that it kept what it did not; anchors that can no longer be proven; a name that
//! two logs had. *Mechanism:* a store that was put back is renewed, and signed and opened under each
//! name.

use ledger::{End, Ending, OldKey, Publication, RenewError};
use translog::{
    KeyName, OnChain, Predecessor, VerifierKey, WitnessKey, leaf_hash, verify_inclusion,
    verify_note,
};

use super::*;

const NEW: &str = "log.example/second";

fn named(name: &str, seed: u8) -> LogKey {
    LogKey::from_seed(&Origin::parse(name).unwrap(), &[seed; 32])
}

async fn held(ledger: &EmbeddedLedger) {
    let held = ledger.hold_logs(HoldCause::Restored, "from the backup of Monday");
    held.await.unwrap();
}

fn ending<'a>(keys: &'a [VerifierKey], outside: &'a [Outside]) -> Ending<'a> {
    Ending {
        keys,
        key: OldKey::AtHand,
        outside,
        witnesses: &[],
        regard: Regard::All,
    }
}

async fn end(ledger: &EmbeddedLedger, outside: &[Outside]) -> Result<End, RenewError> {
    let keys = [key(1).verifier().clone()];
    ledger.log(&domain()).end(&ending(&keys, outside)).await
}

async fn signer_of(ledger: &EmbeddedLedger, key: LogKey) -> Result<LogSigner, SignerError> {
    let name = Origin::parse(key.verifier().name().as_str()).unwrap();
    LogSigner::open(ledger.log(&domain()), name, vec![key], None).await
}

fn root(note: &SignedNote) -> [u8; 32] {
    note.checkpoint().unwrap().root
}

#[tokio::test]
async fn a_log_that_lost_entries_goes_on_under_another_name() {
    let (folder, lost) = put_back(3, 5).await;
    let ledger = open(folder.path());
    let log = ledger.log(&domain());
    let kept = log.checkpoint().await.unwrap().unwrap();
    log.record_publication(&Publication {
        size: 2,
        note: kept.to_string(),
        chain: OnChain {
            chain_id: 1,
            contract: "0x1".to_owned(),
            block: 1,
            transaction: "0x2".to_owned(),
            sequence: 1,
        },
    })
    .await
    .unwrap();
    held(&ledger).await;
    // Nothing shows that what the store signed is not newer than the copy that was put back.
    let judged = end(&ledger, &[outside(&lost), outside(&kept)]).await;
    assert_eq!(judged.unwrap().predecessor.kept, 0);
    // A witness does.
    let name = KeyName::parse("witness.example").unwrap();
    let witness = WitnessKey::from_seed(&name, &[5; 32]);
    let seen = [&lost, &kept].map(|note| {
        let line = witness.cosign(&note.checkpoint().unwrap(), NOW_MS / 1000);
        let mut note = note.clone();
        note.add(line).unwrap();
        outside(&note)
    });
    let (keys, witnesses) = ([key(1).verifier().clone()], [witness.verifier().clone()]);
    let with_witness = Ending {
        witnesses: &witnesses,
        ..ending(&keys, &seen)
    };
    let judged = log.end(&with_witness).await.unwrap();
    let predecessor = Predecessor {
        origin: origin(),
        size: 5,
        root: root(&lost),
        kept: 3,
    };
    assert_eq!(judged.predecessor, predecessor);
    assert!(log.hold().is_some(), "judging changes nothing");
    let renewed = log.renew(judged, &named(NEW, 2)).await.unwrap();
    assert_eq!((renewed.size, &renewed.predecessor), (3, &predecessor));
    drop((log, ledger));

    let ledger = open(folder.path());
    let log = ledger.log(&domain());
    assert_eq!(log.hold(), None);
    // Its first checkpoint is that of the same entries, and says what they continue.
    let first = log.checkpoint().await.unwrap().unwrap();
    assert_eq!(Some(&first), renewed.note.as_ref());
    assert_eq!(root(&first), root(&kept));
    assert_eq!(log.last_publication().await.unwrap(), None);
    let lineage = log.lineage().await.unwrap().unwrap();
    assert_eq!(Some(lineage.note()), seen[0].note());
    assert_eq!(lineage.predecessor(), &predecessor);
    // Nobody signs under the old name any more, whatever the key.
    for seed in [1, 7] {
        let refused = signer_of(&ledger, key(seed)).await.map(drop).unwrap_err();
        assert!(
            matches!(&refused, SignerError::Ended { name, .. } if name.as_str() == NEW),
            "{refused:?}"
        );
    }
    let refused = signer_of(&ledger, named("log.example/third", 2)).await;
    assert!(matches!(refused, Err(SignerError::OriginChanged { .. })));
    let refused = signer_of(&ledger, named(NEW, 9)).await;
    assert!(matches!(refused, Err(SignerError::KeyChanged { .. })));

    let signer = signer_of(&ledger, named(NEW, 2)).await.unwrap();
    assert_eq!(signer.predecessor(), Some(&predecessor));
    assert_eq!(signer.sign().await.unwrap(), None, "it is signed already");
    create(&ledger, 9, "second").await.unwrap();
    let next = signer.sign().await.unwrap().unwrap();
    let again = signer.sign_again(3, root(&kept)).await.unwrap();
    let keys = [named(NEW, 2).verifier().clone()];
    for (note, size) in [(&first, 3), (&next, 4), (&again, 3)] {
        let checkpoint = verify_note(note, &keys).unwrap().checkpoint;
        assert_eq!(checkpoint.size, size);
        assert_eq!(
            checkpoint.predecessor().unwrap().as_ref(),
            Some(&predecessor)
        );
    }
    // What was there is proven under the new name.
    for number in 1..4 {
        let found = log.find(owner(number).id(), None).await.unwrap().unwrap();
        let proven = log.prove(found.place, 4).await.unwrap().unwrap();
        assert!(proven.opening.is_some());
        let leaf = leaf_hash(&proven.entry);
        verify_inclusion(found.place, 4, &leaf, &proven.hashes, &root(&next)).unwrap();
    }
    // An owner who has what was lost appends it again.
    create(&ledger, 4, "first").await.unwrap();
}

#[tokio::test]
async fn a_log_that_can_go_on_does_not_end() {
    let (folder, lost) = put_back(3, 5).await;
    let ledger = open(folder.path());
    let log = ledger.log(&domain());
    let kept = log.checkpoint().await.unwrap().unwrap();
    let lost = [outside(&lost)];
    let refused = end(&ledger, &lost).await.unwrap_err();
    assert!(matches!(refused, RenewError::NotHeld), "{refused:?}");
    held(&ledger).await;
    let refused = end(&ledger, &[]).await.unwrap_err();
    assert!(matches!(refused, RenewError::NothingOutside), "{refused:?}");
    let refused = end(&ledger, &[outside(&kept)]).await.unwrap_err();
    assert!(
        matches!(&refused, RenewError::Contained(it) if it.size() == 3),
        "{refused:?}"
    );
    // Without its key it cannot go on.
    let keys = [key(1).verifier().clone()];
    let of_lost = [outside(&kept)];
    let without_key = Ending {
        key: OldKey::Lost,
        ..ending(&keys, &of_lost)
    };
    let judged = log.end(&without_key).await.unwrap();
    assert_eq!((judged.predecessor.size, judged.predecessor.kept), (3, 3));
    // Of what was seen during the hold nothing is forgotten.
    let signer = signer(&ledger).await;
    signer.weigh(&lost[0]).await.unwrap();
    let judged = end(&ledger, &[outside(&kept)]).await.unwrap();
    assert_eq!((judged.predecessor.size, judged.predecessor.kept), (5, 0));
    let keys = [key(2).verifier().clone()];
    let refused = log.end(&ending(&keys, &lost)).await.unwrap_err();
    assert!(matches!(refused, RenewError::OtherLog(_)), "{refused:?}");
    let refused = log.renew(judged, &key(3)).await.unwrap_err();
    assert!(matches!(refused, RenewError::NameUsed(_)), "{refused:?}");
    assert!(log.hold().is_some() && log.lineage().await.unwrap().is_none());
    assert_eq!(log.checkpoint().await.unwrap(), Some(kept));
}

#[tokio::test]
async fn a_name_is_given_once_and_each_log_names_the_one_before() {
    let (folder, lost) = put_back(3, 5).await;
    let ledger = open(folder.path());
    held(&ledger).await;
    let log = ledger.log(&domain());
    let judged = end(&ledger, &[outside(&lost)]).await.unwrap();
    log.renew(judged, &named(NEW, 2)).await.unwrap();
    // The second one loses entries too.
    let second = Origin::parse(NEW).unwrap();
    let keys = [named(NEW, 2).verifier().clone()];
    let first = log.checkpoint().await.unwrap().unwrap();
    let line = first.checkpoint().unwrap().extensions;
    let newest = Checkpoint {
        extensions: line,
        ..Checkpoint::new(second.clone(), 4, [4; 32])
    };
    let newest = SignedNote::new(&newest, named(NEW, 2).sign(&newest));
    let newest = [Outside::signed(&newest, &second, &keys, "a friend").unwrap()];
    held(&ledger).await;
    let judged = log.end(&ending(&keys, &newest)).await.unwrap();
    for used in [ORIGIN, NEW] {
        let refused = log
            .renew(judged.clone(), &named(used, 5))
            .await
            .unwrap_err();
        assert!(matches!(refused, RenewError::NameUsed(_)), "{refused:?}");
    }
    let renewed = log.renew(judged, &named("log.example/third", 3)).await;
    let named_before = renewed.unwrap().predecessor;
    assert_eq!((named_before.origin.as_str(), named_before.kept), (NEW, 0));
    let ended = log.lineage().await.unwrap().unwrap().ended().unwrap();
    assert_eq!(ended, [origin(), second]);
    let refused = signer_of(&ledger, named(NEW, 2)).await;
    assert!(matches!(refused, Err(SignerError::Ended { .. })));
    let names = ledger.log_names().await.unwrap();
    assert!(names.iter().any(|(_, name)| *name == origin()), "{names:?}");
}

/// Everything of the store is gone but its log's key.
#[tokio::test]
async fn a_log_that_lost_all_begins_empty() {
    let (_, lost) = put_back(3, 5).await;
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let former = signer(&ledger).await;
    former.weigh(&outside(&lost)).await.unwrap();
    let judged = end(&ledger, &[outside(&lost)]).await.unwrap();
    let renewed = former.log().renew(judged, &named(NEW, 2)).await.unwrap();
    assert_eq!((renewed.size, renewed.note), (0, None));
    let refused = signer_of(&ledger, key(1)).await;
    assert!(matches!(refused, Err(SignerError::Ended { .. })));
    let signer = signer_of(&ledger, named(NEW, 2)).await.unwrap();
    assert_eq!(signer.sign().await.unwrap(), None);
    create(&ledger, 1, "first").await.unwrap();
    let first = signer.sign().await.unwrap().unwrap();
    let predecessor = first.checkpoint().unwrap().predecessor().unwrap().unwrap();
    assert_eq!((predecessor.size, predecessor.kept), (5, 0));
}
