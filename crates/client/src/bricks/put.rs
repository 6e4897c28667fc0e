//! Storing at, and asking, all storages of a domain.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use keyssi::BrickHash;

use super::batch::{BrickOutcome, HAVE_MAX};
use super::storage::Storage;
use super::{PutOutcome, PutReport, majority};
use crate::client::Client;
use crate::endpoint::NodeUrl;
use crate::error::ClientError;
use crate::events::Event;

/// Bytes of bricks in one `put-bricks`: large enough that round trips do not count, small enough
/// for any node's limit on a body.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// Bricks in one `put-bricks`. The outcomes of so many fit into the limit on JSON.
const BATCH_BRICKS_MAX: usize = 1_000;

/// What each storage made of a batch.
type Outcomes = Vec<(NodeUrl, Result<Vec<BrickOutcome>, ClientError>)>;

/// [`BrickStores::put_many`](super::BrickStores::put_many).
pub(super) async fn all(
    client: &Client,
    storages: &[Storage],
    bricks: Vec<(BrickHash, Bytes)>,
) -> Result<Vec<PutReport>, ClientError> {
    let mut reports = Vec::with_capacity(bricks.len());
    for batch in batches(&bricks) {
        let shared: Arc<[(BrickHash, Bytes)]> = batch.into();
        let put = |storage: Storage| put_at(storage, Arc::clone(&shared));
        let mut outcomes = at_each(client, storages, put).await;
        for (index, (hash, bytes)) in batch.iter().enumerate() {
            let report = report(storages, *hash, index, &mut outcomes)?;
            emit(client, &report, bytes.len() as u64);
            reports.push(report);
        }
    }
    Ok(reports)
}

/// [`BrickStores::have_many`](super::BrickStores::have_many).
pub(super) async fn have(
    client: &Client,
    storages: &[Storage],
    hashes: &[BrickHash],
) -> Result<Vec<bool>, ClientError> {
    let majority = majority(storages.len());
    let mut have = Vec::with_capacity(hashes.len());
    for chunk in hashes.chunks(HAVE_MAX) {
        let shared: Arc<[BrickHash]> = chunk.into();
        let ask = |storage: Storage| have_at(storage, Arc::clone(&shared));
        let (mut counts, mut answered, mut failure) = (vec![0; chunk.len()], 0, None);
        for (_, answer) in at_each(client, storages, ask).await {
            match answer {
                Ok(answer) => {
                    answered += 1;
                    for (count, has) in counts.iter_mut().zip(answer) {
                        *count += usize::from(has);
                    }
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) if answered < majority => return Err(error),
            _ => have.extend(counts.into_iter().map(|count| count >= majority)),
        }
    }
    Ok(have)
}

/// Does the same at every storage at once. Those that failed a moment ago are left alone as long as
/// the others make a majority.
async fn at_each<T, F>(
    client: &Client,
    storages: &[Storage],
    work: impl Fn(Storage) -> F,
) -> Vec<(NodeUrl, Result<T, ClientError>)>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let rest = client.options().rest_after_failure;
    let (resting, ready): (Vec<Storage>, Vec<Storage>) = storages
        .iter()
        .cloned()
        .partition(|storage| client.storages().rests(&storage.endpoint, rest));
    let ask = |storage: Storage| {
        let working = work(storage.clone());
        async move {
            let result = working.await;
            storage.note(&result);
            (storage.url(), result)
        }
    };
    let mut results = join_all(ready.into_iter().map(&ask)).await;
    let done = results.iter().filter(|(_, result)| result.is_ok()).count();
    if done >= majority(storages.len()) {
        results.extend(resting.into_iter().map(|storage| {
            let url = storage.url();
            (url.clone(), Err(ClientError::Resting { url }))
        }));
    } else {
        results.extend(join_all(resting.into_iter().map(&ask)).await);
    }
    results
}

/// Stores a batch at one storage, with one call or with one for each brick.
async fn put_at(
    storage: Storage,
    batch: Arc<[(BrickHash, Bytes)]>,
) -> Result<Vec<BrickOutcome>, ClientError> {
    if let [(probe, _), _, ..] = &*batch
        && storage.takes_batches(*probe).await?
        && let Some(outcomes) = storage.put_batch(&batch).await?
    {
        return Ok(outcomes);
    }
    // The first failure ends it: what one brick met, the others would meet too.
    let parallel = storage.client.options().parallel.max(1);
    let puts = batch.iter().cloned().map(|(hash, bytes)| {
        let storage = storage.clone();
        async move {
            storage
                .put(hash, bytes)
                .await
                .map(|()| BrickOutcome::Stored)
        }
    });
    stream::iter(puts).buffered(parallel).try_collect().await
}

