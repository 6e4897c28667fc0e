//! `kiln anchor verify --rpc`: what is read from a real chain, and what is not believed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use alloy_primitives::{B256, hex};
use alloy_sol_types::{SolCall, SolValue, sol};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::anvil::{ACCOUNTS, Anvil};
use translog::{Checkpoint, OnChain};

use crate::log::{Anchor, Log, ORIGIN, SEED, claim};
use crate::place::Place;

sol! {
    function register(bytes32 id, address submitter) external;
    function publish(bytes32 id, uint64 sequence, uint64 size, bytes32 root) external;
}

/// A chain with a registry, the proof of an anchor, and a folder to work in.
struct World {
    chain: Anvil,
    rpc: String,
    registry: String,
    place: Place,
    log: Log,
    entry: u64,
}

impl World {
    fn start() -> Result<Self> {
        let chain = Anvil::start()?;
        let registry = deploy(&chain)?;
        let anchor = Anchor::new(SEED, 1);
        let (place, log) = (Place::offline()?, Log::with(&[&anchor]));
        place.write("policy", &log.policy())?;
        Ok(Self {
            rpc: chain.rpc_url(),
            registry,
            entry: log.place_of(&anchor.values[0]),
            chain,
            place,
            log,
        })
    }

    /// Publishes a root as the next batch and gives the transaction.
    fn publish(&self, id: B256, sequence: u64, checkpoint: &Checkpoint) -> Result<String> {
        let call = publishCall {
            id,
            sequence,
            size: checkpoint.size,
            root: checkpoint.root.into(),
        };
        self.send(&call)
    }

    fn send(&self, call: &impl SolCall) -> Result<String> {
        transact(&self.chain, &self.registry, call)
    }

    /// Writes the proof with this claim about the chain.
    fn claim(&self, claimed: OnChain) -> Result<()> {
        let mut proof = self.log.proof(self.entry);
        proof.extra.as_mut().unwrap().chain = Some(claimed);
        self.place.write("proof", &proof.to_string())
    }

    fn verify<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let verify = [
            "anchor", "verify", "proof", "--policy", "policy", "--rpc", &self.rpc,
        ];
        verify.into_iter().chain(more.iter().copied()).collect()
    }
}

/// Makes a registry that the first account owns.
pub(crate) fn deploy(chain: &Anvil) -> Result<String> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../anchor-service/contracts/artifacts/AnchorRegistry.json"
    );
    let artefact: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let owner: alloy_primitives::Address = ACCOUNTS[0].address.parse()?;
    let bytecode = artefact["bytecode"].as_str().context("no bytecode")?;
    Ok(chain.deploy(bytecode, &hex::encode(owner.abi_encode()))?)
}

/// Calls a registry as the first account and gives the transaction.
fn transact(chain: &Anvil, registry: &str, call: &impl SolCall) -> Result<String> {
    let data = hex::encode_prefixed(call.abi_encode());
    let from = ACCOUNTS[0].address;
    let receipt = chain.transact(json!({"from": from, "to": registry, "data": data}))?;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let hash = receipt["transactionHash"].as_str();
    Ok(hash.context("no transaction hash")?.to_owned())
}

/// Lets an account of the chain publish for a log.
pub(crate) fn register_log(
    chain: &Anvil,
    registry: &str,
    origin: &str,
    account: usize,
) -> Result<()> {
    let submitter = ACCOUNTS[account].address.parse()?;
    let call = registerCall {
        id: id(origin),
        submitter,
    };
    transact(chain, registry, &call).map(drop)
}

/// SHA-256 of the name of a log.
fn id(origin: &str) -> B256 {
    B256::from(<[u8; 32]>::from(Sha256::digest(origin)))
}

fn register(world: &World, origin: &str) -> Result<()> {
    register_log(&world.chain, &world.registry, origin, 0)
}

#[test]
fn a_root_on_the_chain_is_proven_by_the_contract_that_the_user_names() -> Result<()> {
    let world = World::start()?;
    register(&world, ORIGIN)?;
    let transaction = world.publish(id(ORIGIN), 1, &world.log.checkpoint())?;
    world.claim(claim(&world.registry, &transaction))?;
    let named = ["--contract", &world.registry];

    let told = world.place.ok(&world.verify(&named))?;
    let (proven, not) = told.split_once("not proven\n").unwrap();
    assert!(
        proven.contains("the root is on chain 31337 since "),
        "{told}"
    );
    assert!(
        proven.contains("that you named") && proven.contains(&transaction),
        "{told}"
    );
    assert!(!not.contains("contract"), "{told}");
    let json = world.place.json(&world.verify(&named))?;
    assert_eq!(json["chain"]["chain_id"], 31_337);
    assert_eq!(json["chain"]["contract_named_by"], "option");
    assert_eq!(json["chain"]["sequence"], 1);
    assert_eq!(json["chain"]["transaction"], json!(transaction));

    // Not named: the same is read, and it is said that it proves less.
    let told = world.place.ok(&world.verify(&[]))?;
    let (proven, not) = told.split_once("not proven\n").unwrap();
    assert!(proven.contains("that the proof itself names"), "{told}");
    assert!(not.contains("anybody can make such a contract"), "{told}");

    // Named by the policy, for this chain.
    let policy = world.log.policy();
    let comment = |chain_id: u64| format!("{policy}# contract {chain_id} {}\n", world.registry);
    world.place.write("policy", &comment(31_337))?;
    let json = world.place.json(&world.verify(&[]))?;
    assert_eq!(json["chain"]["contract_named_by"], "policy");
    world.place.write("policy", &comment(1))?;
    let json = world.place.json(&world.verify(&[]))?;
    assert_eq!(json["chain"]["contract_named_by"], "proof");
    Ok(())
}

