//! The manifest of an archive: one DAG-CBOR block that names everything else in it.
//!
//! ```text
//! {"format": "kiln-dsu-archive", "version": 1, "dsus": [
//!   {"anchor": "<id, base58>", "values": ["<anchor value, base58>", …],
//!    "bricks": [{"domain": "<domain>", "links": [CID, …]}, …]}, …]}
//! ```
//!
//! Only the one canonical encoding is read, so that the root CID of equal manifests is equal.

use std::collections::HashSet;

use car::Cid;
use keyssi::{AnchorId, AnchorIdError, BrickHash, Domain, DomainError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the manifest calls itself.
const FORMAT: &str = "kiln-dsu-archive";
/// The version of the format that is written, and the only one that is read.
const VERSION: u64 = 1;

/// Everything that an archive holds, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveManifest {
    /// The DSUs; the one that was exported first, those mounted in it after it.
    pub dsus: Vec<ArchivedDsu>,
}

/// One DSU of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedDsu {
    /// Its anchor.
    pub anchor: AnchorId,
    /// All values of the anchor, oldest first, in the wrapped form.
    pub values: Vec<String>,
    /// Its bricks, each once: of each version the brick map, then what its files added.
    pub bricks: Vec<DomainBricks>,
}

/// Bricks of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainBricks {
    /// The domain.
    pub domain: Domain,
    /// The bricks.
    pub hashes: Vec<BrickHash>,
}

/// Why a block is not the manifest of an archive that can be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestFault {
    /// DAG-CBOR, perhaps, and something else.
    #[error("the archive does not hold DSUs: its root is no manifest of this format")]
    AnotherFormat,
    /// A version of the format that is not known here.
    #[error("the archive has version {found} of the format, only version {VERSION} is read")]
    AnotherVersion {
        /// Its version.
        found: u64,
    },
    /// Not what the format says.
    #[error("the manifest is malformed")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The right content in another encoding than the canonical one.
    #[error("the manifest is not encoded canonically")]
    NotCanonical,
    /// An anchor id that is none.
    #[error("DSU {dsu} of the manifest has no anchor id")]
    BadAnchor {
        /// Its place, from 0.
        dsu: usize,
        /// What is wrong with the text.
        #[source]
        source: AnchorIdError,
    },
    /// A domain that is none.
    #[error("DSU {dsu} of the manifest has bricks in a malformed domain")]
    BadDomain {
        /// Its place, from 0.
        dsu: usize,
        /// What is wrong with the text.
        #[source]
        source: DomainError,
    },
    /// A link to something else than a brick.
    #[error("DSU {dsu} of the manifest links what is no brick")]
    BadLink {
        /// Its place, from 0.
        dsu: usize,
        /// What is wrong with the CID.
        #[source]
        source: car::CidError,
    },
    /// The same DSU, or the same brick of a DSU, is named twice.
    #[error("DSU {dsu} of the manifest, or a brick of it, is named twice")]
    Repeated {
        /// Its place, from 0.
        dsu: usize,
    },
    /// Nothing in it.
    #[error("the manifest names no DSU, or DSU {dsu} of it has no versions")]
    Empty {
        /// Its place, from 0.
        dsu: usize,
    },
}