/// Asks one storage, with one call or with one for each brick.
async fn have_at(storage: Storage, hashes: Arc<[BrickHash]>) -> Result<Vec<bool>, ClientError> {
    if let Some(have) = storage.have_batch(&hashes).await? {
        return Ok(have);
    }
    let parallel = storage.client.options().parallel.max(1);
    let asks = hashes.iter().copied().map(|hash| {
        let storage = storage.clone();
        async move { storage.has(hash).await }
    });
    stream::iter(asks).buffered(parallel).try_collect().await
}

/// Counts for one brick of a batch. The error of a storage is given away with the first brick that
/// it keeps from a majority.
fn report(
    storages: &[Storage],
    hash: BrickHash,
    index: usize,
    outcomes: &mut Outcomes,
) -> Result<PutReport, ClientError> {
    let mut report = PutReport {
        hash,
        outcome: PutOutcome::Present,
        stored_by: Vec::new(),
        failed: Vec::new(),
    };
    for (url, outcome) in &*outcomes {
        match outcome.as_ref().ok().and_then(|all| all.get(index)) {
            Some(BrickOutcome::Stored) => report.outcome = PutOutcome::Stored,
            Some(BrickOutcome::Present) => {}
            Some(BrickOutcome::Refused(_)) | None => {
                report.failed.push(url.clone());
                continue;
            }
        }
        report.stored_by.push(url.clone());
    }
    let stored = report.stored_by.len();
    if stored >= majority(storages.len()) {
        return Ok(report);
    }
    let mut failures = outcomes.drain(..).filter_map(|(url, outcome)| {
        let all = match outcome {
            Err(error) => return Some(error),
            Ok(all) => all,
        };
        match all.into_iter().nth(index) {
            Some(BrickOutcome::Refused(message)) => Some(ClientError::Refused {
                url,
                status: 200,
                message,
            }),
            _ => None,
        }
    });
    match (failures.next(), storages) {
        (Some(only), [_]) => Err(only),
        (Some(first), [storage, ..]) => Err(ClientError::NoMajority {
            hash,
            domain: storage.domain.clone(),
            stored,
            storages: storages.len(),
            source: Box::new(first),
        }),
        // Without a failure every storage has stored it.
        _ => Ok(report),
    }
}

fn emit(client: &Client, report: &PutReport, bytes: u64) {
    let hash = report.hash;
    client.emit(&match report.outcome {
        PutOutcome::Stored => Event::BrickStored { hash, bytes },
        PutOutcome::Present => Event::BrickSkipped { hash, bytes },
    });
}

/// Cuts bricks into batches of bounded size, each of one brick at least.
fn batches(bricks: &[(BrickHash, Bytes)]) -> impl Iterator<Item = &[(BrickHash, Bytes)]> {
    let mut rest = bricks;
    std::iter::from_fn(move || {
        let mut bytes = 0_usize;
        let fit = rest.iter().take(BATCH_BRICKS_MAX).take_while(|(_, brick)| {
            bytes = bytes.saturating_add(brick.len());
            bytes <= BATCH_BYTES_MAX
        });
        let count = fit.count().max(1).min(rest.len());
        let (batch, others) = rest.split_at(count);
        rest = others;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_in_bytes_and_in_number() {
        let check = |sizes: &[usize], expected: &[usize]| {
            let bricks: Vec<(BrickHash, Bytes)> = sizes
                .iter()
                .map(|size| (BrickHash::of(b""), Bytes::from(vec![0; *size])))
                .collect();
            let counts: Vec<usize> = batches(&bricks).map(<[_]>::len).collect();
            assert_eq!(counts, expected, "{sizes:?}");
        };
        let mib = 1 << 20;
        check(&[], &[]);
        check(&[1], &[1]);
        check(&[20 * mib, 1, 20 * mib], &[1, 1, 1]);
        check(&[4 * mib, 4 * mib, 1], &[2, 1]);
        check(&[1; 2001], &[1000, 1000, 1]);
    }

    #[test]
    fn a_majority_is_more_than_half() {
        assert_eq!([1, 2, 3, 4, 5].map(majority), [1, 2, 2, 3, 3]);
    }
}
