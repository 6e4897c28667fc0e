//! A log with real signed anchors in it, made with `translog`, and its proofs.

use bs58::encode;
use keyssi::{AnchorId, AnchorSigner, AnchorValue, KeySsi, PrivateKey, Timestamp, check_history};
use sha2::{Digest as _, Sha256};
use translog::{
    Checkpoint, Entry, Extra, KeyName, LogKey, OnChain, Op, Opening, Origin, ProofFile, Salt,
    SignedNote, TileId, TileSet, Tree, WitnessKey,
};

pub(crate) const ORIGIN: &str = "anchors.example/default";
/// When the witness cosigned: long ago.
pub(crate) const COSIGNED_S: u64 = 1_795_190_400;
/// When the first version was signed; each one after is a second later.
pub(crate) const SIGNED_MS: u64 = 1_795_190_196_000;
/// A seed that protects nothing.
pub(crate) const SEED: &str = "ssi:seed:default:g+7szw3gw7SjPVDfbq4fvYWWo5V3f+12qaNy+bGLpEw=::v0";
/// Another one.
pub(crate) const OTHER_SEED: &str =
    "ssi:seed:default:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=::v0";

/// Entries, and the keys of the log and of its witness.
pub(crate) struct Log {
    pub(crate) key: LogKey,
    pub(crate) witness: WitnessKey,
    pub(crate) entries: Vec<(Entry, Opening)>,
}

/// The id and the signed versions of an anchor.
pub(crate) struct Anchor {
    pub(crate) id: AnchorId,
    pub(crate) values: Vec<AnchorValue>,
}

impl Anchor {
    /// An anchor of this owner with so many versions.
    pub(crate) fn new(seed: &str, versions: u64) -> Self {
        let signer = AnchorSigner::of_seed(&KeySsi::parse(seed).unwrap()).unwrap();
        let mut anchor = Self {
            id: signer.id().clone(),
            values: Vec::new(),
        };
        for version in 0..versions {
            let (hash, time) = (hash(version), time(version));
            let head = check_history(&anchor.id, anchor.values.clone()).unwrap();
            anchor.values.push(match &head {
                None => signer.create(&hash, &time).unwrap(),
                Some(head) => signer.append(head, &hash, &time).unwrap(),
            });
        }
        anchor
    }

    /// The same, handed over to another key at the end.
    pub(crate) fn handed_over(mut self, seed: &str) -> Self {
        let signer = AnchorSigner::of_seed(&KeySsi::parse(seed).unwrap()).unwrap();
        let head = check_history(&self.id, self.values.clone()).unwrap();
        let next = PrivateKey::from_bytes(&[9; 32]).unwrap().public_key();
        let time = time(self.values.len() as u64);
        self.values
            .push(signer.transfer(head.as_ref(), &next, &time).unwrap());
        self
    }

    /// A constant anchor.
    pub(crate) fn constant() -> Self {
        let ssi = KeySsi::constant("default", "guess me").unwrap();
        Self {
            id: AnchorId::of(&ssi).unwrap(),
            values: vec![AnchorValue::constant(&ssi, &hash(0)).unwrap()],
        }
    }

    /// The values, wrapped.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.values.iter().map(AnchorValue::as_str).collect()
    }
}

impl Log {
    pub(crate) fn new() -> Self {
        let origin = Origin::parse(ORIGIN).unwrap();
        let name = KeyName::parse("witness.example/w1").unwrap();
        Self {
            key: LogKey::from_seed(&origin, &[1; 32]),
            witness: WitnessKey::from_seed(&name, &[2; 32]),
            entries: Vec::new(),
        }
    }

