//! Appends per second of the embedded ledger, with its log and without it, and what bounds them:
//! the syncs of the disk and the rules (above all signatures).

use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use ledger::{EmbeddedLedger, EngineOptions, Entry, Ledger as _, Mode};

use crate::anchors::{NOW_MS, history, make};
use crate::reference;
use crate::table::{Table, count, figure, number, percentile, times};
use crate::{machine, progress, say};

/// Writers, and anchors that each of them writes one after the other.
const LOADS: [(u64, u64); 3] = [(1, 60), (16, 25), (256, 4)];
/// Versions of each anchor.
const VERSIONS: u64 = 10;
/// Every round takes each figure once, in turns, so that what else the machine does hits all alike.
/// An even number: who comes first changes from round to round.
const ROUNDS: usize = 6;
/// Syncs before each load of each round.
const SYNCS: u32 = 100;
/// Bytes written before each sync: about what an entry takes in RocksDB's log.
const SYNC_BYTES: usize = 1_024;

/// The figures of one load, one for each round.
#[derive(Default)]
struct Taken {
    with: Vec<Run>,
    without: Vec<Run>,
}

/// Entries a second, and for each of them: microseconds that cores worked, and that threads were
/// ready and had no core. The last figure is what others on the machine do to the first.
#[derive(Clone, Copy)]
struct Run {
    speed: f64,
    cpu: f64,
    core_wait: f64,
}

#[derive(Clone, Copy)]
enum Kind {
    With,
    Without,
}

/// What one writer writes, in order.
type Share = Vec<Entry>;

pub(crate) async fn measure(folder: &Path) -> Result<()> {
    let mut loads = Vec::new();
    for (writers, anchors) in LOADS {
        progress(&format!("values for {writers} writers are signed"));
        let one = |number| history(number, VERSIONS);
        let histories = make(0..writers * anchors, one)?;
        let size = usize::try_from(anchors)?;
        let shares: Vec<Share> = histories.chunks(size).map(<[_]>::concat).collect();
        loads.push((writers, shares, Taken::default()));
    }
    let rules = rules_alone(&loads[..])?;
    let mut syncs = Vec::new();
    for round in 0..ROUNDS {
        progress(&format!("appends, round {} of {ROUNDS}", round + 1));
        for (_, shares, taken) in &mut loads {
            syncs.push(syncs_alone(folder)?);
            let (with, without) = if round % 2 == 0 {
                let with = run(folder, Kind::With, shares).await?;
                (with, run(folder, Kind::Without, shares).await?)
            } else {
                let without = run(folder, Kind::Without, shares).await?;
                (run(folder, Kind::With, shares).await?, without)
            };
            taken.with.push(with);
            taken.without.push(without);
        }
    }
    say(&with_and_without(&loads, percentile(&syncs, 50))?)?;
    let best = loads
        .iter()
        .map(|(_, _, taken)| median(&taken.with, |run| run.speed));
    bounds(best.fold(0.0, f64::max), percentile(&syncs, 50), rules)
}

fn with_and_without(loads: &[(u64, Vec<Share>, Taken)], syncs: f64) -> Result<String> {
    let title = format!(
        "(1) Embedded ledger: anchor operations a second (signed, {VERSIONS} versions an anchor, each \
         answered after the\n    sync; medians of {ROUNDS} rounds, with lowest and highest ratio of a \
         round). \"without\": the same ledger, leaves not put"
    );
    let head = [
        "writers",
        "entries",
        "with log /s",
        "without /s",
        "with/without",
        "lowest..highest",
        "with/sync alone",
    ];
    let mut speeds = Table::new(&title, &head);
    let head = [
        "writers",
        "CPU with",
        "without",
        "with/without",
        "no core with",
        "without",
    ];
    let title = "    Where the time goes: microseconds an entry that cores worked, and that threads \
                 were ready and had no core";
    let mut times_spent = Table::new(title, &head);
    for (writers, shares, taken) in loads {
        let both = |figure: fn(&Run) -> f64| {
            let of = |runs: &[Run]| median(runs, figure);
            (of(&taken.with), of(&taken.without))
        };
        let (with, without) = both(|run| run.speed);
        let pairs = taken.with.iter().zip(&taken.without);
        let ratios: Vec<f64> = pairs
            .map(|(with, without)| with.speed / without.speed)
            .collect();
        let (lowest, highest) = (percentile(&ratios, 0), percentile(&ratios, 100));
        let entries: usize = shares.iter().map(Vec::len).sum();
        speeds.row(&[
            count(*writers),
            count(u64::try_from(entries)?),
            figure(with),
            figure(without),
            times(with / without),
            format!("{}..{}", times(lowest), times(highest)),
            times(with / syncs),
        ]);
        let (cpu_with, cpu_without) = both(|run| run.cpu);
        let (wait_with, wait_without) = both(|run| run.core_wait);
        times_spent.row(&[
            count(*writers),
            figure(cpu_with),
            figure(cpu_without),
            times(cpu_with / cpu_without),
            figure(wait_with),
            figure(wait_without),
        ]);
    }
    Ok(format!("{speeds}\n{times_spent}"))
}

