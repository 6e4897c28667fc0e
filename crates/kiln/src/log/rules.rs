//! The rules of anchors over the openings of a log, entry by entry, with one head for each anchor.
//!
//! An opening may be erased, since people have a right to that. What it held is then unknown, and
//! with it the further history of its anchor: that is not judged, but counted. Which anchor that is
//! nobody tells, so an entry that does not fit is excused if its anchor may have lost one to an
//! erasure; but an erased opening belongs to one anchor, and excuses one.
//!
//! **Source:** `translog.md` §2 and §9; keyssi specification §6.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;

use causes::with_causes;
use keyssi::{AnchorId, AnchorKind, AnchorValue, AnchorValueKind, Head};
use sha2::{Digest, Sha256};
use translog::{Entry, Op, Opening};

/// What is known of every anchor so far.
#[derive(Default)]
pub(super) struct Rules {
    /// By the SHA-256 of the plain id, which is shorter than the id.
    anchors: HashMap<[u8; 32], Anchor>,
    /// Entries with erased openings that may have been the first of an anchor and have excused
    /// none yet.
    erased_first: BTreeSet<u64>,
    /// The same for those that may have been later ones. An entry can be in both.
    erased_later: BTreeSet<u64>,
    /// What was counted.
    pub(super) counts: Counts,
}

/// How much of a log was judged.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// Entries whose openings were there and opened them.
    pub(super) opened: u64,
    /// Entries whose openings were erased.
    pub(super) erased: u64,
    /// Entries that were opened and cannot be judged, because an earlier opening of their anchor
    /// was erased.
    pub(super) unjudged: u64,
}

enum Anchor {
    /// Replayed up to the entry `index`.
    At { head: Box<Head>, index: u64 },
    /// Something of its history was erased.
    Ended,
}

/// Which rule an entry breaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The opening is not the entry's.
    Opening(String),
    /// What was committed to may not stand there.
    Rule(String),
}

impl Rules {
    /// How many anchors there are.
    pub(super) fn anchors(&self) -> usize {
        self.anchors.len()
    }

    /// Judges the entry number `index` with its opening, `None` if that was erased.
    ///
    /// # Errors
    /// [`Broken`], the first rule that it breaks.
    pub(super) fn judge(
        &mut self,
        index: u64,
        entry: &Entry,
        opening: Option<&Opening>,
    ) -> Result<(), Broken> {
        let Some(opening) = opening else {
            self.counts.erased += 1;
            self.note_erased(index, entry.op);
            return Ok(());
        };
        if !opening.opens(entry) {
            let text = "its opening does not open it: the commitments are to something else";
            return Err(Broken::Opening(text.to_owned()));
        }
        self.counts.opened += 1;
        let id = AnchorId::parse_plain(&opening.anchor_id)
            .map_err(|error| broken("the anchor id is malformed", &error))?;
        let key = Sha256::digest(&opening.anchor_id).into();
        if entry.op == Op::Erased {
            // It commits to the anchor of which something was erased, and to no value. What was
            // erased stands before it, and explains nothing else any more.
            if !self.take(&Excuse::Any) {
                return Err(rule("it says that something was erased, and nothing was"));
            }
            self.anchors.insert(key, Anchor::Ended);
            return Ok(());
        }
        let value = AnchorValue::parse(&opening.anchor_value)
            .map_err(|error| broken("the anchor value is malformed", &error))?;
        if value.plain() != opening.anchor_value {
            return Err(rule("the anchor value is not written in plain"));
        }
        let next = self.next(index, entry.op, key, &id, &value)?;
        if matches!(next, Anchor::Ended) {
            self.counts.unjudged += 1;
        }
        self.anchors.insert(key, next);
        Ok(())
    }

    /// What the anchor is after this value.
    fn next(
        &mut self,
        index: u64,
        op: Op,
        key: [u8; 32],
        id: &AnchorId,
        value: &AnchorValue,
    ) -> Result<Anchor, Broken> {
        check_op(op, id, value)?;
        let makes = matches!(op, Op::Create | Op::CreateConstant);
        let (head, excuse) = match self.anchors.get(&key) {
            Some(_) if makes => return Err(rule("it creates an anchor that exists already")),
            Some(Anchor::Ended) => return Ok(Anchor::Ended),
            Some(Anchor::At { head, index }) => {
                let next = keyssi::append(id, head, value);
                let next = next.map_err(|error| broken("it may not follow", &error));
                let constant = id.kind() == AnchorKind::Constant;
                (next, (!constant).then_some(Excuse::LaterAfter(*index)))
            }
            None if makes || op == Op::Migrate => {
                let first = keyssi::create(id, value);
                let first = first.map_err(|error| broken("it may not be the first", &error));
                (first, (!makes).then_some(Excuse::First))
            }
            None => {
                let unknown = "it appends to an anchor that does not exist";
                (Err(rule(unknown)), Some(Excuse::First))
            }
        };
        match head {
            Ok(head) => Ok(Anchor::At {
                head: Box::new(head),
                index,
            }),
            Err(_) if excuse.is_some_and(|it| self.take(&it)) => Ok(Anchor::Ended),
            Err(broken) => Err(broken),
        }
    }

    /// Uses up an erased opening, if one fits.
    fn take(&mut self, excuse: &Excuse) -> bool {
        let found = match excuse {
            Excuse::First => self.erased_first.first().copied(),
            Excuse::Any => {
                let first = self.erased_first.first().or(self.erased_later.first());
                first.copied()
            }
            // The earliest that fits: a later one may fit more anchors.
            Excuse::LaterAfter(index) => {
                let after = self.erased_later.range(index + 1..);
                after.copied().next()
            }
        };
        if let Some(found) = found {
            self.erased_first.remove(&found);
            self.erased_later.remove(&found);
        }
        found.is_some()
    }

    fn note_erased(&mut self, index: u64, op: Op) {
        if matches!(op, Op::Create | Op::CreateConstant | Op::Migrate) {
            self.erased_first.insert(index);
        }
        if matches!(op, Op::Append | Op::Transfer | Op::Migrate) {
            self.erased_later.insert(index);
        }
    }
}

/// Which erased entry would explain that a value does not fit.
enum Excuse {
    /// The first one of the anchor.
    First,
    /// One after this one.
    LaterAfter(u64),
    /// Any one.
    Any,
}

/// The operation has to be what the value is.
fn check_op(op: Op, id: &AnchorId, value: &AnchorValue) -> Result<(), Broken> {
    let is_right = match op {
        Op::CreateConstant => id.kind() == AnchorKind::Constant,
        Op::Create => id.kind() == AnchorKind::Signed,
        Op::Transfer => value.kind() == AnchorValueKind::Transfer,
        Op::Append => value.kind() != AnchorValueKind::Transfer,
        Op::Migrate | Op::Erased => true,
    };
    if is_right {
        return Ok(());
    }
    Err(rule(match op {
        Op::CreateConstant => {
            "the operation is that of a constant anchor, and the anchor is signed"
        }
        Op::Create => "the operation is that of a signed anchor, and the anchor is constant",
        Op::Transfer => "the operation is a transfer, and the value is none",
        _ => "the operation is an append, and the value is a transfer",
    }))
}

fn rule(text: &str) -> Broken {
    Broken::Rule(text.to_owned())
}

fn broken(what: &str, error: &dyn Error) -> Broken {
    Broken::Rule(format!("{what}: {}", with_causes(error)))
}