#[test]
fn what_the_proof_says_of_the_chain_is_not_believed() -> Result<()> {
    let world = World::start()?;
    let good = world.log.checkpoint();
    register(&world, ORIGIN)?;
    register(&world, "elsewhere")?;
    let elsewhere = world.publish(id("elsewhere"), 1, &good)?;
    let smaller = Checkpoint {
        size: good.size - 1,
        ..good.clone()
    };
    let forked = Checkpoint {
        root: [7; 32],
        ..good.clone()
    };
    let other_size = world.publish(id(ORIGIN), 1, &smaller)?;
    let other_root = world.publish(id(ORIGIN), 2, &forked)?;
    let larger = Checkpoint {
        size: good.size + 1,
        ..good
    };
    let no_batch = {
        let call = registerCall {
            id: id("third"),
            submitter: ACCOUNTS[1].address.parse()?,
        };
        world.send(&call)?
    };
    let also_larger = world.publish(id(ORIGIN), 3, &larger)?;
    let (registry, account) = (world.registry.clone(), ACCOUNTS[3].address);
    let second = deploy(&world.chain)?;
    let none = format!("0x{}", "0".repeat(64));
    let cases = [
        (
            "another log",
            claim(&registry, &elsewhere),
            "of another log",
        ),
        (
            "another size",
            claim(&registry, &other_size),
            "of another size",
        ),
        ("larger", claim(&registry, &also_larger), "of another size"),
        (
            "a fork",
            claim(&registry, &other_root),
            "it shows two histories",
        ),
        (
            "no batch",
            claim(&registry, &no_batch),
            "published no batch",
        ),
        (
            "no transaction",
            claim(&registry, &none),
            "is not on the chain",
        ),
        (
            "another registry",
            claim(&second, &other_root),
            "published no batch",
        ),
        (
            "no contract",
            claim(account, &other_root),
            "there is no contract",
        ),
        (
            "another chain",
            OnChain {
                chain_id: 1,
                ..claim(&registry, &other_root)
            },
            "the proof names chain 1, and the RPC serves 31337",
        ),
    ];
    for (what, claimed, words) in cases {
        world.claim(claimed)?;
        world
            .place
            .fails(1, words, &world.verify(&[]))
            .with_context(|| what)?;
    }
    // Of two contracts the user's counts.
    world.claim(claim(&second, &other_root))?;
    let named = ["--contract", &world.registry];
    world
        .place
        .fails(1, "is the one to trust", &world.verify(&named))?;
    // A proof that claims nothing.
    let proof = world.log.proof(world.entry);
    world.place.write("proof", &proof.to_string())?;
    world
        .place
        .fails(1, "names no transaction", &world.verify(&named))?;
    Ok(())
}

#[test]
fn another_number_of_the_batch_is_noticed() -> Result<()> {
    let world = World::start()?;
    register(&world, ORIGIN)?;
    let transaction = world.publish(id(ORIGIN), 1, &world.log.checkpoint())?;
    let claimed = claim(&world.registry, &transaction);
    world.claim(OnChain {
        sequence: 2,
        ..claimed.clone()
    })?;
    world
        .place
        .fails(1, "of another number", &world.verify(&[]))?;
    // The block may change when a chain is reorganised: it is read from the chain.
    world.claim(OnChain {
        block: 77,
        ..claimed
    })?;
    assert_ne!(world.place.json(&world.verify(&[]))?["chain"]["block"], 77);
    Ok(())
}

#[test]
fn a_chain_that_cannot_be_asked_proves_nothing() -> Result<()> {
    let mut world = World::start()?;
    world.claim(claim(&world.registry, &format!("0x{}", "1".repeat(64))))?;
    world.chain.stop()?;
    world
        .place
        .fails(4, "the chain cannot be asked", &world.verify(&[]))?;
    for bad in ["", "127.0.0.1:8545", "ftp://user:word@host"] {
        let said = world.place.fails(
            2,
            "--rpc is no address",
            &[
                "anchor", "verify", "proof", "--policy", "policy", "--rpc", bad,
            ],
        )?;
        assert!(!said.contains("word@"), "{said}");
    }
    world.place.fails(
        2,
        "--contract is no address",
        &world.verify(&["--contract", "0x12"]),
    )?;

    let server = TcpListener::bind("127.0.0.1:0")?;
    world.rpc = format!("http://{}", server.local_addr()?);
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n<no>");
    });
    world
        .place
        .fails(15, "the chain cannot be asked", &world.verify(&[]))?;
    answering.join().unwrap();
    Ok(())
}
