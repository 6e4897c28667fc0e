//! Fetching many bricks, in order, ahead of who takes them.
//!
//! A task of its own fetches and puts bricks into a short queue, so that the network works while
//! the caller decrypts and writes. Where a storage offers `get-bricks`, bricks come as one archive
//! after the other, read as it is consumed; what an archive lacks, and the rest of one that breaks,
//! is fetched brick by brick from any storage.

use bytes::Bytes;
use car::{CarEvent, CarLimits, CarParser, Cid};
use causes::with_causes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use keyssi::{BrickHash, Domain};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::storage::Storage;
use super::{BrickStores, Fetched, fetch};
use crate::endpoint::NodeUrl;
use crate::error::ClientError;
use crate::events::Event;
use crate::transport::Opened;

/// Bricks asked for in one archive. A node takes 1,000; fewer share the work among storages.
const ARCHIVE_BRICKS_MAX: usize = 256;
/// Bytes of an archive's header: a root takes 41.
const HEADER_BYTES_MAX: usize = 64 * (ARCHIVE_BRICKS_MAX + 1);

/// A brick and how many times in a row it was asked for: a file of zeros is one brick many times.
type Run = (BrickHash, usize);

/// Where fetched bricks go.
type Queue = mpsc::Sender<Fetched>;

/// The reader has gone: nobody wants the rest.
struct Unwanted;

/// A task that ends with the value.
struct Task<T>(JoinHandle<T>);

/// [`BrickStores::fetch_many`].
pub(super) fn stream(
    stores: BrickStores,
    domain: Domain,
    hashes: Vec<BrickHash>,
) -> BoxStream<'static, Fetched> {
    // Half of the bricks wait here, half are on their way.
    let (queue, fetched) = mpsc::channel((stores.parallel() / 2).max(1));
    let task = Task(tokio::spawn(async move {
        // An error says that the stream was dropped, which needs no answer.
        let _ = produce(&stores, &domain, &hashes, &queue).await;
    }));
    let next = |(mut fetched, task): (mpsc::Receiver<Fetched>, Task<()>)| async move {
        let brick = fetched.recv().await?;
        Some((brick, (fetched, task)))
    };
    stream::unfold((fetched, task), next).boxed()
}

async fn produce(
    stores: &BrickStores,
    domain: &Domain,
    hashes: &[BrickHash],
    queue: &Queue,
) -> Result<(), Unwanted> {
    let runs = runs(hashes);
    let mut rest = &runs[..];
    while !rest.is_empty() {
        let (batch, others) = rest.split_at(distinct(rest));
        let (done, lacking) = archives(stores, domain, batch, queue).await?;
        let left = batch.get(done..).unwrap_or_default();
        one_by_one(stores, domain, left, lacking.as_ref(), queue).await?;
        rest = others;
    }
    Ok(())
}

/// Fetches as many bricks of the batch as archives give. Says how many that were, and which archive
/// came to its end without the others.
async fn archives(
    stores: &BrickStores,
    domain: &Domain,
    batch: &[Run],
    queue: &Queue,
) -> Result<(usize, Option<NodeUrl>), Unwanted> {
    let Ok(storages) = stores.storages(domain).await else {
        return Ok((0, None));
    };
    let rest = stores.client.options().rest_after_failure;
    let mut done = 0;
    for storage in stores.client.storages().in_turn(storages, rest) {
        let left = batch.get(done..).unwrap_or_default();
        let opened = match left {
            [(probe, _), _, ..] => open(&storage, *probe, left).await,
            _ => break,
        };
        let opened = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => continue,
            Err(error) => {
                storage.note(&Err::<(), _>(error));
                continue;
            }
        };
        let mut archive = Archive {
            stores,
            domain,
            queue,
            opened,
            done: 0,
        };
        let read = archive.read(left).await;
        done += archive.done;
        match read {
            // What is left is missing here: other storages are asked brick by brick.
            Ok(()) => return Ok((done, Some(archive.opened.url))),
            Err(Stop::Unwanted) => return Err(Unwanted),
            Err(Stop::Failed(error)) => storage.note(&Err::<(), _>(*error)),
        }
    }
    Ok((done, None))
}

async fn open(
    storage: &Storage,
    probe: BrickHash,
    batch: &[Run],
) -> Result<Option<Opened>, ClientError> {
    if !storage.takes_batches(probe).await? {
        return Ok(None);
    }
    let hashes: Vec<BrickHash> = batch.iter().map(|(hash, _)| *hash).collect();
    storage.get_batch(&hashes).await
}

/// An archive that is being read.
struct Archive<'a> {
    stores: &'a BrickStores,
    domain: &'a Domain,
    queue: &'a Queue,
    opened: Opened,
    /// Bricks of the batch that were handed on.
    done: usize,
}

/// Why reading an archive ended early.
enum Stop {
    Unwanted,
    Failed(Box<ClientError>),
}

