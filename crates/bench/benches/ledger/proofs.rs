//! Proof files by the size of the log: their bytes, the time to make one from the store and to
//! verify one; and the time to sign a checkpoint.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use keyssi::AnchorId;
use ledger::{EmbeddedLedger, EngineOptions, Entry, Ledger as _, Log, LogSigner, Mode};
use translog::{Extra, LogKey, Origin, Policy, ProofFile, SignedNote};

use crate::anchors::{NOW_MS, constant, domain, history, make};
use crate::table::{Table, count, figure, number, percentile, times};
use crate::{progress, reference, say};

/// Leaves of the log, one size after the other.
const SIZES: [u64; 3] = [1_000, 10_000, 100_000];
/// The next size, if this variable is set.
const MILLION: &str = "KILN_BENCH_MILLION";
/// Proofs that are made and verified at each size, of leaves all over what was added last.
const PROOFS: u64 = 200;
/// Checkpoints that are signed at each size, each after one more entry.
const CHECKPOINTS: u64 = 20;
/// Entries of one batch; they are made a few batches at a time.
const BATCH: usize = 1_000;
const MADE: u64 = 10_000;
const ORIGIN: &str = "bench.example/default";

/// The figures of one size; times in microseconds.
#[derive(Default)]
struct Taken {
    bytes: Vec<f64>,
    hashes: Vec<f64>,
    make: Vec<f64>,
    verify: Vec<f64>,
    sign: Vec<f64>,
}

pub(crate) async fn measure(folder: &Path) -> Result<()> {
    let folder = tempfile::tempdir_in(folder)?;
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    let ledger = EmbeddedLedger::open(folder.path(), options, || NOW_MS)?;
    let origin = Origin::parse(ORIGIN)?;
    let key = LogKey::from_seed(&origin, &[9; 32]);
    let policy = Policy::parse(&format!("log {}\nquorum none\n", key.verifier()))?;
    let signer = LogSigner::open(ledger.log(&domain()?), origin, vec![key], None).await?;
    let mut sizes = SIZES.to_vec();
    if std::env::var_os(MILLION).is_some() {
        sizes.push(1_000_000);
    }
    let mut all = Vec::new();
    let (mut leaves, mut numbers) = (0, 0);
    for size in sizes {
        progress(&format!("a log of {} leaves", count(size)));
        let ids = grow(&ledger, leaves..size, &mut numbers).await?;
        leaves = size;
        let note = signer.sign().await?.context("nothing to sign")?;
        let mut taken = Taken::default();
        for id in &ids {
            prove(&mut taken, signer.log(), &note, id, &policy).await?;
        }
        for _ in 0..CHECKPOINTS {
            numbers += 1;
            leaves += 1;
            ledger.write(constant(numbers)?).await?;
            let begun = Instant::now();
            signer.sign().await?.context("nothing to sign")?;
            taken.sign.push(micros(begun));
        }
        all.push((size, taken));
    }
    report(&all, ed25519_alone(signer.keys(), signer.log()).await?)
}

fn report(all: &[(u64, Taken)], ed25519: f64) -> Result<()> {
    let title = format!(
        "(2) Proof files by size of the log ({PROOFS} each: find, prove from the store, write the \
         text; verify: read the\n    text, opening, signature, inclusion). Times in microseconds, \
         median (95 of 100); x is to the first line"
    );
    let head = [
        "leaves", "bytes", "x", "hashes", "make", "x", "verify", "x", "sign", "x",
    ];
    let mut table = Table::new(&title, &head);
    let mut first = None;
    for (size, taken) in all {
        let middle = [&taken.bytes, &taken.make, &taken.verify, &taken.sign];
        let middle = middle.map(|values| percentile(values, 50));
        let [bytes, make, verify, sign] = middle;
        let base = *first.get_or_insert(middle);
        let both = |values: &[f64], half: f64| {
            format!("{} ({})", figure(half), figure(percentile(values, 95)))
        };
        table.row(&[
            count(*size),
            figure(bytes),
            times(bytes / base[0]),
            format!("{:.0}", percentile(&taken.hashes, 50)),
            both(&taken.make, make),
            times(make / base[1]),
            both(&taken.verify, verify),
            times(verify / base[2]),
            both(&taken.sign, sign),
            times(sign / base[3]),
        ]);
    }
    let (leaves, hashes) = reference::PROOF;
    let text = format!(
        "{table}    sign: the consistency check from stored tiles, Ed25519, and the synced write of \
         the note; Ed25519 alone {}\n    reference: {hashes} hashes at {} leaves [proof]",
        figure(ed25519),
        count(leaves),
    );
    say(&text)
}