    /// A log with these anchors, between others.
    pub(crate) fn with(anchors: &[&Anchor]) -> Self {
        let mut log = Self::new();
        log.fill(3);
        for anchor in anchors {
            for (version, value) in anchor.values.iter().enumerate() {
                let op = match (version, value.kind()) {
                    (_, keyssi::AnchorValueKind::HashLink) => Op::CreateConstant,
                    (_, keyssi::AnchorValueKind::Transfer) => Op::Transfer,
                    (0, _) => Op::Create,
                    _ => Op::Append,
                };
                log.add(op, anchor.id.plain(), value.plain());
            }
            log.fill(1);
        }
        log
    }

    /// Adds an entry and gives its place.
    pub(crate) fn add(&mut self, op: Op, id: &str, value: &str) -> u64 {
        let place = self.entries.len() as u64;
        let opening = Opening {
            salt: Salt(Sha256::digest(format!("salt {place}")).into()),
            anchor_id: id.to_owned(),
            anchor_value: value.to_owned(),
        };
        let entry = opening.commit(op, SIGNED_MS + 100 + place);
        self.entries.push((entry, opening));
        place
    }

    /// Entries of others.
    fn fill(&mut self, count: u64) {
        for number in 0..count {
            self.add(Op::Create, &format!("id {number}"), "value");
        }
    }

    /// The place of a value.
    pub(crate) fn place_of(&self, value: &AnchorValue) -> u64 {
        let mut all = self.entries.iter();
        let place = all.position(|(_, opening)| opening.anchor_value == value.plain());
        place.unwrap() as u64
    }

    pub(crate) fn vkey(&self) -> String {
        self.key.verifier().to_string()
    }

    pub(crate) fn witness_vkey(&self) -> String {
        self.witness.verifier().to_string()
    }

    /// A policy that asks for the witness.
    pub(crate) fn policy(&self) -> String {
        let (log, witness) = (self.vkey(), self.witness_vkey());
        format!("log {log}\nwitness w1 {witness}\nquorum w1\n")
    }

    /// The checkpoint of the whole tree.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let mut tree = Tree::new();
        for (entry, _) in &self.entries {
            tree.push(entry.leaf_hash());
        }
        Checkpoint {
            origin: Origin::parse(ORIGIN).unwrap(),
            size: tree.size(),
            root: tree.root(),
            extensions: Vec::new(),
        }
    }

    /// The proof of the entry at this place, in the checkpoint of the whole tree, cosigned.
    pub(crate) fn proof(&self, place: u64) -> ProofFile {
        let mut proof = self.proof_without_witness(place);
        let line = self.witness.cosign(&self.checkpoint(), COSIGNED_S);
        proof.note.add(line).unwrap();
        proof
    }

    pub(crate) fn proof_without_witness(&self, place: u64) -> ProofFile {
        let checkpoint = self.checkpoint();
        let leaves = self.entries.iter().map(|(entry, _)| entry.leaf_hash());
        let leaves: Vec<_> = leaves.collect();
        let width = u16::try_from(leaves.len()).unwrap();
        let mut tiles = TileSet::new();
        let tile = TileId::new(0, 0, width).unwrap();
        tiles.insert(tile, &leaves.concat()).unwrap();
        let (entry, opening) = self.entries[usize::try_from(place).unwrap()].clone();
        ProofFile {
            extra: Some(Extra {
                entry,
                opening,
                chain: None,
            }),
            index: place,
            hashes: tiles.inclusion_proof(place, checkpoint.size).unwrap(),
            note: SignedNote::new(&checkpoint, self.key.sign(&checkpoint)),
        }
    }
}

/// A claim that the root is on a chain.
pub(crate) fn claim(contract: &str, transaction: &str) -> OnChain {
    OnChain {
        chain_id: 31_337,
        contract: contract.to_owned(),
        block: 2,
        transaction: transaction.to_owned(),
        sequence: 1,
    }
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    alloy_primitives::hex::encode(bytes)
}

/// The hash of a brick map that does not exist.
pub(crate) fn hash(number: u64) -> String {
    encode(Sha256::digest(format!("brick map {number}"))).into_string()
}

fn time(number: u64) -> Timestamp {
    Timestamp::from_millis(SIGNED_MS + number * 1000)
}
