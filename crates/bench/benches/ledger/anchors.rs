//! Entries, made before a clock runs.

use std::ops::Range;
use std::thread;

use anyhow::{Context as _, Result};
use keyssi::{
    AnchorId, AnchorSigner, AnchorValue, BrickHash, Domain, Head, PrivateKey, Timestamp, base64,
};
use ledger::{Entry, Intent};

/// Time of the first entries and of the ledger's clock, milliseconds since the epoch.
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

/// The domain of all anchors.
pub(crate) fn domain() -> Result<Domain> {
    Ok("default".parse()?)
}

/// The history of a signed anchor: its creation, then appends.
pub(crate) fn history(number: u64, versions: u64) -> Result<Vec<Entry>> {
    let domain = domain()?;
    let mut secret = [7; 32];
    let (front, _) = secret
        .split_first_chunk_mut()
        .context("32 bytes hold eight")?;
    *front = number.to_be_bytes();
    let key = PrivateKey::from_bytes(&secret)?;
    let public = base64::encode(&key.public_key().to_raw());
    let id = AnchorId::parse_plain(&format!("ssi:sza:{domain}::{public}:v0"))?;
    let signer = AnchorSigner::new(id.clone(), key, domain.as_str(), None)?;
    let mut entries = Vec::new();
    let mut head: Option<Head> = None;
    for version in 0..versions {
        let hash = BrickHash::of(&[number.to_be_bytes(), version.to_be_bytes()].concat());
        let (hash, now) = (hash.to_string(), Timestamp::from_millis(NOW_MS + version));
        let value = match &head {
            None => signer.create(&hash, &now)?,
            Some(head) => signer.append(head, &hash, &now)?,
        };
        head = Some(Head::restore(value.as_str(), None)?);
        entries.push(Entry {
            id: id.clone(),
            value,
            intent: Intent::CreateOrAppend,
        });
    }
    Ok(entries)
}

/// A constant anchor: nothing is signed, so that large logs are quickly made.
pub(crate) fn constant(number: u64) -> Result<Entry> {
    let domain = domain()?;
    let hash = BrickHash::of(&number.to_be_bytes());
    Ok(Entry {
        id: AnchorId::parse_plain(&format!("ssi:cza:{domain}:{hash}::v0"))?,
        value: AnchorValue::parse(&format!("ssi:hl:{domain}:{hash}::v0"))?,
        intent: Intent::Create,
    })
}

/// Makes something for each number, on all cores, in order.
pub(crate) fn make<T: Send>(
    numbers: Range<u64>,
    one: impl Fn(u64) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = (numbers.end - numbers.start)
        .div_ceil(threads as u64)
        .max(1);
    thread::scope(|scope| {
        let mut shares = Vec::new();
        let mut from = numbers.start;
        while from < numbers.end {
            let to = numbers.end.min(from + share);
            let one = &one;
            shares.push(scope.spawn(move || (from..to).map(one).collect::<Result<Vec<T>>>()));
            from = to;
        }
        let mut all = Vec::new();
        for share in shares {
            let made = share
                .join()
                .map_err(|_| anyhow::anyhow!("a thread ended"))?;
            all.extend(made?);
        }
        Ok(all)
    })
}
