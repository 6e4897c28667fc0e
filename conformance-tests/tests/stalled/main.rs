//! Clients that stall do not stop the others, and do not cost memory.
//!
//! **Bug that this looks for:** memory, connections or shares of the body budget that stalled
//! clients can hold for ever, so that one phone on a bad line, or one attacker, stops everybody.
//! **Mechanism:** five hundred clients at a time that send nine tenths of ten megabytes and stop;
//! that let their body trickle; that ask for ten megabytes and do not read them; that dribble their
//! header or say nothing. Meanwhile small bricks and anchors must be served at once, and ten
//! megabytes must get through to and from a client that comes back when it is told to (503 with
//! `Retry-After`). The node's memory (`VmHWM`) must stay below 256 MiB, and every connection must be
//! answered or closed within what the configuration promises. Memory limits are the defaults; times
//! are shortened, so that the test is short.
//!
//! **What was found by it and mended:** the memory allocator kept what bodies had used (617 MiB);
//! bodies that trickled held the memory for large ones for hours; a burst of connections was not
//! accepted.

mod clients;
mod load;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use keyssi::BrickHash;
use testkit::random::Random;
use testkit::server::Server;

use crate::clients::{Behaviour, Fate, run};
use crate::load::{LARGE_BYTES, Served, beside};

/// Clients that stall at the same time.
const STALLED: usize = 500;
/// What a stalled upload states as its length.
const DECLARED: usize = 10_000_000;
/// The most that the node may hold, in bytes (goals, row 13).
const RESIDENT_MAX: u64 = 256 << 20;
/// The configuration's times, shortened, in milliseconds.
const TIMES: &str = "[limits]
body_idle_ms_max = 8000
header_ms_max = 5000
write_stall_ms_max = 3000
";
/// Beyond every limit that a stalled connection can meet, one after the other: five seconds for a
/// share of the budget, eight in the body, three in which the rest is thrown away, three in a write;
/// and as much again for a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(45);
/// Bodies that trickle keep to the configured rate, so nobody has to end them; this is long enough
/// for a few of those that wait to be served in their place.
const TRICKLING: Duration = Duration::from_secs(40);
/// Downloads that are not read wait five seconds for their share at most and are cut off after
/// three more; only then is looked how they ended. Twice that, for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(16);

/// The tests of this file load the machine; one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs such clients against a node of their own and gives how their connections ended.
fn stalled(
    name: &str,
    behaviours: &[Behaviour],
    deadline: Duration,
) -> Result<BTreeMap<Fate, usize>> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut random = Random::announced(name)?;
    let server = Server::start(TIMES)?;
    let brick = vec![1; LARGE_BYTES];
    let stored = server.put("/bricking/default/put-brick", brick.clone())?;
    ensure!(
        stored.status == 201,
        "the brick to ask for: {}",
        stored.status
    );
    let target = match behaviours {
        [Behaviour::DoesNotRead { .. }] => {
            format!("/bricking/default/get-brick/{}", BrickHash::of(&brick))
        }
        _ => "/bricking/default/put-brick".to_owned(),
    };
    let started = Instant::now();
    let (address, pid) = (server.address(), server.process().pid());
    let (fates, beside_them) = beside(address, pid, &mut random, || {
        run(address, &target, behaviours, STALLED, deadline)
    })?;
    report(name, started.elapsed(), &fates, &beside_them);
    ensure!(beside_them.small > 0, "no small call was served");
    ensure!(beside_them.large > 0, "nothing large got through");
    let resident = beside_them.resident;
    ensure!(
        resident <= RESIDENT_MAX,
        "the node held {} MiB",
        resident >> 20
    );
    Ok(fates)
}

fn require(fates: &BTreeMap<Fate, usize>, allowed: &[Fate]) -> Result<()> {
    ensure!(fates.keys().all(|it| allowed.contains(it)), "{fates:?}");
    Ok(())
}

fn report(name: &str, took: Duration, fates: &BTreeMap<Fate, usize>, served: &Served) {
    eprintln!(
        "{name}: {fates:?} in {:.1} s; meanwhile {} rounds of small calls (slowest {} ms), {} \
         large (slowest {} ms, told to come back {} times); at most {} MiB resident",
        took.as_secs_f64(),
        served.small,
        served.small_slowest.as_millis(),
        served.large,
        served.large_slowest.as_millis(),
        served.told_to_wait,
        served.resident >> 20,
    );
}

#[test]
fn uploads_that_stop_at_nine_tenths() -> Result<()> {
    let stops = Behaviour::StallsInBody {
        declared: DECLARED,
        sent: DECLARED / 10 * 9,
    };
    let fates = stalled("uploads_that_stop", &[stops], DEADLINE)?;
    require(
        &fates,
        &[Fate::Answered(408), Fate::Answered(503), Fate::Closed],
    )
}

#[test]
fn uploads_that_trickle() -> Result<()> {
    let trickles = Behaviour::TricklesBody { declared: DECLARED };
    let fates = stalled("uploads_that_trickle", &[trickles], TRICKLING)?;
    require(
        &fates,
        &[
            Fate::Answered(408),
            Fate::Answered(503),
            Fate::Closed,
            Fate::Held,
        ],
    )
}

#[test]
fn downloads_that_are_not_read() -> Result<()> {
    let waits = Behaviour::DoesNotRead { patience: PATIENCE };
    let fates = stalled("downloads_not_read", &[waits], DEADLINE)?;
    require(&fates, &[Fate::CutOff, Fate::Answered(503), Fate::Closed])
}

#[test]
fn headers_that_dribble_and_connections_that_say_nothing() -> Result<()> {
    let behaviours = [Behaviour::DribblesHeader, Behaviour::IsSilent];
    let fates = stalled("headers_and_silence", &behaviours, DEADLINE)?;
    require(&fates, &[Fate::Answered(408), Fate::Closed])
}
