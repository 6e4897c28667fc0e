//! Full disks and damaged ones.
//!
//! **Full.** *Bug that this looks for:* a write that is acknowledged and not there; a store that stops
//! reading, or needs a restart, because the disk was full for a while. *Mechanism:* a small tmpfs is
//! filled with bricks, then to its last byte; every kind of write must be refused with 507 and a
//! message while everything stays readable; when something is deleted, writes must be granted again
//! without a restart; three times over. Once with a floor under the free space, which refuses before
//! RocksDB meets the end, and once without, so that RocksDB meets it in the middle of a flush. A node
//! that is killed on the full volume must serve there (or say why not, when not a byte is left), and
//! have everything once there is space.
//!
//! **Damaged.** *Bug that this looks for:* a wrong byte that is served; something acknowledged that is
//! gone without a word; damage that `kiln store check` does not see; a crash or an endless loop in
//! reading what is damaged. *Mechanism:* copies of a filled folder (as a kill leaves it, so that its
//! logs are full of acknowledged writes) get one flipped bit, one page of zeros, or an end that is
//! missing, in a log, table, blob file or manifest of either store. The check looks first, then a
//! node is started and everything is read.
//!
//! **What cannot be had** (RocksDB 11.8; each case is counted and printed): a log that was cut off
//! looks like one that a crash tore, so its last writes are gone without a word; they are always the
//! last ones. A manifest that was cut off after its first record can leave out the newest files; the
//! check reports it when bricks or anchors are concerned, and cannot when it is only documents,
//! which nobody counts.
//!
//! **What was found by it and mended:** a full disk that closed the store for reads; a flipped bit in
//! the type of a record that kept a node busy for ever; one in the length of a record that dropped
//! it and all after it.
//!
//! `KILN_FLIPS` sets the number of damages, `KILN_SEED` repeats a run's choices.

mod damage;
mod flipped;
mod full;
mod stored;
mod volume;

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use testkit::random::Random;

use crate::flipped::damage_copies;
use crate::full::{Fullness, fill_and_free, restart_when_full};

/// Damages of `make test`.
const FLIPS: u64 = 60;
/// The floor of the default configuration, in bytes: RocksDB never gets below it while it serves, and
/// has room to replay its logs when it starts.
const HIGH_FLOOR: u64 = 64 << 20;
/// How often the volume is filled and freed.
const FILLS: usize = 3;

fn full_disk(name: &str, floor: u64) -> Result<()> {
    let (started, random) = (Instant::now(), Random::announced(name)?);
    if let Some(figures) = fill_and_free(floor, FILLS, random)? {
        let (took, fills) = (started.elapsed().as_secs_f64(), figures.fills);
        let [bricks, anchors, documents] = figures.acknowledged;
        let refused = figures.refused;
        eprintln!(
            "{name}: full {fills} times in {took:.1} s; refused {refused}; acknowledged {bricks} \
             bricks, {anchors} anchors, {documents} documents; lost 0"
        );
    }
    Ok(())
}

#[test]
fn a_disk_that_fills_up_to_the_floor_is_refused_and_left_again() -> Result<()> {
    full_disk("disk_floor", HIGH_FLOOR)
}

#[test]
fn a_disk_that_fills_up_under_rocksdb_is_refused_and_left_again() -> Result<()> {
    full_disk("disk_no_floor", 0)
}

#[test]
fn a_node_that_starts_on_a_full_disk_loses_nothing() -> Result<()> {
    let cases = [
        ("disk_start_at_floor", HIGH_FLOOR, Fullness::ToTheFloor),
        (
            "disk_start_below_floor",
            HIGH_FLOOR,
            Fullness::ToTheLastByte,
        ),
        ("disk_start_no_floor", 0, Fullness::ToTheLastByte),
    ];
    for (name, floor, fullness) in cases {
        if let Some(how) = restart_when_full(floor, fullness, Random::announced(name)?)? {
            eprintln!("{name}: on the full volume {how}; with space everything is there");
        }
    }
    Ok(())
}

#[test]
fn damage_is_refused_or_reported_and_never_served() -> Result<()> {
    let damages = match std::env::var("KILN_FLIPS") {
        Ok(text) => text.parse().context("KILN_FLIPS")?,
        Err(_) => FLIPS,
    };
    let started = Instant::now();
    let outcomes = damage_copies(damages, &mut Random::announced("disk_damage")?)?;
    let took = started.elapsed().as_secs_f64();
    eprintln!("disk_damage: {damages} damages in {took:.1} s");
    let mut not_right = Vec::new();
    for ((kind, deed, outcome), told) in &outcomes {
        eprintln!("disk_damage: {kind:?} {deed:?}: {outcome:?} {}", told.len());
        if !outcome.is_right(*kind, *deed) {
            not_right.extend(told.iter().map(|told| format!("{outcome:?}: {told}")));
        }
    }
    ensure!(not_right.is_empty(), "{}", not_right.join("\n"));
    ensure!(!outcomes.is_empty(), "nothing was damaged");
    Ok(())
}