impl Archive<'_> {
    /// Reads the archive to its end, and hands on what was asked for, in order.
    async fn read(&mut self, batch: &[Run]) -> Result<(), Stop> {
        let mut parser = CarParser::new(CarLimits {
            header_bytes_max: HEADER_BYTES_MAX,
            block_bytes_max: self.stores.client.options().limits.brick_bytes_max,
        });
        while let Some(piece) = self.opened.chunk().await.map_err(Stop::from)? {
            parser.push(piece);
            while let Some(event) = parser.next().map_err(|error| self.nonsense(&error))? {
                match event {
                    CarEvent::Header { roots } => self.header(batch, &roots)?,
                    CarEvent::Block { cid, data } => {
                        let hash = car::brick_hash(&cid).map_err(|error| self.nonsense(&error))?;
                        self.block(batch, hash, data).await?;
                    }
                }
            }
        }
        parser.finish().map_err(|error| self.nonsense(&error))
    }

    /// The header names what was asked for, whether it is there or not.
    fn header(&self, batch: &[Run], roots: &[Cid]) -> Result<(), Stop> {
        let asked = batch.iter().map(|(hash, _)| car::brick_cid(hash));
        if asked.eq(roots.iter().copied()) {
            return Ok(());
        }
        let what = "its archive is damaged: the roots are not the bricks that were asked for";
        Err(ClientError::nonsense(&self.opened.url, what).into())
    }

    /// A block that was checked against its name. Those before it that did not come are missing at
    /// this storage.
    async fn block(&mut self, batch: &[Run], hash: BrickHash, data: Bytes) -> Result<(), Stop> {
        let left = batch.get(self.done..).unwrap_or_default();
        let Some(skipped) = left.iter().position(|(asked, _)| *asked == hash) else {
            let what = format!("its archive has brick {hash}, which was not asked for there");
            return Err(ClientError::nonsense(&self.opened.url, what).into());
        };
        for run in left.iter().take(skipped) {
            let lacking = Some(&self.opened.url);
            one_by_one(self.stores, self.domain, &[*run], lacking, self.queue).await?;
            self.done += 1;
        }
        let bytes = data.len() as u64;
        self.stores
            .client
            .emit(&Event::BrickFetched { hash, bytes });
        let times = left.get(skipped).map_or(1, |(_, times)| *times);
        hand_on(self.queue, hash, data, times).await?;
        self.done += 1;
        Ok(())
    }

    fn nonsense(&self, error: &dyn std::error::Error) -> Stop {
        let what = format!("its archive is damaged: {}", with_causes(error));
        ClientError::nonsense(&self.opened.url, what).into()
    }
}

/// Fetches bricks with single calls, some of them at a time. `lacking`: whose archive they should
/// have been in, which is told of those that can be had.
async fn one_by_one(
    stores: &BrickStores,
    domain: &Domain,
    runs: &[Run],
    lacking: Option<&NodeUrl>,
    queue: &Queue,
) -> Result<(), Unwanted> {
    let tasks = stream::iter(runs.to_vec()).map(|(hash, times)| {
        let (stores, domain) = (stores.clone(), domain.clone());
        // A task each, so that those on their way go on while the first waits to be taken.
        let task = Task(tokio::spawn(async move {
            let storages = stores.storages(&domain).await?;
            fetch::one(&stores.client, &domain, storages, hash).await
        }));
        async move { (hash, task.join().await, times) }
    });
    let mut fetched = tasks.buffered((stores.parallel() / 2).max(1));
    while let Some((hash, result, times)) = fetched.next().await {
        match result.unwrap_or_else(|ended| Err(ClientError::Task(ended))) {
            Ok(bytes) => {
                if let Some(url) = lacking {
                    stores.client.emit(&Event::BadNode {
                        url: url.clone(),
                        what: format!("its archive lacks brick {hash}, which can be had"),
                    });
                }
                hand_on(queue, hash, bytes, times).await?;
            }
            Err(error) => {
                queue.send((hash, Err(error))).await.map_err(|_| Unwanted)?;
                // An error cannot be given twice: the repetitions find out for themselves.
                let again = vec![(hash, 1); times - 1];
                Box::pin(one_by_one(stores, domain, &again, lacking, queue)).await?;
            }
        }
    }
    Ok(())
}

/// Gives a brick to the reader as often as it asked for it.
async fn hand_on(
    queue: &Queue,
    hash: BrickHash,
    bytes: Bytes,
    times: usize,
) -> Result<(), Unwanted> {
    for _ in 0..times {
        let sent = queue.send((hash, Ok(bytes.clone()))).await;
        sent.map_err(|_| Unwanted)?;
    }
    Ok(())
}

impl<T> Task<T> {
    async fn join(mut self) -> Result<T, JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl From<Unwanted> for Stop {
    fn from(_: Unwanted) -> Self {
        Self::Unwanted
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Bricks asked for several times in a row become one.
fn runs(hashes: &[BrickHash]) -> Vec<Run> {
    let equal = hashes.chunk_by(|one, next| one == next);
    equal
        .filter_map(|run| run.first().map(|hash| (*hash, run.len())))
        .collect()
}

/// How many runs from the first are of different bricks and fit into one archive: an archive has
/// each brick once.
fn distinct(runs: &[Run]) -> usize {
    let mut seen = std::collections::HashSet::new();
    runs.iter()
        .take(ARCHIVE_BRICKS_MAX)
        .take_while(|(hash, _)| seen.insert(*hash))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_in_a_row_are_one_run_and_an_archive_has_no_repetition() {
        let names: Vec<BrickHash> = (0..3_u8).map(|it| BrickHash::of(&[it])).collect();
        let [a, b, c] = names[..] else { panic!() };
        let runs = runs(&[a, a, a, b, c, c, a, b]);
        assert_eq!(runs, [(a, 3), (b, 1), (c, 2), (a, 1), (b, 1)]);
        assert_eq!(distinct(&runs), 3);
        assert_eq!(distinct(&runs[3..]), 2);
        let many: Vec<Run> = (0..1000_u32)
            .map(|it| (BrickHash::of(&it.to_be_bytes()), 1))
            .collect();
        assert_eq!(distinct(&many), ARCHIVE_BRICKS_MAX);
    }
}