/// Adds leaves: signed anchors here and there, which it gives, and constant ones between them.
async fn grow(
    ledger: &EmbeddedLedger,
    leaves: std::ops::Range<u64>,
    numbers: &mut u64,
) -> Result<Vec<AnchorId>> {
    let step = ((leaves.end - leaves.start) / PROOFS).max(1);
    let mut ids = Vec::new();
    let mut from = leaves.start;
    while from < leaves.end {
        let to = leaves.end.min(from + MADE);
        // Numbers of anchors run on; leaves are counted within what is added.
        let ahead = *numbers + 1 - from;
        let one = |leaf: u64| {
            let is_signed = (leaf - leaves.start).is_multiple_of(step);
            let entry = if is_signed {
                history(leaf + ahead, 1)?.pop().context("one version")?
            } else {
                constant(leaf + ahead)?
            };
            Ok((is_signed, entry))
        };
        let made = make(from..to, one)?;
        *numbers += to - from;
        let mut entries = Vec::new();
        for (is_signed, entry) in made {
            if is_signed {
                ids.push(entry.id.clone());
            }
            entries.push(entry);
        }
        write(ledger, &entries).await?;
        from = to;
    }
    Ok(ids)
}

/// Writes all at once, in batches.
async fn write(ledger: &EmbeddedLedger, entries: &[Entry]) -> Result<()> {
    let mut batches = tokio::task::JoinSet::new();
    for batch in entries.chunks(BATCH) {
        let (ledger, batch) = (ledger.clone(), batch.to_vec());
        batches.spawn(async move { ledger.write_all(batch).await });
    }
    while let Some(ended) = batches.join_next().await {
        ended??;
    }
    Ok(())
}

async fn prove(
    taken: &mut Taken,
    log: &Log,
    note: &SignedNote,
    id: &AnchorId,
    policy: &Policy,
) -> Result<()> {
    let size = note.checkpoint()?.size;
    let begun = Instant::now();
    let found = log.find(id, None).await?.context("an anchor is absent")?;
    let proven = log.prove(found.place, size).await?;
    let proven = proven.context("a leaf is not in the log")?;
    let extra = Extra {
        entry: translog::Entry::decode(&proven.entry)?,
        opening: proven.opening.context("an opening is absent")?,
        chain: None,
    };
    let hashes = proven.hashes.len();
    let file = ProofFile {
        extra: Some(extra),
        index: found.place,
        hashes: proven.hashes,
        note: note.clone(),
    };
    let text = file.to_string();
    taken.make.push(micros(begun));
    let begun = Instant::now();
    ProofFile::parse(&text)?.verify(policy)?;
    taken.verify.push(micros(begun));
    taken.bytes.push(number(u64::try_from(text.len())?));
    taken.hashes.push(number(u64::try_from(hashes)?));
    Ok(())
}

/// Microseconds of one signature over a checkpoint.
async fn ed25519_alone(keys: &[LogKey], log: &Log) -> Result<f64> {
    let key = keys.first().context("a log has a key")?;
    let note = log.checkpoint().await?.context("nothing is signed")?;
    let checkpoint = note.checkpoint()?;
    let mut times = Vec::new();
    for _ in 0..PROOFS {
        let begun = Instant::now();
        let line = key.sign(&checkpoint);
        times.push(micros(begun));
        drop(line);
    }
    Ok(percentile(&times, 50))
}

fn micros(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6
}
