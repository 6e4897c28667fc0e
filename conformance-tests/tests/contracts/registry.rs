//! `AnchorRegistry`: who may do what, which batches are taken, and what that costs.

mod signed;

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::{SolEvent, SolValue, sol};
use serde_json::json;

use crate::contract::{Contract, account};

sol! {
    #[derive(Debug, PartialEq, Eq)]
    event BatchAnchored(bytes32 indexed originHash, uint64 indexed sequence, uint64 size, uint64 time, bytes32 root, bytes32 previousRoot);
    #[derive(Debug, PartialEq, Eq)]
    event SubmitterChanged(bytes32 indexed originHash, address indexed previous, address indexed submitter);
    #[derive(Debug, PartialEq, Eq)]
    event OwnershipOffered(address indexed owner, address indexed pendingOwner);
    #[derive(Debug, PartialEq, Eq)]
    event OwnershipTransferred(address indexed previous, address indexed owner);

    error NotOwner(address caller);
    error NotPendingOwner(address caller);
    error ZeroAddress();
    error UnknownLog(bytes32 id);
    error NotSubmitter(bytes32 id, address caller);
    error WrongSequence(bytes32 id, uint64 expected, uint64 given);
    error SizeNotGrowing(bytes32 id, uint64 last, uint64 given);
    error BadSignature(bytes32 id);

    function owner() external view returns (address);
    function pendingOwner() external view returns (address);
    function register(bytes32 id, address submitter) external;
    function transferOwnership(address newOwner) external;
    function acceptOwnership() external;
    function publish(bytes32 id, uint64 sequence, uint64 size, bytes32 root) external;
    function publishKeep(bytes32 id, uint64 sequence, uint64 size, bytes32 root) external;
    function publishSigned(bytes32 id, uint64 sequence, uint64 size, bytes32 root, bytes signature) external;
    function statement(bytes32 id, uint64 sequence, uint64 size, bytes32 root) external view returns (bytes32);
    #[derive(Debug, PartialEq, Eq)]
    function head(bytes32 id) external view returns (uint64 sequence, uint64 size, uint64 time, bytes32 root, address submitter);
    function keptRoot(bytes32 id, uint64 sequence) external view returns (bytes32);
}

/// Accounts of the chain, by what they do here.
const OWNER: usize = 0;
const SUBMITTER: usize = 1;
const STRANGER: usize = 2;

pub(crate) const ID: B256 = B256::repeat_byte(0x1d);
/// Most gas that a batch may cost after the first (translog specification §10).
const PUBLISH_GAS_MAX: u64 = 39_000;

/// A registry in which `ID` is registered.
pub(crate) fn registry() -> Contract {
    let registry = Contract::deploy("AnchorRegistry", &account(OWNER).abi_encode());
    registry.send(OWNER, &register(ID, SUBMITTER));
    registry
}

/// Publishes a batch as the submitter.
pub(crate) fn publish_batch(registry: &Contract, sequence: u64, size: u64, root: B256) {
    registry.send(SUBMITTER, &publish(sequence, size, root));
}

fn register(id: B256, submitter: usize) -> registerCall {
    let submitter = account(submitter);
    registerCall { id, submitter }
}

fn publish(sequence: u64, size: u64, root: B256) -> publishCall {
    publishCall {
        id: ID,
        sequence,
        size,
        root,
    }
}

