//! Checking a whole DSU: every version, every brick.

use std::collections::HashMap;

use dsu::{BrickMap, DsuPath, History, Piece, PieceSource, diff_strategy};
use futures_util::StreamExt;
use keyssi::{AnchorId, AnchorValueKind, BrickHash, Domain, KeySsi};

use super::DsuError;
use super::history::history;
use super::snapshot::{check_readable, fetch_map, fetch_one_map};
use crate::Client;

/// What a verification saw.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Verified {
    /// Versions whose signature and brick map hold.
    pub versions: usize,
    /// Files over all versions.
    pub files: usize,
    /// Distinct bricks that were fetched, hashed and decrypted, brick maps apart.
    pub bricks: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is missing or wrong; empty: all is well.
    pub faults: Vec<Fault>,
}

/// Something missing or wrong in a DSU. The error names version, path and brick.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fault {
    /// The version, counted from 0; `None` for the history as a whole.
    pub version: Option<usize>,
    /// The file; `None` for the brick map or the history.
    pub path: Option<DsuPath>,
    /// The brick.
    pub brick: Option<BrickHash>,
    /// What is wrong.
    pub error: DsuError,
}

/// Walks every version of a DSU: the signatures of its history, every brick map, every brick of
/// every file. Each brick is fetched once, from any storage, hashed, and decrypted. Mounted DSUs
/// are not entered.
///
/// # Errors
/// Only if nothing could be checked at all: the key opens nothing, nothing is anchored, or the
/// anchoring service cannot be asked. Everything else is a [`Fault`].
pub async fn verify(client: &Client, ssi: &KeySsi) -> Result<Verified, DsuError> {
    check_readable(ssi)?;
    let id = AnchorId::of(ssi).map_err(DsuError::Key)?;
    let mut verified = Verified::default();
    let history = match history(client, &id).await {
        Ok(history) if history.is_empty() => return Err(DsuError::NotAnchored(Box::new(id))),
        Ok(history) => history,
        Err(error @ (DsuError::Forged(_) | DsuError::RolledBack(_))) => {
            let version = match &error {
                DsuError::Forged(fault) => Some(fault.version),
                _ => None,
            };
            verified.faults.push(Fault {
                version,
                path: None,
                brick: None,
                error,
            });
            return Ok(verified);
        }
        Err(error) => return Err(error),
    };
    let mut walk = Walk {
        client,
        verified,
        seen: HashMap::new(),
    };
    for version in 0..history.len() {
        walk.version(ssi, &history, version).await?;
    }
    Ok(walk.verified)
}

/// The part of a container that a piece takes, by its first byte; 0 for a whole brick.
type Place = (BrickHash, usize);

struct Walk<'a> {
    client: &'a Client,
    verified: Verified,
    /// Pieces that were judged already.
    seen: HashMap<Place, Piece>,
}

impl Walk<'_> {
    async fn version(
        &mut self,
        ssi: &KeySsi,
        history: &History,
        version: usize,
    ) -> Result<(), DsuError> {
        let brick = history.brick_map(version).map(|brick| brick.hash);
        match fetch_one_map(self.client, ssi, history, version).await {
            Ok(map) => {
                self.verified.versions += 1;
                if !diff_strategy::is_diff(&map) {
                    return self.bricks(&map, version).await;
                }
                // The files of such a version stand in the changes up to it.
                match fetch_map(self.client, ssi, history, version).await {
                    Ok(map) => self.bricks(&map, version).await,
                    Err(error) => {
                        self.fault(version, None, brick, error);
                        Ok(())
                    }
                }
            }
            // A transfer of ownership is a version without content.
            Err(DsuError::NoMap(_)) if is_transfer(history, version) => {
                self.verified.versions += 1;
                Ok(())
            }
            Err(error) => {
                self.fault(version, None, brick, error);
                Ok(())
            }
        }
    }

    async fn bricks(&mut self, map: &BrickMap, version: usize) -> Result<(), DsuError> {
        let mut pieces = Vec::new();
        for (path, file) in map.files() {
            self.verified.files += 1;
            match file.content() {
                Ok(content) => {
                    let of_file = content.pieces().iter();
                    pieces.extend(of_file.map(|piece| (path.clone(), piece.clone())));
                }
                Err(source) => {
                    let source = Box::new(source);
                    let named = Some(path.clone());
                    let error = DsuError::Content {
                        path,
                        version,
                        source,
                    };
                    self.fault(version, named, None, error);
                }
            }
        }
        pieces.retain(|(_, piece)| self.is_new(piece));
        let mut rest = pieces.as_slice();
        while let Some((_, first)) = rest.first() {
            let domain = domain_of(first);
            let run = rest
                .iter()
                .take_while(|(_, piece)| domain_of(piece) == domain)
                .count();
            let (now, later) = rest.split_at(run);
            rest = later;
            if let Some(domain) = domain {
                self.run(domain, now, version).await?;
            }
        }
        Ok(())
    }

    /// Fetches and opens pieces of one domain.
    async fn run(
        &mut self,
        domain: &Domain,
        pieces: &[(DsuPath, Piece)],
        version: usize,
    ) -> Result<(), DsuError> {
        let hashes = pieces
            .iter()
            .filter_map(|(_, piece)| piece.brick().map(|brick| brick.hash))
            .collect();
        let mut bricks = self.client.bricks().fetch_many(domain, hashes).boxed();
        for (path, piece) in pieces {
            let Some(hash) = piece.brick().map(|brick| brick.hash) else {
                continue;
            };
            let fetched = match bricks.next().await {
                Some((answered, fetched)) if answered == hash => fetched,
                // The stream answers every hash, in order; this asks again rather than trust that.
                _ => self.client.bricks().fetch(domain, &hash).await,
            };
            let path = path.clone();
            let error = match fetched {
                Ok(bytes) => {
                    let bytes_count = bytes.len() as u64;
                    let piece = piece.clone();
                    let opened = tokio::task::spawn_blocking(move || piece.open(&bytes).map(drop));
                    match opened.await.map_err(DsuError::Task)? {
                        Ok(()) => {
                            self.verified.bricks += 1;
                            self.verified.bytes += bytes_count;
                            continue;
                        }
                        Err(source) => DsuError::Brick {
                            path: path.clone(),
                            version,
                            hash,
                            source: Box::new(source),
                        },
                    }
                }
                Err(source) => DsuError::FetchBrick {
                    path: path.clone(),
                    version,
                    hash,
                    source: Box::new(source),
                },
            };
            self.fault(version, Some(path), Some(hash), error);
        }
        Ok(())
    }

    fn fault(
        &mut self,
        version: usize,
        path: Option<DsuPath>,
        brick: Option<BrickHash>,
        error: DsuError,
    ) {
        let version = Some(version);
        self.verified.faults.push(Fault {
            version,
            path,
            brick,
            error,
        });
    }

    /// Whether a piece has not been judged yet; versions share most of their bricks.
    fn is_new(&mut self, piece: &Piece) -> bool {
        let PieceSource::Brick { brick, slice } = piece.source() else {
            return false;
        };
        let place = (brick.hash, slice.map_or(0, |slice| slice.offset));
        if self.seen.get(&place) == Some(piece) {
            return false;
        }
        self.seen.insert(place, piece.clone());
        true
    }
}

fn domain_of(piece: &Piece) -> Option<&Domain> {
    piece.brick().map(|brick| &brick.domain)
}

fn is_transfer(history: &History, version: usize) -> bool {
    let value = history.version(version);
    value.is_some_and(|value| value.kind() == AnchorValueKind::Transfer)
}
