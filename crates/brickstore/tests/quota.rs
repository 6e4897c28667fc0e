//! Quotas: what is counted, to whom, and what is refused, against a model and under many writers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use brickstore::{
    Account, BrickStore, BrickStoreError, EngineOptions, Mode, Put, PutTerms, Quota, StorageLimit,
    Totals, check,
};
use bytes::Bytes;
use keyssi::{BrickHash, Domain};
use proptest::prelude::*;

fn open(folder: &Path) -> BrickStore {
    let options = EngineOptions {
        free_bytes_min: 0,
        mode: Mode::Serve,
    };
    BrickStore::open(folder, options).unwrap()
}

fn domain(name: &str) -> Domain {
    name.parse().unwrap()
}

fn account(name: &str) -> Account {
    name.parse().unwrap()
}

fn bytes_limit(bytes: u64) -> StorageLimit {
    StorageLimit {
        bytes: Some(bytes),
        bricks: None,
    }
}

/// A brick of `size` bytes that is like no other with another `seed`, from 4 bytes up.
fn brick(seed: u32, size: usize) -> (BrickHash, Bytes) {
    let mut bytes = vec![0; size];
    for (place, byte) in bytes.iter_mut().zip(seed.to_be_bytes()) {
        *place = byte;
    }
    (BrickHash::of(&bytes), bytes.into())
}

const DOMAINS: [&str; 2] = ["here", "there"];
const ACCOUNTS: [&str; 2] = ["key/a", "key/b"];

/// One put of the property test, or a restart.
#[derive(Clone, Debug)]
enum Deed {
    Put {
        domain: usize,
        account: Option<usize>,
        /// Seeds of the bricks, whose sizes follow from them.
        seeds: Vec<u32>,
        domain_limit: StorageLimit,
        account_limit: StorageLimit,
    },
    Restart,
}

fn limits() -> impl Strategy<Value = StorageLimit> {
    let bricks = proptest::option::of(0_u64..12);
    let bytes = proptest::option::of(0_u64..400);
    (bricks, bytes).prop_map(|(bricks, bytes)| StorageLimit { bricks, bytes })
}

fn deeds() -> impl Strategy<Value = Deed> {
    let put = (
        0..DOMAINS.len(),
        proptest::option::of(0..ACCOUNTS.len()),
        proptest::collection::vec(0_u32..20, 1..5),
        limits(),
        limits(),
    );
    let put = put.prop_map(
        |(domain, account, seeds, domain_limit, account_limit)| Deed::Put {
            domain,
            account,
            seeds,
            domain_limit,
            account_limit,
        },
    );
    prop_oneof![12 => put, 1 => Just(Deed::Restart)]
}

/// What the store should hold.
#[derive(Default)]
struct Model {
    bricks: BTreeMap<(usize, u32), Option<usize>>,
}

fn size_of(seed: u32) -> usize {
    4 + (seed as usize * 37) % 60
}

impl Model {
    fn sum(&self, counts: impl Fn(usize, Option<usize>) -> bool) -> Totals {
        let mut totals = Totals::default();
        for ((domain, seed), account) in &self.bricks {
            if counts(*domain, *account) {
                totals.bricks += 1;
                totals.bytes += size_of(*seed) as u64;
            }
        }
        totals
    }

    /// What the store should answer: what became of each brick, or which quotas could refuse it.
    fn put(&mut self, deed: &Deed) -> Result<Vec<Put>, Vec<Quota>> {
        let Deed::Put {
            domain,
            account,
            seeds,
            domain_limit,
            account_limit,
        } = deed
        else {
            return Ok(Vec::new());
        };
        let new: BTreeSet<u32> = seeds
            .iter()
            .copied()
            .filter(|seed| !self.bricks.contains_key(&(*domain, *seed)))
            .collect();
        let asked = Totals {
            bricks: new.len() as u64,
            bytes: new.iter().map(|seed| size_of(*seed) as u64).sum(),
        };
        let mut exceeded = Vec::new();
        let of_domain = self.sum(|of, _| of == *domain);
        let mut judge = |limit: &StorageLimit, used: Totals, quotas: [Quota; 2]| {
            let over = |limit: Option<u64>, sum: u64| limit.is_some_and(|limit| sum > limit);
            if over(limit.bricks, used.bricks + asked.bricks) {
                exceeded.push(quotas[0]);
            }
            if over(limit.bytes, used.bytes + asked.bytes) {
                exceeded.push(quotas[1]);
            }
        };
        judge(
            domain_limit,
            of_domain,
            [Quota::DomainBricks, Quota::DomainBytes],
        );
        if account.is_some() {
            let of_account = self.sum(|_, of| of == *account);
            judge(
                account_limit,
                of_account,
                [Quota::AccountBricks, Quota::AccountBytes],
            );
        }
        if !new.is_empty() && !exceeded.is_empty() {
            return Err(exceeded);
        }
        let mut left = new;
        Ok(seeds
            .iter()
            .map(|seed| {
                if !left.remove(seed) {
                    return Put::Existing;
                }
                self.bricks.insert((*domain, *seed), *account);
                Put::Stored
            })
            .collect())
    }
}

