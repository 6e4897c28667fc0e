//! Our own client of an adapter, with one of our nodes as the adapter.

use anyhow::{Context, Result};
use keyssi::{AnchorId, AnchorValue, BrickHash, Domain};
use ledger::adapter::{AdapterKind, AdapterLedger, AdapterOptions};
use ledger::{Entry, Intent, Ledger, LedgerError};
use testkit::owner::{FIRST_MS, Owner};
use testkit::server::Server;

use super::{CONFIG, address_of};

/// The entry that an owner makes next; the owner goes on from it.
fn next(owner: &mut Owner, content: &str, intent: Intent) -> Result<Entry> {
    let hash = BrickHash::of(content.as_bytes()).to_string();
    let value = owner.sign(&hash, FIRST_MS)?;
    owner.follow(Some(&value))?;
    Ok(Entry {
        id: AnchorId::parse_wrapped(owner.id())?,
        value: AnchorValue::parse_wrapped(&value)?,
        intent,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_can_be_the_ledger_of_another() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let url = format!("http://{}", address_of(&server)?);
    let ledger = AdapterLedger::new(&url, AdapterKind::Eth, AdapterOptions::default())?;
    let domain: Domain = "default".parse()?;
    let mut one = Owner::new(&domain, &[1; 32])?;
    let mut two = Owner::new(&domain, &[2; 32])?;
    let id = AnchorId::parse_wrapped(one.id())?;
    assert_eq!(ledger.total(&domain).await?, 0);
    assert_eq!(ledger.last_version(&id).await?, None);

    let first = next(&mut one, "0", Intent::Create)?;
    let mut rival = one.clone();
    ledger.write(first.clone()).await?;
    let again = ledger.write(first.clone()).await;
    assert!(matches!(again, Err(LedgerError::AlreadyExists)));
    let second = next(&mut one, "1", Intent::Append)?;
    ledger.write(second.clone()).await?;
    let late = ledger
        .write(next(&mut rival, "other", Intent::Append)?)
        .await;
    assert!(matches!(late, Err(LedgerError::Append(_))), "{late:?}");

    let third = next(&mut one, "2", Intent::CreateOrAppend)?;
    let other = next(&mut two, "0", Intent::CreateOrAppend)?;
    ledger.write_all(vec![third.clone(), other]).await?;
    let values = [first, second, third].map(|it| it.value.as_str().to_owned());
    assert_eq!(ledger.all_versions(&id).await?, values);
    let last = values.last().context("there are three")?.clone();
    assert_eq!(ledger.last_version(&id).await?, Some((last, 3)));
    assert_eq!(ledger.total(&domain).await?, 2);
    Ok(())
}
