//! What the other ledger refuses or has already, and what the log cannot hold.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyssi::AnchorValue;
use ledger::{Intent, Ledger, LedgerError, OptimisticLedger, Target};

use crate::{Far, Node, domain, entry, first, grow, next, open, owner};

/// A domain that was `embedded` before can hold what the other ledger refuses. It is not waited for:
/// no ledger could ever be left again.
#[tokio::test]
async fn what_the_other_ledger_can_never_hold_leaves_the_outbox_and_is_not_said_to_be_there() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, far) = (open(near.path()), Far::new(far.path()));
    let values = grow(&store, &owner(1), 3).await;
    grow(&store, &owner(2), 2).await;
    *far.never.lock().unwrap() = Some(values[1].clone());
    let log = store.log(&domain());
    log.carry_to("far").await.unwrap();
    let node = Node::start(&store, &far);
    node.settled(&owner(2), 1).await;
    while log.waits_for().await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let there = far.store.all_versions(owner(1).id()).await.unwrap();
    assert_eq!(there, values[..1]);
    for (version, waiting) in [(0, 0), (1, 1), (2, 2)] {
        let standing = node.ledger.standing(owner(1).id(), version).await.unwrap();
        assert_eq!(standing.waiting, waiting);
        assert_eq!(standing.last_error.is_some(), waiting > 0);
    }
}

#[tokio::test]
async fn an_entry_that_fails_holds_up_no_other() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, far) = (open(near.path()), Far::new(far.path()));
    let mut values = Vec::new();
    for number in 1..=10 {
        values.extend(grow(&store, &owner(number), 1).await);
    }
    *far.poison.lock().unwrap() = Some(values[4].clone());
    store.log(&domain()).carry_to("far").await.unwrap();
    let node = Node::start(&store, &far);
    for number in (1..=10).filter(|number| *number != 5) {
        node.settled(&owner(number), 0).await;
    }
    let standing = node.ledger.standing(owner(5).id(), 0).await.unwrap();
    assert_eq!(standing.waiting, 1);
    assert!(standing.last_error.is_some());
    *far.poison.lock().unwrap() = None;
    node.settled(&owner(5), 0).await;
}

/// While the other ledger answers, it is asked before an anchor is made: what it has cannot be made
/// anew.
#[tokio::test]
async fn an_anchor_that_the_other_ledger_has_is_not_made_anew() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, far) = (open(near.path()), Far::new(far.path()));
    let target: Arc<dyn Target> = far.clone();
    let ledger = OptimisticLedger::new(&store, &domain(), target);
    let there = grow(&far.store, &owner(1), 1).await;
    let other = first(&owner(1), "another");
    let made = ledger.write(entry(&owner(1), &other, Intent::Create)).await;
    assert!(matches!(made, Err(LedgerError::AlreadyExists)), "{made:?}");
    assert_eq!(ledger.all_versions(owner(1).id()).await.unwrap(), there);
    // Nobody can say whether it has this one.
    far.down.store(usize::MAX, Ordering::SeqCst);
    grow(&ledger, &owner(2), 1).await;
}

/// The domain of the bricks is not signed: anybody can bring a value to a contract in a form that
/// this node takes from nobody. As a leaf it would make whoever checks the log reject it.
#[tokio::test]
async fn a_history_that_the_log_cannot_hold_is_read_and_not_taken_over() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, far) = (open(near.path()), Far::new(far.path()));
    let target: Arc<dyn Target> = far.clone();
    let ledger = OptimisticLedger::new(&store, &domain(), target);
    let owner = owner(1);
    let plain = first(&owner, "first").plain().to_owned();
    let odd = plain.replacen("ssi:shl:default:", "ssi:shl:$default:", 1);
    let odd = AnchorValue::parse_stored(&odd).unwrap();
    assert!(odd.irregularity().is_some());
    *far.told.lock().unwrap() = vec![odd.as_str().to_owned()];
    for _ in 0..2 {
        let read = ledger.all_versions(owner.id()).await.unwrap();
        assert_eq!(read, [odd.as_str()]);
        let last = ledger.last_version(owner.id()).await.unwrap();
        assert_eq!(last, Some((odd.as_str().to_owned(), 1)));
    }
    let other = first(&owner, "other");
    let made = ledger.write(entry(&owner, &other, Intent::Create)).await;
    assert!(matches!(made, Err(LedgerError::AlreadyExists)), "{made:?}");
    let second = next(&owner, &odd, "second");
    let second = ledger.write(entry(&owner, &second, Intent::Append)).await;
    let is_refused = matches!(second, Err(LedgerError::Unsupported { .. }));
    assert!(is_refused, "{second:?}");
    assert_eq!(store.total(&domain()).await.unwrap(), 0);
}
