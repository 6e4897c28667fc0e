//! What is contended for, and how it must look afterwards.

use anyhow::{Context as _, Result, ensure};
use keyssi::{BrickHash, Domain};
use serde_json::json;
use testkit::caller::Caller;
use testkit::owner::{FIRST_MS, Owner, constant_id, constant_value};
use testkit::random::Random;

use crate::race::{Bid, Outcome, history};

/// Time of every contended entry: equal times are no reason to refuse, so what a loser is told is
/// that it comes too late, not that it is too old.
const NOW_MS: u64 = FIRST_MS + 1;

/// What the contenders of one round want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To create one signed anchor.
    Create,
    /// To append to one head.
    Append,
    /// To create one constant anchor.
    Constant,
    /// To write one shared anchor and two of their own in a batch, all or nothing.
    Batch,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Create, Self::Append, Self::Constant, Self::Batch];

    /// The status that losers get.
    pub(crate) fn lost(self) -> u16 {
        match self {
            Self::Create | Self::Constant => 409,
            // A batch creates or appends, whichever is needed: the loser finds a head that its
            // signature does not follow.
            Self::Append | Self::Batch => 428,
        }
    }
}

/// One round: an anchor and the bids for its next version.
#[derive(Debug)]
pub(crate) struct Contest {
    /// The anchor that all want.
    id: String,
    /// Its history before.
    before: Vec<String>,
    /// What each contender wants to be the next version.
    values: Vec<String>,
    /// In a batch: the two anchors that each contender brings along.
    own: Vec<[String; 2]>,
    /// The requests.
    pub(crate) bids: Vec<Bid>,
}

impl Contest {
    /// Prepares a round for `contenders`.
    pub(crate) fn new(
        kind: Kind,
        contenders: usize,
        caller: &mut Caller,
        random: &mut Random,
    ) -> Result<Self> {
        let domain: Domain = "default".parse()?;
        let hashes: Vec<String> = (0..contenders).map(|_| any_hash(random)).collect();
        if kind == Kind::Constant {
            return Self::constant(&domain, &hashes, random);
        }
        let mut owner = Owner::new(&domain, &random.bytes(32))?;
        // A batch may find its shared anchor absent or not.
        let exists = kind == Kind::Append || (kind == Kind::Batch && random.below(2) == 0);
        let mut before = Vec::new();
        if exists {
            let first = owner.sign(&any_hash(random), NOW_MS)?;
            owner.follow(Some(&first))?;
            let target = path("create-anchor", owner.id(), &first);
            let status = caller.call("PUT", &target, None)?.status;
            ensure!(status == 201, "the anchor to contend for: {status}");
            before.push(first);
        }
        let values = hashes.iter().map(|hash| owner.sign(hash, NOW_MS));
        let mut contest = Self {
            id: owner.id().to_owned(),
            before,
            values: values.collect::<Result<_, _>>()?,
            own: Vec::new(),
            bids: Vec::new(),
        };
        if kind == Kind::Batch {
            contest.bring_own(&domain, random)?;
        } else {
            let action = if exists {
                "append-to-anchor"
            } else {
                "create-anchor"
            };
            contest.bids = contest.single_bids(action);
        }
        Ok(contest)
    }

    fn constant(domain: &Domain, hashes: &[String], random: &mut Random) -> Result<Self> {
        let values = hashes.iter().map(|hash| constant_value(domain, hash));
        let mut contest = Self {
            id: constant_id(domain, &any_hash(random))?,
            before: Vec::new(),
            values: values.collect::<Result<_, _>>()?,
            own: Vec::new(),
            bids: Vec::new(),
        };
        contest.bids = contest.single_bids("create-anchor");
        Ok(contest)
    }

    fn single_bids(&self, action: &str) -> Vec<Bid> {
        let bid = |value: &String| Bid {
            target: path(action, &self.id, value),
            body: Vec::new(),
        };
        self.values.iter().map(bid).collect()
    }

    /// Puts each contender's value between two new anchors of its own.
    fn bring_own(&mut self, domain: &Domain, random: &mut Random) -> Result<()> {
        for value in &self.values {
            let first = Owner::new(domain, &random.bytes(32))?;
            let second = Owner::new(domain, &random.bytes(32))?;
            let batch = json!([
                { "anchorId": first.id(), "anchorValue": first.sign(&any_hash(random), NOW_MS)? },
                { "anchorId": self.id, "anchorValue": value },
                { "anchorId": second.id(), "anchorValue": second.sign(&any_hash(random), NOW_MS)? },
            ]);
            self.own
                .push([first.id().to_owned(), second.id().to_owned()]);
            self.bids.push(Bid {
                target: "/anchor/default/create-or-update-multiple-anchors".to_owned(),
                body: batch.to_string().into_bytes(),
            });
        }
        Ok(())
    }

    /// Checks the node after a race that nobody disturbed; gives the anchors that are new.
    pub(crate) fn check(&self, outcome: &Outcome, caller: &mut Caller) -> Result<u64> {
        let winner = outcome.only_winner()?;
        let new = self
            .new_entry(caller)?
            .context("the history has no new entry")?;
        ensure!(
            new == winner,
            "{winner} was told 201, the history has the value of {new}"
        );
        self.check_own(Some(winner), caller)
    }

    /// Checks the node after it was killed during the race; gives the anchors that are new and who
    /// has won. Nobody may have been told so.
    pub(crate) fn check_killed(
        &self,
        outcome: &Outcome,
        caller: &mut Caller,
    ) -> Result<(u64, Option<usize>)> {
        let new = self.new_entry(caller)?;
        if let Some(told) = outcome.told_winner()? {
            ensure!(
                new == Some(told),
                "{told} was told 201, the history has {new:?}"
            );
        }
        Ok((self.check_own(new, caller)?, new))
    }

    /// Anchors that the preparation created.
    pub(crate) fn prepared(&self) -> u64 {
        self.before.len() as u64
    }

    /// Whose value stands after those of before; everything else must be as it was.
    fn new_entry(&self, caller: &mut Caller) -> Result<Option<usize>> {
        let now = history(caller, &self.id)?;
        let new = now.strip_prefix(self.before.as_slice());
        match new.context("what was there before is not there now")? {
            [] => Ok(None),
            [new] => {
                let whose = self.values.iter().position(|it| it == new);
                Ok(Some(whose.context("a value that nobody sent")?))
            }
            more => anyhow::bail!("{} new entries", more.len()),
        }
    }

    /// The winner's own anchors are there, those of nobody else; gives how many anchors are new.
    fn check_own(&self, winner: Option<usize>, caller: &mut Caller) -> Result<u64> {
        let mut new = u64::from(self.before.is_empty() && winner.is_some());
        for (place, own) in self.own.iter().enumerate() {
            for id in own {
                let versions = history(caller, id)?.len();
                let expected = usize::from(winner == Some(place));
                ensure!(
                    versions == expected,
                    "a batch in parts: winner {winner:?}, an anchor of {place} has {versions} versions"
                );
                new += versions as u64;
            }
        }
        Ok(new)
    }
}

fn any_hash(random: &mut Random) -> String {
    BrickHash::of(&random.bytes(16)).to_string()
}

fn path(action: &str, id: &str, value: &str) -> String {
    format!("/anchor/default/{action}/{id}/{value}")
}
