//! Finding the newest version that can still be opened.
//!
//! A version is lost when its brick map is missing, damaged, or sealed with
//! another key; the versions before it are not. The next version is signed on
//! top of the newest value all the same, so nothing of the history goes.
//!
//! **Source:** dsu specification §13 (recovery mode).

use keyssi::{BrickHash, KeySsi};
use thiserror::Error;

use crate::brick_map::BrickMap;
use crate::content::BrickRef;
use crate::history::History;
use crate::seal::{OpenMapError, open_map};

/// A search from the newest version to the oldest. It says which brick it
/// wants, and is told what came of it.
#[derive(Debug)]
pub struct Recovery<'a> {
    ssi: &'a KeySsi,
    history: &'a History,
    /// Versions that were not tried yet.
    left: usize,
    damaged: Vec<DamagedVersion>,
}

/// A version that cannot be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct DamagedVersion {
    /// The version, from 0.
    pub version: usize,
    /// Where its brick map should be.
    pub brick: BrickRef,
    /// What is wrong with it.
    pub damage: Damage,
}

/// Why a version cannot be opened.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Damage {
    /// No store has the brick map.
    #[error("the brick map {hash} is missing")]
    Missing {
        /// Its name.
        hash: BrickHash,
    },
    /// The bytes are not the brick map that was anchored.
    #[error("the brick map cannot be opened")]
    Unreadable(#[source] OpenMapError),
}

impl<'a> Recovery<'a> {
    /// A search that begins with the newest version.
    #[must_use]
    pub fn new(ssi: &'a KeySsi, history: &'a History) -> Self {
        Self {
            ssi,
            history,
            left: history.len(),
            damaged: Vec::new(),
        }
    }

    /// The version to try next and its brick map; `None` after the oldest.
    /// Entries without a brick map (transfers) are passed over.
    #[must_use]
    pub fn wanted(&self) -> Option<(usize, BrickRef)> {
        let versions = (0..self.left).rev();
        versions
            .into_iter()
            .find_map(|version| Some((version, self.history.brick_map(version)?)))
    }

    /// Tells what the stores have of the wanted brick, `None` if nothing. Gives
    /// the version and its map if it opens; otherwise the version is noted as
    /// damaged and the next older one is wanted.
    pub fn offer(&mut self, bytes: Option<&[u8]>) -> Option<(usize, BrickMap)> {
        let (version, brick) = self.wanted()?;
        self.left = version;
        let hash = brick.hash;
        let damage = match bytes.map(|bytes| open_map(self.ssi, &hash, bytes)) {
            Some(Ok(map)) => return Some((version, map)),
            Some(Err(error)) => Damage::Unreadable(error),
            None => Damage::Missing { hash },
        };
        self.damaged.push(DamagedVersion {
            version,
            brick,
            damage,
        });
        None
    }

    /// The versions that could not be opened, newest first.
    #[must_use]
    pub fn damaged(&self) -> &[DamagedVersion] {
        &self.damaged
    }
}