fn root(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn head(registry: &Contract) -> (u64, u64, B256) {
    let head = registry.call(&headCall { id: ID });
    (head.sequence, head.size, head.root)
}

#[test]
fn a_registered_log_takes_batches_and_tells_its_head() {
    let registry = Contract::deploy("AnchorRegistry", &account(OWNER).abi_encode());
    let nothing = headReturn {
        sequence: 0,
        size: 0,
        time: 0,
        root: B256::ZERO,
        submitter: Address::ZERO,
    };
    assert_eq!(registry.call(&headCall { id: ID }), nothing);
    let registered = registry.send(OWNER, &register(ID, SUBMITTER));
    let submitter = account(SUBMITTER);
    let expected = SubmitterChanged {
        originHash: ID,
        previous: Address::ZERO,
        submitter,
    };
    assert_eq!(registered.event::<SubmitterChanged>(), expected);
    let mut previous = B256::ZERO;
    for (sequence, size) in [(1, 1), (2, 2), (3, 1_300), (4, u64::MAX)] {
        let mined = registry.send(SUBMITTER, &publish(sequence, size, root(sequence)));
        let block = format!("{:#x}", mined.block());
        let block = registry
            .chain
            .rpc("eth_getBlockByNumber", json!([block, false]));
        let time = block.unwrap()["timestamp"].as_str().unwrap().to_owned();
        let time = u64::from_str_radix(&time[2..], 16).unwrap();
        let expected = BatchAnchored {
            originHash: ID,
            sequence,
            size,
            time,
            root: root(sequence),
            previousRoot: previous,
        };
        assert_eq!(mined.event::<BatchAnchored>(), expected);
        previous = root(sequence);
        let expected = headReturn {
            sequence,
            size,
            time,
            root: previous,
            submitter,
        };
        assert_eq!(registry.call(&headCall { id: ID }), expected);
    }
    let signature = "BatchAnchored(bytes32,uint64,uint64,uint64,bytes32,bytes32)";
    assert_eq!(BatchAnchored::SIGNATURE, signature);
}

#[test]
fn what_breaks_a_rule_is_refused_with_the_values() {
    let registry = registry();
    let other = B256::repeat_byte(7);
    registry.refused(
        STRANGER,
        &register(other, STRANGER),
        &NotOwner {
            caller: account(STRANGER),
        },
    );
    let zero = registerCall {
        id: other,
        submitter: Address::ZERO,
    };
    registry.refused(OWNER, &zero, &ZeroAddress {});
    let unknown = publishCall {
        id: other,
        ..publish(1, 1, root(1))
    };
    registry.refused(SUBMITTER, &unknown, &UnknownLog { id: other });
    let wrong_sequence = |expected, given| WrongSequence {
        id: ID,
        expected,
        given,
    };
    let not_growing = |last, given| SizeNotGrowing {
        id: ID,
        last,
        given,
    };
    for given in [0, 2, u64::MAX] {
        registry.refused(
            SUBMITTER,
            &publish(given, 5, root(1)),
            &wrong_sequence(1, given),
        );
    }
    registry.refused(SUBMITTER, &publish(1, 0, root(1)), &not_growing(0, 0));
    assert_eq!(head(&registry), (0, 0, B256::ZERO));
    publish_batch(&registry, 1, 10, root(1));
    for given in [0, 1, 3] {
        registry.refused(
            SUBMITTER,
            &publish(given, 11, root(2)),
            &wrong_sequence(2, given),
        );
    }
    for given in [0, 9, 10] {
        registry.refused(
            SUBMITTER,
            &publish(2, given, root(2)),
            &not_growing(10, given),
        );
    }
    for caller in [OWNER, STRANGER] {
        let error = NotSubmitter {
            id: ID,
            caller: account(caller),
        };
        registry.refused(caller, &publish(2, 11, root(2)), &error);
        let keep = publishKeepCall {
            id: ID,
            sequence: 2,
            size: 11,
            root: root(2),
        };
        registry.refused(caller, &keep, &error);
    }
    assert_eq!(head(&registry), (1, 10, root(1)));
    let created = Contract::deploy_on(
        &registry.chain,
        "AnchorRegistry",
        &Address::ZERO.abi_encode(),
    );
    assert!(created.is_err());
}

#[test]
fn another_submitter_continues_the_log_and_the_old_one_cannot() {
    let registry = registry();
    publish_batch(&registry, 1, 10, root(1));
    let changed = registry
        .send(OWNER, &register(ID, STRANGER))
        .event::<SubmitterChanged>();
    assert_eq!(changed.previous, account(SUBMITTER));
    assert_eq!(changed.submitter, account(STRANGER));
    let error = NotSubmitter {
        id: ID,
        caller: account(SUBMITTER),
    };
    registry.refused(SUBMITTER, &publish(2, 11, root(2)), &error);
    registry.send(STRANGER, &publish(2, 11, root(2)));
    assert_eq!(head(&registry), (2, 11, root(2)));
}

#[test]
fn ownership_passes_in_two_steps() {
    let registry = registry();
    let offer = |to| transferOwnershipCall { newOwner: to };
    let new = account(STRANGER);
    registry.refused(STRANGER, &offer(new), &NotOwner { caller: new });
    registry.refused(
        STRANGER,
        &acceptOwnershipCall {},
        &NotPendingOwner { caller: new },
    );
    let offered = registry
        .send(OWNER, &offer(new))
        .event::<OwnershipOffered>();
    assert_eq!((offered.owner, offered.pendingOwner), (account(OWNER), new));
    registry.send(OWNER, &offer(Address::ZERO));
    registry.refused(
        STRANGER,
        &acceptOwnershipCall {},
        &NotPendingOwner { caller: new },
    );
    registry.send(OWNER, &offer(new));
    let caller = account(SUBMITTER);
    registry.refused(
        SUBMITTER,
        &acceptOwnershipCall {},
        &NotPendingOwner { caller },
    );
    assert_eq!(registry.call(&ownerCall {}), account(OWNER));
    let taken = registry.send(STRANGER, &acceptOwnershipCall {});
    let taken = taken.event::<OwnershipTransferred>();
    assert_eq!((taken.previous, taken.owner), (account(OWNER), new));
    assert_eq!(registry.call(&ownerCall {}), new);
    assert_eq!(registry.call(&pendingOwnerCall {}), Address::ZERO);
    let caller = account(OWNER);
    registry.refused(OWNER, &register(ID, OWNER), &NotOwner { caller });
    registry.send(STRANGER, &register(ID, OWNER));
}

#[test]
fn kept_roots_stay_readable() {
    let registry = registry();
    let keep = |sequence, size| publishKeepCall {
        id: ID,
        sequence,
        size,
        root: root(sequence),
    };
    registry.send(SUBMITTER, &keep(1, 5));
    publish_batch(&registry, 2, 6, root(2));
    let kept = registry
        .send(SUBMITTER, &keep(3, 7))
        .event::<BatchAnchored>();
    assert_eq!((kept.sequence, kept.previousRoot), (3, root(2)));
    assert_eq!(head(&registry), (3, 7, root(3)));
    for (sequence, expected) in [(0, B256::ZERO), (1, root(1)), (2, B256::ZERO), (3, root(3))] {
        let kept = registry.call(&keptRootCall { id: ID, sequence });
        assert_eq!(kept, expected, "{sequence}");
    }
}

#[test]
fn a_batch_costs_what_the_specification_says() {
    let registry = registry();
    let first = registry.send(SUBMITTER, &publish(1, 1_000, root(1))).gas();
    let later = (2..=10).map(|it| registry.send(SUBMITTER, &publish(it, it * 1_000, root(it))));
    let later = later.map(|it| it.gas()).max().unwrap();
    let batch = publish(11, 11_000, root(11));
    let relayed = registry.send(STRANGER, &signed::relayed(&registry, &batch));
    let relayed = relayed.gas();
    let keep = publishKeepCall {
        id: ID,
        sequence: 12,
        size: 12_000,
        root: root(12),
    };
    let kept = registry.send(SUBMITTER, &keep).gas();
    println!(
        "gas of a batch: publish {first} first, then at most {later}, signed {relayed}, kept {kept}"
    );
    assert!(later <= PUBLISH_GAS_MAX, "{later}");
}