/// The members are declared in their canonical order: shorter keys first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    dsus: Vec<DsuMember>,
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DsuMember {
    anchor: String,
    bricks: Vec<BricksMember>,
    values: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BricksMember {
    links: Vec<Cid>,
    domain: String,
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    version: u64,
}

impl ArchiveManifest {
    /// Reads the block.
    ///
    /// # Errors
    /// [`ManifestFault`]; what a newer version of the format has in addition is refused too.
    pub fn parse(block: &[u8]) -> Result<Self, ManifestFault> {
        let preamble: Preamble =
            serde_ipld_dagcbor::from_slice(block).map_err(|_| ManifestFault::AnotherFormat)?;
        if preamble.format != FORMAT {
            return Err(ManifestFault::AnotherFormat);
        }
        if preamble.version != VERSION {
            let found = preamble.version;
            return Err(ManifestFault::AnotherVersion { found });
        }
        let document: Document = serde_ipld_dagcbor::from_slice(block)
            .map_err(|error| ManifestFault::Malformed(Box::new(error)))?;
        let read = document.dsus.into_iter().enumerate();
        let dsus: Vec<_> = read
            .map(|(dsu, member)| member.read(dsu))
            .collect::<Result<_, _>>()?;
        if dsus.is_empty() {
            return Err(ManifestFault::Empty { dsu: 0 });
        }
        let mut anchors = HashSet::new();
        for (dsu, archived) in dsus.iter().enumerate() {
            if !anchors.insert(&archived.anchor) {
                return Err(ManifestFault::Repeated { dsu });
            }
        }
        let manifest = Self { dsus };
        if manifest.to_block() != block {
            return Err(ManifestFault::NotCanonical);
        }
        Ok(manifest)
    }

    /// The block, in its canonical encoding.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "writing texts, links and a number into memory does not fail"
    )]
    pub fn to_block(&self) -> Vec<u8> {
        let document = Document {
            dsus: self.dsus.iter().map(DsuMember::of).collect(),
            format: FORMAT.to_owned(),
            version: VERSION,
        };
        serde_ipld_dagcbor::to_vec(&document).expect("DAG-CBOR")
    }

    /// The bricks in the order in which they follow the manifest: as they are linked, each once
    /// however many DSUs have it.
    pub fn blocks(&self) -> impl Iterator<Item = BrickHash> + '_ {
        let mut seen = HashSet::new();
        let groups = self.dsus.iter().flat_map(|archived| &archived.bricks);
        groups
            .flat_map(|group| group.hashes.iter().copied())
            .filter(move |hash| seen.insert(*hash))
    }
}

impl ArchivedDsu {
    /// All its bricks with their domains.
    pub(super) fn linked(&self) -> HashSet<(&Domain, BrickHash)> {
        let groups = self.bricks.iter();
        let bricks =
            groups.flat_map(|group| group.hashes.iter().map(|hash| (&group.domain, *hash)));
        bricks.collect()
    }
}

impl DsuMember {
    fn of(archived: &ArchivedDsu) -> Self {
        let group = |group: &DomainBricks| BricksMember {
            links: group.hashes.iter().map(car::brick_cid).collect(),
            domain: group.domain.to_string(),
        };
        Self {
            anchor: archived.anchor.as_str().to_owned(),
            bricks: archived.bricks.iter().map(group).collect(),
            values: archived.values.clone(),
        }
    }

    fn read(self, dsu: usize) -> Result<ArchivedDsu, ManifestFault> {
        let anchor = AnchorId::parse_wrapped(&self.anchor)
            .map_err(|source| ManifestFault::BadAnchor { dsu, source })?;
        if self.values.is_empty() {
            return Err(ManifestFault::Empty { dsu });
        }
        let mut bricks: Vec<DomainBricks> = Vec::with_capacity(self.bricks.len());
        for group in self.bricks {
            let group = group.read(dsu)?;
            if bricks.iter().any(|other| other.domain == group.domain) {
                return Err(ManifestFault::Repeated { dsu });
            }
            bricks.push(group);
        }
        Ok(ArchivedDsu {
            anchor,
            values: self.values,
            bricks,
        })
    }
}

impl BricksMember {
    fn read(self, dsu: usize) -> Result<DomainBricks, ManifestFault> {
        let domain = self
            .domain
            .parse()
            .map_err(|source| ManifestFault::BadDomain { dsu, source })?;
        let hashes: Vec<_> = self
            .links
            .iter()
            .map(car::brick_hash)
            .collect::<Result<_, _>>()
            .map_err(|source| ManifestFault::BadLink { dsu, source })?;
        let distinct: HashSet<_> = hashes.iter().collect();
        if distinct.len() != hashes.len() {
            return Err(ManifestFault::Repeated { dsu });
        }
        Ok(DomainBricks { domain, hashes })
    }
}

#[cfg(test)]
mod tests {
    use ipld_core::ipld::Ipld;
    use keyssi::{KeySsi, PrivateKey};

    use super::*;

