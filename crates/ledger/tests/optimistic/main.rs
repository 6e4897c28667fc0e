//! The outbox, between two real stores: one answers, the other stands for the slow ledger.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod refused;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keyssi::{
    AnchorId, AnchorSigner, AnchorValue, BrickHash, Domain, Head, KeySsi, PrivateKey, Timestamp,
};
use ledger::{
    BatchError, EmbeddedLedger, EngineOptions, Entry, Hold, HoldCause, Intent, Ledger, LedgerError,
    Mode, OptimisticLedger, Placed, Standing, Target,
};

const NOW_MS: u64 = 1_700_000_000_000;

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

fn first(owner: &AnchorSigner, text: &str) -> AnchorValue {
    let hash = BrickHash::of(text.as_bytes()).to_string();
    owner
        .create(&hash, &Timestamp::from_millis(NOW_MS))
        .unwrap()
}

fn next(owner: &AnchorSigner, last: &AnchorValue, text: &str) -> AnchorValue {
    let head = Head::restore(last.as_str(), None).unwrap();
    let hash = BrickHash::of(text.as_bytes()).to_string();
    owner
        .append(&head, &hash, &Timestamp::from_millis(NOW_MS + 1))
        .unwrap()
}

fn entry(owner: &AnchorSigner, value: &AnchorValue, intent: Intent) -> Entry {
    Entry {
        id: owner.id().clone(),
        value: value.clone(),
        intent,
    }
}

/// The slow ledger: a real store whose next answers can be lost, before or after it has written.
struct Far {
    store: EmbeddedLedger,
    /// Calls that are not answered, and do nothing.
    down: AtomicUsize,
    /// Reads of histories whose answer makes no sense.
    broken: AtomicUsize,
    /// Writes that are carried out and not answered.
    deaf: AtomicUsize,
    /// Writes carried out.
    written: AtomicUsize,
    /// The value that it says it can never hold.
    never: Mutex<Option<String>>,
    /// The value with which a write fails, whatever else is in it.
    poison: Mutex<Option<String>>,
    /// What it tells of every anchor, unless that is nothing.
    told: Mutex<Vec<String>>,
}

impl Far {
    fn new(folder: &Path) -> Arc<Self> {
        Arc::new(Self {
            store: open(folder),
            down: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            deaf: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            never: Mutex::default(),
            poison: Mutex::default(),
            told: Mutex::default(),
        })
    }

