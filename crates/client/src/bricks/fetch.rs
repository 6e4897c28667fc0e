//! Fetching one brick from whichever storage has it.

use bytes::Bytes;
use keyssi::{BrickHash, Domain};

use super::storage::Storage;
use crate::client::Client;
use crate::endpoint::NodeUrl;
use crate::error::ClientError;
use crate::events::Event;

/// What the storages that did not give the brick said.
#[derive(Default)]
struct Failures {
    /// It may pass.
    passing: Option<ClientError>,
    /// It will not.
    lasting: Option<ClientError>,
    /// They say that they do not have it.
    missing_at: Vec<NodeUrl>,
}

/// [`BrickStores::fetch`](super::BrickStores::fetch): asks one storage after the other, and after a wait those again that may
/// do better then.
pub(super) async fn one(
    client: &Client,
    domain: &Domain,
    storages: Vec<Storage>,
    hash: BrickHash,
) -> Result<Bytes, ClientError> {
    let rest = client.options().rest_after_failure;
    let mut candidates = client.storages().in_turn(storages, rest);
    let mut failures = Failures::default();
    let mut attempt = 1;
    loop {
        let mut again = Vec::new();
        failures.passing = None;
        for storage in candidates {
            let asked = storage.get(hash).await;
            storage.note(&asked);
            match asked {
                Ok(Some(bytes)) => {
                    found(client, hash, &bytes, &failures);
                    return Ok(bytes);
                }
                Ok(None) => failures.missing_at.push(storage.url()),
                Err(error) if error.may_pass() => {
                    again.push(storage);
                    failures.passing = failures.passing.or(Some(error));
                }
                Err(error) => failures.lasting = failures.lasting.or(Some(error)),
            }
        }
        match failures.passing.take() {
            Some(failure) if !client.transport().pause(attempt, &failure).await => {
                return Err(failure);
            }
            Some(_) => {}
            None => break,
        }
        candidates = again;
        attempt += 1;
    }
    let asked = failures.missing_at;
    Err(failures
        .lasting
        .unwrap_or_else(|| ClientError::MissingBrick {
            hash,
            domain: domain.clone(),
            asked,
        }))
}

fn found(client: &Client, hash: BrickHash, bytes: &Bytes, failures: &Failures) {
    for url in &failures.missing_at {
        client.emit(&Event::BadNode {
            url: url.clone(),
            what: format!("it does not have brick {hash}, which another storage has"),
        });
    }
    let bytes = bytes.len() as u64;
    client.emit(&Event::BrickFetched { hash, bytes });
}