    fn manifest() -> ArchiveManifest {
        let key = PrivateKey::generate(&mut rand_core::UnwrapErr(getrandom::SysRng));
        let anchor = AnchorId::of(&KeySsi::seed("default", &key).unwrap()).unwrap();
        let hash = |byte| BrickHash::from_bytes([byte; 32]);
        let group = |domain: &str, hashes: &[u8]| DomainBricks {
            domain: domain.parse().unwrap(),
            hashes: hashes.iter().copied().map(hash).collect(),
        };
        let bricks = vec![group("default", &[2, 1]), group("other", &[3, 2])];
        let values = vec!["one".to_owned(), "two".to_owned()];
        ArchiveManifest {
            dsus: vec![ArchivedDsu {
                anchor,
                values,
                bricks,
            }],
        }
    }

    /// The manifest as it would be with one change.
    fn changed(change: impl FnOnce(&mut std::collections::BTreeMap<String, Ipld>)) -> Vec<u8> {
        let mut ipld: Ipld = serde_ipld_dagcbor::from_slice(&manifest().to_block()).unwrap();
        let Ipld::Map(root) = &mut ipld else {
            panic!("the root is a map");
        };
        change(root);
        serde_ipld_dagcbor::to_vec(&ipld).unwrap()
    }

    #[test]
    fn a_manifest_is_canonical_and_comes_back() {
        let manifest = manifest();
        let block = manifest.to_block();
        assert_eq!(ArchiveManifest::parse(&block).unwrap(), manifest);
        let ipld: Ipld = serde_ipld_dagcbor::from_slice(&block).unwrap();
        assert_eq!(serde_ipld_dagcbor::to_vec(&ipld).unwrap(), block);
        let order: Vec<_> = manifest.blocks().map(|hash| hash.as_bytes()[0]).collect();
        assert_eq!(order, [2, 1, 3]);
    }

    #[test]
    fn what_is_not_this_format_is_refused_by_name() {
        let newer = changed(|root| {
            root.insert("version".into(), Ipld::Integer(2));
            root.insert("more".into(), Ipld::Null);
        });
        let refused = ArchiveManifest::parse(&newer).unwrap_err();
        assert!(matches!(
            refused,
            ManifestFault::AnotherVersion { found: 2 }
        ));
        let more = changed(|root| {
            root.insert("more".into(), Ipld::Null);
        });
        let refused = ArchiveManifest::parse(&more).unwrap_err();
        assert!(
            matches!(refused, ManifestFault::Malformed(_)),
            "{refused:?}"
        );
        let other = changed(|root| {
            root.insert("format".into(), Ipld::String("other".into()));
        });
        let refused = ArchiveManifest::parse(&other).unwrap_err();
        assert!(matches!(refused, ManifestFault::AnotherFormat));
        let empty = changed(|root| {
            root.insert("dsus".into(), Ipld::List(Vec::new()));
        });
        let refused = ArchiveManifest::parse(&empty).unwrap_err();
        assert!(matches!(refused, ManifestFault::Empty { dsu: 0 }));
        for junk in [&b""[..], b"\xa0", b"junk", b"\xf6"] {
            let refused = ArchiveManifest::parse(junk).unwrap_err();
            assert!(matches!(refused, ManifestFault::AnotherFormat));
        }
    }

    #[test]
    fn what_is_named_twice_is_refused() {
        let mut twice = manifest();
        twice.dsus.push(twice.dsus[0].clone());
        let refused = ArchiveManifest::parse(&twice.to_block()).unwrap_err();
        assert!(matches!(refused, ManifestFault::Repeated { dsu: 1 }));
        let mut twice = manifest();
        twice.dsus[0].bricks[0].hashes[0] = twice.dsus[0].bricks[0].hashes[1];
        let refused = ArchiveManifest::parse(&twice.to_block()).unwrap_err();
        assert!(matches!(refused, ManifestFault::Repeated { dsu: 0 }));
    }

    #[test]
    fn another_encoding_of_the_same_is_refused() {
        let block = manifest().to_block();
        // The version, 1, is the last byte; in two bytes it is the same number.
        let (last, rest) = block.split_last().unwrap();
        let longer = [rest, &[0x18, *last]].concat();
        assert!(ArchiveManifest::parse(&longer).is_err());
        assert!(ArchiveManifest::parse(&[&block[..], b"\x00"].concat()).is_err());
    }
}