fn median(runs: &[Run], figure: fn(&Run) -> f64) -> f64 {
    let figures: Vec<f64> = runs.iter().map(figure).collect();
    percentile(&figures, 50)
}

/// What bounds the best figure, and the figures of others.
fn bounds(best: f64, syncs: f64, rules: f64) -> Result<()> {
    let head = ["", "/s", "best with log / this"];
    let mut table = Table::new(
        "    What bounds it, and the figures of others [speed]",
        &head,
    );
    let here = [
        (
            format!(
                "here: sync alone (1 file, {SYNC_BYTES} bytes, fdatasync, one after the other)"
            ),
            syncs,
        ),
        (
            "here: rules and signatures alone, on one core".to_owned(),
            rules,
        ),
    ];
    let others = reference::PER_SECOND.map(|(name, speed)| (format!("reference: {name}"), speed));
    for (name, speed) in here.into_iter().chain(others) {
        table.row(&[name, figure(speed), times(best / speed)]);
    }
    say(&table.to_string())
}

/// The clock runs from the first write to the last answer.
async fn run(folder: &Path, kind: Kind, shares: &[Share]) -> Result<Run> {
    let folder = tempfile::tempdir_in(folder)?;
    let ledger = open(folder.path(), kind)?;
    let entries: usize = shares.iter().map(Vec::len).sum();
    let shares = shares.to_vec();
    let (cpu, core_wait) = (machine::cpu_s(), machine::core_wait_s());
    let begun = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for share in shares {
        let ledger = ledger.clone();
        writers.spawn(async move {
            for entry in share {
                ledger.write(entry).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let entries = number(u64::try_from(entries)?);
    Ok(Run {
        speed: entries / seconds,
        cpu: (machine::cpu_s() - cpu) * 1e6 / entries,
        core_wait: (machine::core_wait_s() - core_wait) * 1e6 / entries,
    })
}

/// An empty ledger in a folder.
fn open(folder: &Path, kind: Kind) -> Result<EmbeddedLedger> {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    Ok(match kind {
        Kind::With => EmbeddedLedger::open(folder, options, || NOW_MS)?,
        #[cfg(feature = "without-log")]
        Kind::Without => EmbeddedLedger::open_without_log(folder, options, || NOW_MS)?,
        #[cfg(not(feature = "without-log"))]
        Kind::Without => anyhow::bail!("run `make bench-ledger`: it builds with `without-log`"),
    })
}

/// Syncs a second of a file that grows, as a log does.
fn syncs_alone(folder: &Path) -> Result<f64> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.seek(std::io::SeekFrom::End(0))?;
    let begun = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[7; SYNC_BYTES])?;
        file.sync_data()?;
    }
    Ok(f64::from(SYNCS) / begun.elapsed().as_secs_f64())
}

/// Entries a second that one thread judges by the rules.
fn rules_alone(loads: &[(u64, Vec<Share>, Taken)]) -> Result<f64> {
    let shares = loads.iter().flat_map(|(_, shares, _)| shares).take(20);
    let entries: Vec<&Entry> = shares.flatten().collect();
    let begun = Instant::now();
    let mut head = None;
    for entry in &entries {
        let next = match &head {
            Some((id, head)) if *id == &entry.id => keyssi::append(&entry.id, head, &entry.value)?,
            _ => keyssi::create(&entry.id, &entry.value)?,
        };
        head = Some((&entry.id, next));
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(number(u64::try_from(entries.len())?) / seconds)
}
