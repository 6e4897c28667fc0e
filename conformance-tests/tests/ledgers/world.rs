//! What a case has: a back end, anchors of its own, and the demands that all cases make.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use keyssi::{AnchorId, AnchorValue, AppendError, CreateError, Domain, PrivateKey};
use ledger::{BatchError, Entry, Ledger, LedgerError};

use crate::author::{Author, hash};
use crate::bench::{Bench, MAIN};

/// The back end as one case sees it.
pub(crate) struct World {
    bench: Arc<dyn Bench>,
    case: &'static str,
    /// Keys handed out so far.
    keys: AtomicU32,
    declined: AtomicBool,
    /// The anchors that it has written to, perhaps.
    anchors: Mutex<Vec<AnchorId>>,
}

/// Why an entry was refused, in a form that can be compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `LedgerError::Absent`
    Absent,
    /// `LedgerError::AlreadyExists`
    AlreadyExists,
    /// `LedgerError::Create`
    Create(CreateError),
    /// `LedgerError::Append`
    Append(AppendError),
    /// `LedgerError::Unsupported`
    Unsupported,
    /// Any other, which no case expects.
    Other(String),
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Absent => Self::Absent,
            LedgerError::AlreadyExists => Self::AlreadyExists,
            LedgerError::Create(error) => Self::Create(error),
            LedgerError::Append(error) => Self::Append(error),
            LedgerError::Unsupported { .. } => Self::Unsupported,
            other => Self::Other(format!("{other:?}")),
        }
    }
}

/// What a loser over one head is told: the anchor is there already, or its head has moved.
pub(crate) const OUT_OF_SYNC: Refusal = Refusal::Append(AppendError::OutOfSync);

impl World {
    pub(crate) fn new(bench: Arc<dyn Bench>, case: &'static str) -> Self {
        Self {
            bench,
            case,
            keys: AtomicU32::new(0),
            declined: AtomicBool::new(false),
            anchors: Mutex::default(),
        }
    }

    /// The back end.
    pub(crate) fn ledger(&self) -> Arc<dyn Ledger> {
        self.bench.ledger(&main_domain())
    }

    /// Another way to the same anchors.
    pub(crate) fn second(&self) -> Arc<dyn Ledger> {
        self.bench.second(&main_domain())
    }

    /// The back end of another domain.
    pub(crate) fn ledger_of(&self, domain: &Domain) -> Arc<dyn Ledger> {
        self.bench.ledger(domain)
    }

    /// Ends the back end and starts it again.
    pub(crate) fn restart(&self) {
        tokio::task::block_in_place(|| self.bench.restart());
    }

    /// Whether the back end has declined something.
    pub(crate) fn has_declined(&self) -> bool {
        self.declined.load(Ordering::Relaxed)
    }

    /// A private key that no other case, and nothing else in this case, has.
    pub(crate) fn key(&self) -> PrivateKey {
        let number = self.keys.fetch_add(1, Ordering::Relaxed);
        let seed = format!("{} {number}", self.case);
        PrivateKey::from_bytes(keyssi::BrickHash::of(seed.as_bytes()).as_bytes()).unwrap()
    }

    /// The owner of a new anchor.
    pub(crate) fn signed(&self) -> Author {
        self.signed_in(&main_domain())
    }

    /// The owner of a new anchor of a domain.
    pub(crate) fn signed_in(&self, domain: &Domain) -> Author {
        self.known(Author::new(self.key(), domain))
    }

    /// Notes an author whom the case has made.
    pub(crate) fn known(&self, author: Author) -> Author {
        self.anchors.lock().unwrap().push(author.id().clone());
        author
    }

    /// The anchors of the case.
    pub(crate) fn anchors(&self) -> Vec<AnchorId> {
        self.anchors.lock().unwrap().clone()
    }

    /// A new constant anchor and its value.
    pub(crate) fn constant(&self) -> (AnchorId, AnchorValue) {
        let domain = MAIN;
        let number = self.keys.fetch_add(1, Ordering::Relaxed);
        let name = hash(&format!("{} constant {number}", self.case));
        let id = AnchorId::parse_plain(&format!("ssi:cza:{domain}:{name}::v0")).unwrap();
        self.anchors.lock().unwrap().push(id.clone());
        (id, unsigned(&name))
    }

    /// Writes the next value of an anchor, with its exact intent.
    pub(crate) async fn put(&self, author: &mut Author, text: &str) -> AnchorValue {
        let value = author.next(text);
        self.put_value(author, &value).await;
        value
    }

    /// The same with a value that is there already.
    pub(crate) async fn put_value(&self, author: &mut Author, value: &AnchorValue) {
        let entry = if author.values().is_empty() {
            author.create(value)
        } else {
            author.append(value)
        };
        self.ledger().write(entry).await.unwrap();
        author.took(value);
    }

    /// A new anchor with versions named by `texts`.
    pub(crate) async fn anchored(&self, texts: &[&str]) -> Author {
        let mut author = self.signed();
        for text in texts {
            self.put(&mut author, text).await;
        }
        author
    }

    /// Writes an entry that must be refused.
    pub(crate) async fn refused(&self, entry: Entry) -> Refusal {
        match self.ledger().write(entry).await {
            Ok(()) => panic!("it was taken"),
            Err(error) => error.into(),
        }
    }

    /// Demands that the anchor holds what its owner wrote and nothing else, whichever way one looks.
    pub(crate) async fn assert_holds(&self, author: &Author) {
        self.assert_history(author.id(), author.values()).await;
    }

    /// Demands that an anchor is absent.
    pub(crate) async fn assert_absent(&self, id: &AnchorId) {
        self.assert_history(id, &[]).await;
    }

    /// Demands these values of an anchor.
    pub(crate) async fn assert_history(&self, id: &AnchorId, expected: &[String]) {
        for ledger in [self.ledger(), self.second()] {
            assert_eq!(ledger.all_versions(id).await.unwrap(), expected);
            let last = expected.last().cloned();
            let last = last.map(|last| (last, expected.len() as u64));
            assert_eq!(ledger.last_version(id).await.unwrap(), last);
        }
    }

    /// Whether a batch was written: false when the back end cannot do such a thing and said so.
    pub(crate) fn done_or_declined(&self, written: Result<(), BatchError>) -> bool {
        match written.map_err(|error| Refusal::from(error.source)) {
            Ok(()) => true,
            Err(Refusal::Unsupported) => {
                self.declined.store(true, Ordering::Relaxed);
                false
            }
            Err(other) => panic!("it was refused: {other:?}"),
        }
    }
}

/// An unsigned link to the brick map `hash`.
pub(crate) fn unsigned(hash: &str) -> AnchorValue {
    AnchorValue::parse(&format!("ssi:hl:{MAIN}:{hash}::v0")).unwrap()
}

pub(crate) fn main_domain() -> Domain {
    MAIN.parse().unwrap()
}