async fn play(folder: &Path, deeds: &[Deed]) {
    let (mut store, mut model) = (open(folder), Model::default());
    for deed in deeds {
        let Deed::Put {
            domain: at,
            account: of,
            seeds,
            domain_limit,
            account_limit,
        } = deed
        else {
            drop(store);
            store = open(folder);
            continue;
        };
        let terms = PutTerms {
            now_ms: 1,
            domain: *domain_limit,
            account: of.map(|of| account(ACCOUNTS[of])),
            account_limit: *account_limit,
        };
        let bricks = seeds
            .iter()
            .map(|seed| brick(*seed, size_of(*seed)))
            .collect();
        let done = store.put_many(&domain(DOMAINS[*at]), bricks, terms).await;
        match (done, model.put(deed)) {
            (Ok(puts), Ok(expected)) => assert_eq!(puts, expected, "{deed:?}"),
            (
                Err(BrickStoreError::QuotaExceeded {
                    which,
                    limit,
                    used,
                    asked,
                }),
                Err(exceeded),
            ) => {
                assert!(
                    exceeded.contains(&which),
                    "{which:?} of {exceeded:?}, {deed:?}"
                );
                assert!(used + asked > limit);
            }
            (done, expected) => panic!("{done:?} instead of {expected:?}, {deed:?}"),
        }
        for (place, name) in DOMAINS.iter().enumerate() {
            let totals = store.totals(&domain(name)).await.unwrap();
            assert_eq!(totals, model.sum(|of, _| of == place), "{name}");
        }
        for (place, name) in ACCOUNTS.iter().enumerate() {
            let used = store.usage(account(name)).await.unwrap();
            assert_eq!(used, model.sum(|_, of| of == Some(place)), "{name}");
        }
    }
    drop(store);
    assert_eq!(check(folder).unwrap().findings, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_counted_and_refused_is_what_a_model_says(
        deeds in proptest::collection::vec(deeds(), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(folder.path(), &deeds));
    }
}

/// 64 writers, whose bricks do not all fit, fill a domain and an account; what is left of the quota
/// is then filled to the byte.
#[tokio::test(flavor = "multi_thread")]
async fn quotas_hold_to_the_byte_under_many_writers() {
    const QUOTA: u64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let terms = |account_of: usize| PutTerms {
        now_ms: 1,
        domain: bytes_limit(QUOTA),
        account: Some(account(ACCOUNTS[account_of])),
        account_limit: bytes_limit(QUOTA / 2),
    };
    let writers = (0..64_u32).map(|writer| {
        let (store, terms) = (store.clone(), terms(writer as usize % 2));
        tokio::spawn(async move {
            let (mut stored, mut refused) = (0, 0);
            for seed in 0..20 {
                let size = 4 + (writer as usize * 31 + seed as usize * 17) % 97;
                let (hash, bytes) = brick(writer * 1000 + seed, size);
                match store.put(&domain("here"), hash, bytes, terms.clone()).await {
                    Ok(Put::Stored) => stored += size as u64,
                    Err(BrickStoreError::QuotaExceeded { .. }) => refused += 1,
                    other => panic!("{other:?}"),
                }
            }
            (stored, refused)
        })
    });
    let (mut stored, mut refused) = (0, 0);
    for writer in writers.collect::<Vec<_>>() {
        let (bytes, count) = writer.await.unwrap();
        stored += bytes;
        refused += count;
    }
    assert_ne!(refused, 0);
    let here = domain("here");
    assert_eq!(store.totals(&here).await.unwrap().bytes, stored);
    assert!(stored <= QUOTA);

    for (place, name) in ACCOUNTS.iter().enumerate() {
        let used = store.usage(account(name)).await.unwrap().bytes;
        let left = QUOTA / 2 - used;
        // The smallest brick of the storm would not fit any more, or was taken.
        let size = usize::try_from(left).unwrap();
        // Of its own for each account, however short it is.
        let filler = |length| {
            let bytes = vec![u8::try_from(place + 1).unwrap(); length];
            (BrickHash::of(&bytes), Bytes::from(bytes))
        };
        let (hash, bytes) = filler(size.max(4) + usize::from(size >= 4));
        let refused = store.put(&here, hash, bytes, terms(place)).await;
        let exceeded = matches!(refused, Err(BrickStoreError::QuotaExceeded { .. }));
        assert!(exceeded, "{refused:?}");
        let (hash, bytes) = filler(size);
        let fitting = store.put(&here, hash, bytes.clone(), terms(place)).await;
        assert!(fitting.is_ok(), "{fitting:?}");
        assert_eq!(store.usage(account(name)).await.unwrap().bytes, QUOTA / 2);
        // A lost answer: the same again is there, and counts once.
        let again = store.put(&here, hash, bytes, terms(place)).await;
        assert_eq!(again.unwrap(), Put::Existing);
    }
    assert_eq!(store.totals(&here).await.unwrap().bytes, QUOTA);
    let (hash, bytes) = brick(0, 4);
    let found = store.get(&here, hash, 1).await.unwrap();
    assert_eq!(found.unwrap(), bytes);
    drop(store);
    assert_eq!(check(folder.path()).unwrap().findings, []);
}
