//! Batches that somebody else sends in the name of the submitter.

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolError, SolValue};
use k256::elliptic_curve::PrimeField as _;
use k256::{Scalar, ecdsa::SigningKey};
use testkit::anvil::ACCOUNTS;

use super::{
    BadSignature, BatchAnchored, ID, NotSubmitter, STRANGER, SUBMITTER, WrongSequence, head,
    publish, publishCall, publishSignedCall, registry, root, statementCall,
};
use crate::contract::{Contract, account};

const CHAIN_ID: u64 = 31_337;

/// The batch with the submitter's signature.
pub(super) fn relayed(registry: &Contract, batch: &publishCall) -> publishSignedCall {
    let digest = statement(CHAIN_ID, &registry.address, batch);
    signed(batch, &sign(SUBMITTER, digest))
}

/// What the submitter signs, computed here from its definition.
fn statement(chain: u64, contract: &str, batch: &publishCall) -> B256 {
    let domain = keccak256("kiln/anchor-registry/batch/v1");
    let contract: Address = contract.parse().unwrap();
    let (id, sequence, size, root) = (batch.id, batch.sequence, batch.size, batch.root);
    let words = (
        domain,
        U256::from(chain),
        contract,
        id,
        sequence,
        size,
        root,
    );
    keccak256(words.abi_encode())
}

/// r, s and v. Ours have a low s.
fn sign(account: usize, digest: B256) -> [u8; 65] {
    let key = hex::decode(ACCOUNTS[account].key).unwrap();
    let key = SigningKey::from_slice(&key).unwrap();
    let (signature, recovery) = key.sign_prehash_recoverable(digest.as_slice());
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes[64] = 27 + u8::from(recovery.is_y_odd());
    bytes
}

fn signed(batch: &publishCall, signature: &[u8]) -> publishSignedCall {
    publishSignedCall {
        id: batch.id,
        sequence: batch.sequence,
        size: batch.size,
        root: batch.root,
        signature: Bytes::copy_from_slice(signature),
    }
}

#[test]
fn a_stranger_may_relay_what_the_submitter_signed() {
    let registry = registry();
    let batch = publish(1, 10, root(1));
    let digest = statement(CHAIN_ID, &registry.address, &batch);
    let told = statementCall {
        id: ID,
        sequence: 1,
        size: 10,
        root: root(1),
    };
    assert_eq!(registry.call(&told), digest);
    let signature = sign(SUBMITTER, digest);
    let bad = BadSignature { id: ID };
    for altered in malformed(&signature) {
        registry.refused(STRANGER, &signed(&batch, &altered), &bad);
    }
    let stranger = NotSubmitter {
        id: ID,
        caller: account(STRANGER),
    };
    let other_key = signed(&batch, &sign(STRANGER, digest));
    registry.refused(SUBMITTER, &other_key, &stranger);
    // Of another chain, contract or batch: the signature names some account that nobody has.
    let other = publish(1, 11, root(1));
    let elsewhere = statement(CHAIN_ID, ACCOUNTS[5].address, &batch);
    let strange = [
        (
            batch.clone(),
            sign(SUBMITTER, statement(1, &registry.address, &batch)),
        ),
        (batch.clone(), sign(SUBMITTER, elsewhere)),
        (other, signature),
    ];
    for (batch, signature) in strange {
        let refusal = registry.try_call(STRANGER, &signed(&batch, &signature));
        let refusal = refusal.map(drop).unwrap_err();
        let selector = hex::encode_prefixed(NotSubmitter::SELECTOR);
        assert!(refusal.starts_with(&selector), "{refusal}");
    }
    assert_eq!(head(&registry), (0, 0, B256::ZERO));
    let relayed = registry.send(STRANGER, &signed(&batch, &signature));
    assert_eq!(relayed.event::<BatchAnchored>().root, root(1));
    assert_eq!(head(&registry), (1, 10, root(1)));
    let again = WrongSequence {
        id: ID,
        expected: 2,
        given: 1,
    };
    registry.refused(STRANGER, &signed(&batch, &signature), &again);
}

/// The same signature in forms that are none.
fn malformed(signature: &[u8; 65]) -> Vec<Vec<u8>> {
    let s: [u8; 32] = signature[32..64].try_into().unwrap();
    let high = -Scalar::from_repr(s.into()).unwrap();
    let mut high_s = signature.to_vec();
    high_s[32..64].copy_from_slice(&high.to_repr());
    // The other s goes with the other v: outside this contract it would be as good.
    high_s[64] = 27 + 28 - signature[64];
    let with_v = |v: u8| {
        let mut bytes = signature.to_vec();
        bytes[64] = v;
        bytes
    };
    let mut zero_r = signature.to_vec();
    zero_r[..32].fill(0);
    vec![
        high_s,
        with_v(0),
        with_v(1),
        with_v(29),
        zero_r,
        Vec::new(),
        signature[..64].to_vec(),
        [signature.as_slice(), &[0]].concat(),
    ]
}
