//! One winner for each head: sixty-four writers that want the same version of an anchor.
//!
//! **Bug that this looks for:** two writers are both told that they wrote version *n*; a loser's
//! value is stored; a winner's is not; a batch is stored in parts; a loser is told something that
//! the SDK does not take for a conflict. **Mechanism:** sixty-four open connections are released by
//! a barrier with different, equally valid values for one anchor: its creation, an append to one
//! head, the creation of a constant anchor, and batches that contain the anchor between two of the
//! contender's own. All carry the same time, so that nobody is refused as too old. Exactly one must
//! be told 201, the others 409 (create) or 428 (append, batch), and the history must have exactly
//! one new entry: the winner's. After every tenth round comes one more in which the node is killed in
//! the middle and started again: at most one may have been told 201, and the history has that one's entry, or one entry of
//! somebody who was told nothing, or none.
//!
//! `KILN_ONE_WINNER_ROUNDS` sets the rounds of each kind, `KILN_SEED` repeats a run's choices.

mod contest;
mod race;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::caller::Caller;
use testkit::process::{Launch, NodeProcess};
use testkit::random::Random;
use testkit::store;

use crate::contest::{Contest, Kind};
use crate::race::{callers, race};

/// Rounds of each kind in `make test`.
const ROUNDS: u64 = 200;
/// Writers that want the same.
const CONTENDERS: usize = 64;
/// Every so many rounds the node is killed in the middle.
const KILL_EVERY: u64 = 10;
/// A kill comes within this time after the start, in microseconds: the winner of a race is told after
/// one or two milliseconds.
const KILL_WITHIN_US: u64 = 3_000;

/// What the rounds of one kind gave.
#[derive(Debug, Default)]
struct Figures {
    undisturbed: u64,
    killed_told: u64,
    killed_untold: u64,
    killed_none: u64,
}

/// A node and the connections of the contenders.
struct Arena<'a> {
    data: &'a Path,
    node: Option<NodeProcess>,
    callers: Vec<Caller>,
    reader: Caller,
    anchors: u64,
}

#[test]
fn of_simultaneous_writers_exactly_one_wins() -> Result<()> {
    let rounds: u64 = match std::env::var("KILN_ONE_WINNER_ROUNDS") {
        Ok(text) => text.parse().context("KILN_ONE_WINNER_ROUNDS")?,
        Err(_) => ROUNDS,
    };
    let mut random = Random::announced("one_winner")?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let mut arena = Arena::open(&data)?;
    for kind in Kind::ALL {
        let (started, mut figures) = (Instant::now(), Figures::default());
        for round in 1..=rounds {
            // After every tenth comes one more, in which the node is killed.
            let kill = (round % KILL_EVERY == 0).then(|| kill_delay(&mut random));
            for kill in [None, kill]
                .into_iter()
                .take(1 + usize::from(kill.is_some()))
            {
                arena
                    .round(kind, kill, &mut random, &mut figures)
                    .with_context(|| format!("{kind:?}, round {round}, kill {kill:?}"))?;
            }
        }
        eprintln!(
            "one_winner: {kind:?}: {rounds} rounds of {CONTENDERS} in {:.1} s: one winner in {}; \
             killed in the middle {}: one told {}, one not told {}, none {}",
            started.elapsed().as_secs_f64(),
            figures.undisturbed,
            figures.killed_told + figures.killed_untold + figures.killed_none,
            figures.killed_told,
            figures.killed_untold,
            figures.killed_none,
        );
        ensure!(figures.undisturbed == rounds, "a round was not played");
    }
    arena.close()
}

impl<'a> Arena<'a> {
    fn open(data: &'a Path) -> Result<Self> {
        let node = start(data)?;
        let address = node.address();
        Ok(Self {
            data,
            node: Some(node),
            callers: callers(address, CONTENDERS),
            reader: Caller::new(address),
            anchors: 0,
        })
    }

    fn round(
        &mut self,
        kind: Kind,
        kill: Option<Duration>,
        random: &mut Random,
        figures: &mut Figures,
    ) -> Result<()> {
        let contest = Contest::new(kind, CONTENDERS, &mut self.reader, random)?;
        self.anchors += contest.prepared();
        let outcome = race(
            &mut self.node,
            &mut self.callers,
            &contest.bids,
            kind.lost(),
            kill,
        )?;
        if kill.is_none() {
            self.anchors += contest.check(&outcome, &mut self.reader)?;
            figures.undisturbed += 1;
            return Ok(());
        }
        self.reopen()?;
        let (new, winner) = contest.check_killed(&outcome, &mut self.reader)?;
        self.anchors += new;
        let figure = match (outcome.told_winner()?, winner) {
            (Some(_), _) => &mut figures.killed_told,
            (None, Some(_)) => &mut figures.killed_untold,
            (None, None) => &mut figures.killed_none,
        };
        *figure += 1;
        self.check_total()
    }

    /// Starts the killed node again, on another port.
    fn reopen(&mut self) -> Result<()> {
        let node = start(self.data)?;
        self.callers = callers(node.address(), CONTENDERS);
        self.reader = Caller::new(node.address());
        self.node = Some(node);
        Ok(())
    }

    /// The node counts as many anchors as races and preparations made.
    fn check_total(&mut self) -> Result<()> {
        let target = "/anchor/default/get-total-numbers-of-anchors";
        let total = self.reader.call("GET", target, None)?.text();
        let total: u64 = if total.is_empty() { 0 } else { total.parse()? };
        ensure!(
            total == self.anchors,
            "{total} anchors, not {}",
            self.anchors
        );
        Ok(())
    }

    fn close(mut self) -> Result<()> {
        self.check_total()?;
        let node = self.node.take().context("the node is gone")?;
        ensure!(node.stop()?.success(), "the node did not end well");
        let checked = store::check(self.data)?;
        ensure!(checked.is_well(), "{}", checked.text);
        let sound = checked.count("/anchors/sound");
        ensure!(
            sound == self.anchors,
            "{sound} sound anchors, not {}",
            self.anchors
        );
        Ok(())
    }
}

/// More often early than late: what is interesting happens before the winner is told.
fn kill_delay(random: &mut Random) -> Duration {
    let within = 1 + random.below(KILL_WITHIN_US);
    Duration::from_micros(random.below(within))
}

fn start(data: &Path) -> Result<NodeProcess> {
    Ok(NodeProcess::start(&Launch::kiln_serve(data, None)?)?)
}
