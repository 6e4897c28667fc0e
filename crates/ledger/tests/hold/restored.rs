//! A store that was put back from a backup.
//!
//! *Bug that this looks for:* a log that was empty in the backup, or is not in it, and goes on from the
//! first entry although its key has signed elsewhere; a hold that ends because somebody has an old
//! checkpoint; a hold that was lifted and is not there again after the next restore. *Mechanism:*
//! stores are put on hold as a restore does it, opened again, and lifted in each way.

use ledger::{Ending, OldKey};

use super::*;

const BACKUP: &str = "from the backup of Monday";

async fn restored(folder: &Path) -> EmbeddedLedger {
    let ledger = open(folder);
    let held = ledger.hold_logs(HoldCause::Restored, BACKUP);
    held.await.unwrap();
    ledger
}

async fn is_held(ledger: &EmbeddedLedger) -> bool {
    let written = create(ledger, 9, "second").await;
    let signed = signer(ledger).await.sign().await;
    let is_refused = matches!(written, Err(LedgerError::Held { .. }));
    assert_eq!(is_refused, matches!(signed, Err(SignerError::Held { .. })));
    is_refused
}

fn other() -> Domain {
    "other".parse().unwrap()
}

#[tokio::test]
async fn a_log_that_was_empty_in_the_backup_is_on_hold_until_somebody_answers_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = restored(folder.path()).await;
    assert!(is_held(&ledger).await);
    drop(ledger);
    let ledger = open(folder.path());
    assert!(is_held(&ledger).await, "after a restart too");
    let hold = ledger.log(&domain()).hold().unwrap();
    assert_eq!(hold.cause, HoldCause::Restored);
    let words = hold.words();
    assert!(
        words.contains(BACKUP) && words.contains("--nothing-was-ever-signed"),
        "{words}"
    );
    let signer = signer(&ledger).await;
    let refused = signer.lift(&[], Regard::All).await.unwrap_err();
    assert!(matches!(refused, LiftError::NothingOutside), "{refused}");
    let lost = [outside(&forged(1, 1))];
    for refused in [
        signer.lift(&lost, Regard::All).await,
        signer.lift_from_older(&lost, Regard::All).await,
    ] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, LiftError::NotContained { .. }),
            "{refused}"
        );
    }
    assert_eq!(signer.lift_unsigned().await.unwrap(), 0);
    grow(&ledger, 1..3, "first").await;
    drop((ledger, signer));
    let ledger = open(folder.path());
    assert_eq!(ledger.log(&domain()).hold(), None);
    assert!(ledger.log(&other()).hold().is_some(), "each for itself");
    drop(ledger);
    // A hold that was lifted after one restore is there again after the next, and it has signed something now.
    let ledger = open(folder.path());
    let again = ledger.hold_logs(HoldCause::Restored, "from the backup of Tuesday");
    assert_eq!(again.await.unwrap(), [domain()]);
    drop(ledger);
    let ledger = open(folder.path());
    assert!(is_held(&ledger).await);
    let signer = self::signer(&ledger).await;
    let refused = signer.lift_unsigned().await.unwrap_err();
    assert!(
        matches!(refused, LiftError::Signed { size: 2 }),
        "{refused}"
    );
}

#[tokio::test]
async fn nobodys_word_is_taken_against_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = restored(folder.path()).await;
    let keeper = LogKeeper::new(signer(&ledger).await);
    let shown = forged(2, 1).to_string();
    keeper.begin(&witness("200 OK", &shown)).await;
    drop((ledger, keeper));
    let ledger = open(folder.path());
    let hold = ledger.log(&domain()).hold().unwrap();
    assert_eq!(hold.cause, HoldCause::Contradicted);
    let refused = signer(&ledger).await.lift_unsigned().await.unwrap_err();
    assert!(
        matches!(refused, LiftError::NotContained { .. }),
        "{refused}"
    );
}

/// The store has signed three entries: who has seen one of them does not know what was signed last.
#[tokio::test]
async fn an_old_checkpoint_lifts_nothing_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let old = grow(&ledger, 1..2, "first").await;
    let newest = grow(&ledger, 2..4, "first").await;
    drop(ledger);
    let ledger = restored(folder.path()).await;
    let keeper = LogKeeper::new(signer(&ledger).await);
    keeper.begin(&witness("200 OK", &old.to_string())).await;
    assert!(is_held(&ledger).await, "by a witness that lags behind");
    let signer = keeper.signer();
    let refused = signer.lift(&[outside(&old)], Regard::All).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(&refused, LiftError::Behind { compared, signed: 3 } if compared.size() == 1),
        "{refused}"
    );
    let both = [outside(&old), outside(&newest)];
    let lifted = signer.lift(&both, Regard::All).await.unwrap();
    assert_eq!(lifted.compared.size(), 3);
    // A log that was put on hold on its own is no different; and somebody may answer for it.
    let hold = Hold::new(HoldCause::Restored, BACKUP);
    signer.log().hold_back(hold).await.unwrap();
    let refused = signer.lift(&both[..1], Regard::All).await;
    assert!(matches!(refused, Err(LiftError::Behind { .. })));
    let lifted = signer.lift_from_older(&both[..1], Regard::All).await;
    assert_eq!(lifted.unwrap().compared.size(), 1);
    assert!(!is_held(&ledger).await);
}

#[tokio::test]
async fn the_hold_of_an_empty_log_that_is_renewed_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = restored(folder.path()).await;
    let (keys, lost) = ([key(1).verifier().clone()], [outside(&forged(4, 1))]);
    let ending = Ending {
        keys: &keys,
        key: OldKey::AtHand,
        outside: &lost,
        witnesses: &[],
        regard: Regard::All,
    };
    let log = ledger.log(&domain());
    let end = log.end(&ending).await.unwrap();
    let name = Origin::parse("log.example/second").unwrap();
    let renewed = log.renew(end, &LogKey::from_seed(&name, &[2; 32])).await;
    assert_eq!(renewed.unwrap().size, 0);
    drop((ledger, log));
    let ledger = open(folder.path());
    assert_eq!(ledger.log(&domain()).hold(), None);
    assert!(ledger.log(&other()).hold().is_some());
}