    fn answers(&self) -> Result<(), LedgerError> {
        let take = |left: usize| left.checked_sub(1);
        match self
            .down
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
        {
            Ok(_) => Err(LedgerError::Unavailable(Some("it is down".into()))),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Ledger for Far {
    async fn write_all(&self, entries: Vec<Entry>) -> Result<(), BatchError> {
        self.store.write_all(entries).await
    }

    async fn last_version(&self, id: &AnchorId) -> Result<Option<(String, u64)>, LedgerError> {
        self.answers()?;
        self.store.last_version(id).await
    }

    async fn all_versions(&self, id: &AnchorId) -> Result<Vec<String>, LedgerError> {
        self.answers()?;
        let take = |left: usize| left.checked_sub(1);
        let broken = &self.broken;
        if broken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok()
        {
            return Err(LedgerError::Broken("no history of this anchor".into()));
        }
        let told = self.told.lock().unwrap().clone();
        if !told.is_empty() {
            return Ok(told);
        }
        self.store.all_versions(id).await
    }

    async fn total(&self, domain: &Domain) -> Result<u64, LedgerError> {
        self.store.total(domain).await
    }

    fn readiness(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

#[async_trait]
impl Target for Far {
    async fn carry(&self, entries: Vec<Entry>) -> Result<Vec<Option<Placed>>, BatchError> {
        let whole = |source| BatchError { index: 0, source };
        self.answers().map_err(whole)?;
        let poison = self.poison.lock().unwrap().clone();
        let is_poison = |it: &Entry| poison.as_deref() == Some(it.value.as_str());
        if entries.iter().any(is_poison) {
            return Err(whole(LedgerError::Unavailable(Some("it fails".into()))));
        }
        let count = entries.len();
        self.store.write_all(entries).await?;
        self.written.fetch_add(count, Ordering::SeqCst);
        let take = |left: usize| left.checked_sub(1);
        if self
            .deaf
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok()
        {
            return Err(whole(LedgerError::Unavailable(Some(
                "the answer was lost".into(),
            ))));
        }
        let placed = Placed {
            chain_id: 1,
            contract: "0x00".to_owned(),
            block: 7,
            transaction: "0x01".to_owned(),
        };
        Ok(vec![Some(placed); count])
    }

    fn never_holds(&self, entry: &Entry) -> Option<String> {
        let never = self.never.lock().unwrap();
        let is_never = never.as_deref() == Some(entry.value.as_str());
        is_never.then(|| "it holds no such value".to_owned())
    }
}

struct Node {
    ledger: OptimisticLedger,
    carrying: tokio::task::JoinHandle<()>,
}

impl Node {
    fn start(store: &EmbeddedLedger, far: &Arc<Far>) -> Self {
        let target: Arc<dyn Target> = far.clone();
        let ledger = OptimisticLedger::new(store, &domain(), target);
        let carrying = tokio::spawn(ledger.clone().carry_on());
        Self { ledger, carrying }
    }

    /// Waits until the newest version of an anchor is no longer on its way.
    async fn settled(&self, owner: &AnchorSigner, version: u64) -> Standing {
        for _ in 0..2_000 {
            let standing = self.ledger.standing(owner.id(), version).await.unwrap();
            if standing.waiting == 0 {
                return standing;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("version {version} was not carried");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

/// Writes a history of `count` versions; gives its values.
async fn grow(ledger: &dyn Ledger, owner: &AnchorSigner, count: usize) -> Vec<String> {
    let mut last = first(owner, "0");
    ledger
        .write(entry(owner, &last, Intent::Create))
        .await
        .unwrap();
    let mut values = vec![last.as_str().to_owned()];
    for number in 1..count {
        last = next(owner, &last, &number.to_string());
        ledger
            .write(entry(owner, &last, Intent::Append))
            .await
            .unwrap();
        values.push(last.as_str().to_owned());
    }
    values
}

#[tokio::test]
async fn entries_are_carried_in_order_over_an_outage_and_lost_answers_each_once() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let far = Far::new(far.path());
    far.down.store(3, Ordering::SeqCst);
    far.deaf.store(3, Ordering::SeqCst);
    let node = Node::start(&open(near.path()), &far);
    let mut expected = Vec::new();
    for number in 1..=12 {
        expected.push(grow(&node.ledger, &owner(number), 3).await);
    }
    for (number, values) in (1..=12).zip(&expected) {
        let standing = node.settled(&owner(number), 2).await;
        assert_eq!(standing.conflict, None);
        assert_eq!(
            far.store.all_versions(owner(number).id()).await.unwrap(),
            *values
        );
    }
    assert_eq!(
        far.written.load(Ordering::SeqCst),
        36,
        "none was written twice"
    );
    // Which entries lost their answers is a matter of timing. This one does not: its place is known.
    let last = owner(13);
    grow(&node.ledger, &last, 1).await;
    let standing = node.settled(&last, 0).await;
    assert!(standing.placed.is_some_and(|placed| placed.block == 7));
}

#[tokio::test]
async fn what_waits_survives_a_restart() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let far = Far::new(far.path());
    let store = open(near.path());
    let target: Arc<dyn Target> = far.clone();
    // Nobody carries.
    let ledger = OptimisticLedger::new(&store, &domain(), target);
    let values = grow(&ledger, &owner(1), 3).await;
    let standing = ledger.standing(owner(1).id(), 2).await.unwrap();
    assert_eq!(standing.waiting, 3);
    drop((ledger, store));
    let node = Node::start(&open(near.path()), &far);
    node.settled(&owner(1), 2).await;
    assert_eq!(far.store.all_versions(owner(1).id()).await.unwrap(), values);
}

#[tokio::test]
async fn two_nodes_share_a_ledger_and_read_and_go_on_from_each_other() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let far = Far::new(folders[2].path());
    let one = Node::start(&open(folders[0].path()), &far);
    let two = Node::start(&open(folders[1].path()), &far);
    let owner = owner(1);
    let mut values = grow(&one.ledger, &owner, 2).await;
    one.settled(&owner, 1).await;
    // Not known there yet: read from the shared ledger, checked, kept.
    assert_eq!(two.ledger.all_versions(owner.id()).await.unwrap(), values);
    let last = AnchorValue::parse_stored(&values[1]).unwrap();
    let third = next(&owner, &last, "third");
    two.ledger
        .write(entry(&owner, &third, Intent::Append))
        .await
        .unwrap();
    values.push(third.as_str().to_owned());
    two.settled(&owner, 2).await;
    // The first node has not heard of the third version, and takes the fourth.
    let fourth = next(&owner, &third, "fourth");
    one.ledger
        .write(entry(&owner, &fourth, Intent::Append))
        .await
        .unwrap();
    values.push(fourth.as_str().to_owned());
    one.settled(&owner, 3).await;
    assert_eq!(far.store.all_versions(owner.id()).await.unwrap(), values);
    // An anchor that nobody has, and one while nothing answers.
    let nobody = self::owner(9);
    assert_eq!(two.ledger.last_version(nobody.id()).await.unwrap(), None);
    far.down.store(1, Ordering::SeqCst);
    assert!(!two.ledger.is_cut_off());
    assert_eq!(two.ledger.last_version(nobody.id()).await.unwrap(), None);
    assert!(two.ledger.is_cut_off());
    assert!(two.ledger.last_version(owner.id()).await.unwrap().is_some());
}

/// What an optimistic domain is for: records are made and used while the other ledger is down.
#[tokio::test]
async fn anchors_are_made_and_used_while_the_other_ledger_is_down() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, far) = (open(near.path()), Far::new(far.path()));
    let known_there = grow(&far.store, &owner(5), 2).await;
    far.down.store(usize::MAX, Ordering::SeqCst);
    let node = Node::start(&store, &far);
    let owner = owner(1);
    assert_eq!(node.ledger.last_version(owner.id()).await.unwrap(), None);
    assert!(
        node.ledger
            .all_versions(owner.id())
            .await
            .unwrap()
            .is_empty()
    );
    let values = grow(&node.ledger, &owner, 3).await;
    assert_eq!(node.ledger.all_versions(owner.id()).await.unwrap(), values);
    assert!(node.ledger.is_cut_off());
    // It is back: what was made is carried, and what only it has is found.
    far.down.store(0, Ordering::SeqCst);
    node.settled(&owner, 2).await;
    assert_eq!(far.store.all_versions(owner.id()).await.unwrap(), values);
    let there = self::owner(5);
    let found = loop {
        let found = node.ledger.all_versions(there.id()).await.unwrap();
        if !found.is_empty() {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(found, known_there);
    assert!(!node.ledger.is_cut_off());
}

#[tokio::test]
async fn a_conflict_is_kept_with_both_histories_and_the_anchor_takes_no_more() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let far = Far::new(folders[2].path());
    let store = open(folders[0].path());
    let owner = owner(1);
    let begun = grow(&far.store, &owner, 1).await;
    let base = AnchorValue::parse_stored(&begun[0]).unwrap();
    let here = {
        let target: Arc<dyn Target> = far.clone();
        let ledger = OptimisticLedger::new(&store, &domain(), target);
        assert_eq!(ledger.all_versions(owner.id()).await.unwrap(), begun);
        let here = next(&owner, &base, "here");
        ledger
            .write(entry(&owner, &here, Intent::Append))
            .await
            .unwrap();
        here
    };
    let there = next(&owner, &base, "there");
    far.store
        .write(entry(&owner, &there, Intent::Append))
        .await
        .unwrap();
    let node = Node::start(&store, &far);
    let standing = node.settled(&owner, 1).await;
    let conflict = standing.conflict.unwrap();
    assert_eq!(conflict.here, [&begun[0], here.as_str()]);
    assert_eq!(conflict.there, [&begun[0], there.as_str()]);
    // What was acknowledged is still what is read here.
    let read = node.ledger.all_versions(owner.id()).await.unwrap();
    assert_eq!(read, conflict.here);
    let more = next(&owner, &here, "more");
    let refused = node
        .ledger
        .write(entry(&owner, &more, Intent::Append))
        .await;
    assert!(matches!(refused, Err(LedgerError::Conflict)));
    // Others are not held up.
    let other = self::owner(2);
    grow(&node.ledger, &other, 2).await;
    node.settled(&other, 1).await;
    assert_eq!(far.store.all_versions(other.id()).await.unwrap().len(), 2);
}

/// Says that every anchor has one value, by somebody else.
struct Liar(Arc<Far>);
#[async_trait]
impl Ledger for Liar {
    async fn write_all(&self, _: Vec<Entry>) -> Result<(), BatchError> {
        Ok(())
    }
    async fn last_version(&self, _: &AnchorId) -> Result<Option<(String, u64)>, LedgerError> {
        Ok(None)
    }
    async fn all_versions(&self, _: &AnchorId) -> Result<Vec<String>, LedgerError> {
        Ok(vec![first(&owner(66), "forged").as_str().to_owned()])
    }
    async fn total(&self, domain: &Domain) -> Result<u64, LedgerError> {
        self.0.total(domain).await
    }
    fn readiness(&self) -> Result<(), &'static str> {
        Ok(())
    }
}
#[async_trait]
impl Target for Liar {
    async fn carry(&self, entries: Vec<Entry>) -> Result<Vec<Option<Placed>>, BatchError> {
        Ok(vec![None; entries.len()])
    }
}

#[tokio::test]
async fn what_was_there_before_the_outbox_is_carried_too_and_in_order() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let (old, new) = (Far::new(folders[1].path()), Far::new(folders[2].path()));
    let store = open(folders[0].path());
    let log = store.log(&domain());
    // Before there was an outbox.
    let mut values = grow(&store, &owner(1), 2).await;
    assert_eq!(log.waits_for().await.unwrap(), None);
    log.carry_to("the old ledger").await.unwrap();
    let waits = log.waits_for().await.unwrap();
    assert_eq!(waits.as_deref(), Some("the old ledger"));
    {
        let node = Node::start(&store, &old);
        let last = AnchorValue::parse_stored(&values[1]).unwrap();
        let third = next(&owner(1), &last, "third");
        node.ledger
            .write(entry(&owner(1), &third, Intent::Append))
            .await
            .unwrap();
        values.push(third.as_str().to_owned());
        node.settled(&owner(1), 2).await;
        assert_eq!(old.store.all_versions(owner(1).id()).await.unwrap(), values);
    }
    assert_eq!(log.waits_for().await.unwrap(), None);
    // The same name queues nothing, another one all.
    log.carry_to("the old ledger").await.unwrap();
    assert_eq!(log.waits_for().await.unwrap(), None);
    log.carry_to("the new ledger").await.unwrap();
    let node = Node::start(&store, &new);
    node.settled(&owner(1), 2).await;
    assert_eq!(new.store.all_versions(owner(1).id()).await.unwrap(), values);
}

#[tokio::test]
async fn nonsense_from_the_other_ledger_is_no_conflict() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(near.path());
    grow(&store, &owner(1), 2).await;
    store.log(&domain()).carry_to("a liar").await.unwrap();
    let target = Arc::new(Liar(Far::new(far.path())));
    let ledger = OptimisticLedger::new(&store, &domain(), target);
    let carrying = tokio::spawn(ledger.clone().carry_on());
    assert_eq!(ledger.all_versions(owner(1).id()).await.unwrap().len(), 2);
    let standing = loop {
        let standing = ledger.standing(owner(1).id(), 1).await.unwrap();
        if standing.attempts > 0 {
            break standing;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    carrying.abort();
    assert_eq!((standing.conflict, standing.waiting), (None, 2));
}

#[tokio::test]
async fn a_forged_history_is_not_taken_over() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = Arc::new(Liar(Far::new(far.path())));
    let store = open(near.path());
    let ledger = OptimisticLedger::new(&store, &domain(), target);
    let refused = ledger.all_versions(owner(1).id()).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Broken(_)), "{refused}");
    assert_eq!(store.total(&domain()).await.unwrap(), 0);
}

/// An adapter that answers nonsense, a contract that holds a history with a value twice: it is asked,
/// it answers, and what it says is not that there is no such anchor.
#[tokio::test]
async fn an_answer_that_makes_no_sense_is_never_passed_on_as_absent() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, far) = (open(near.path()), Far::new(far.path()));
    let known = grow(&store, &owner(1), 2).await;
    let target: Arc<dyn Target> = far.clone();
    let ledger = OptimisticLedger::new(&store, &domain(), target);
    far.broken.store(4, Ordering::SeqCst);
    let unknown = owner(9);
    let all = ledger.all_versions(unknown.id()).await;
    assert!(matches!(all, Err(LedgerError::Broken(_))), "{all:?}");
    let last = ledger.last_version(unknown.id()).await;
    assert!(matches!(last, Err(LedgerError::Broken(_))), "{last:?}");
    let begun = first(&unknown, "first");
    let second = next(&unknown, &begun, "second");
    let append = ledger.write(entry(&unknown, &second, Intent::Append)).await;
    assert!(matches!(append, Err(LedgerError::Broken(_))), "{append:?}");
    // What is known here is the answer.
    assert_eq!(ledger.all_versions(owner(1).id()).await.unwrap(), known);
    assert!(!ledger.is_cut_off(), "it answers");
    assert_eq!(far.broken.load(Ordering::SeqCst), 0);
    assert_eq!(ledger.last_version(unknown.id()).await.unwrap(), None);
}

/// Nothing is taken over into a log on hold, and reading goes on: also of what only the other ledger
/// has.
#[tokio::test]
async fn while_the_log_is_on_hold_the_other_ledger_is_read_and_nothing_is_kept() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, far) = (open(near.path()), Far::new(far.path()));
    let target: Arc<dyn Target> = far.clone();
    let ledger = OptimisticLedger::new(&store, &domain(), target);
    let mut there = grow(&far.store, &owner(1), 1).await;
    assert_eq!(ledger.all_versions(owner(1).id()).await.unwrap(), there);
    let only_there = grow(&far.store, &owner(2), 2).await;
    let hold = Hold::new(HoldCause::Restored, "from a backup");
    store.log(&domain()).hold_back(hold).await.unwrap();
    let last = AnchorValue::parse_stored(&there[0]).unwrap();
    let second = next(&owner(1), &last, "second");
    let written = far.store.write(entry(&owner(1), &second, Intent::Append));
    written.await.unwrap();
    there.push(second.as_str().to_owned());
    for (number, expected) in [(1, there), (2, only_there)] {
        let id = owner(number).id().clone();
        assert_eq!(ledger.all_versions(&id).await.unwrap(), expected);
        let last = expected.last().map(|last| (last.clone(), 2));
        assert_eq!(ledger.last_version(&id).await.unwrap(), last);
        let newest = AnchorValue::parse_stored(&expected[1]).unwrap();
        let third = next(&owner(number), &newest, "third");
        let refused = ledger
            .write(entry(&owner(number), &third, Intent::Append))
            .await;
        assert!(
            matches!(refused, Err(LedgerError::Held { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(store.total(&domain()).await.unwrap(), 1);
    assert!(!ledger.is_cut_off());
}
