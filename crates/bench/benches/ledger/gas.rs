//! Gas on a real chain: an anchor by the size of the batch whose root is published, and one that
//! goes to the anchoring contract itself.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use evm::{
    Address, Anchoring, B256, Chain, ChainConfig, ChainKey, Registry, RpcUrl, Sender, Statement,
    Status, Timing, Written,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use testkit::anvil::{ACCOUNTS, Anvil, Options};
use translog::Tree;

use crate::anchors::history;
use crate::table::{Table, count, figure, number, times};
use crate::{progress, reference, say};

/// Anchors of a batch.
const BATCHES: [u64; 4] = [10, 100, 1_000, 10_000];
/// Batches of each size; the dearest one counts.
const REPEATS: u64 = 5;
/// Versions of the anchor that goes to the anchoring contract.
const VERSIONS: u64 = 10;
/// The rules that the reference figures were taken under.
const HARDFORK: &str = "cancun";
const ARTEFACT: &str =
    include_str!("../../../../anchor-service/contracts/artifacts/Anchoring.json");

pub(crate) async fn measure() -> Result<()> {
    progress("gas");
    let anvil = Anvil::start_with(Options {
        hardfork: Some(HARDFORK),
        ..Options::default()
    })?;
    let mut config = ChainConfig::new(RpcUrl::parse(&anvil.rpc_url())?, 31_337);
    config.timing = Timing {
        poll: Duration::from_millis(10),
        ..Timing::default()
    };
    let chain = Chain::connect(config).await?;
    // The first account makes contracts by itself, past the sender.
    let [_, account, ..] = ACCOUNTS;
    let sender = Sender::start(&chain, ChainKey::parse(account.key)?);
    let create = direct(&anvil, &sender).await?;
    batches(&sender, create).await
}

/// Publishes roots of a log that grows by each batch.
async fn batches(sender: &Sender, create: u64) -> Result<()> {
    let registry = Registry::deploy(sender, sender.account()).await?;
    let origin_id = B256::from_slice(&Sha256::digest("bench.example/default"));
    let account = sender.account();
    registry.register(sender, origin_id, account).await?;
    let mut tree = Tree::new();
    let mut sequence = 0;
    let mut publish = async |anchors: u64| {
        for _ in 0..anchors {
            tree.push(translog::leaf_hash(&tree.size().to_be_bytes()));
        }
        sequence += 1;
        let statement = Statement {
            origin_id,
            sequence,
            size: tree.size(),
            root: B256::from(tree.root()),
        };
        let batch = registry.publish(sender, &statement).await?;
        let receipt = sender.chain().rpc().receipt(batch.transaction).await?;
        let receipt = receipt.context("a batch has no receipt")?;
        anyhow::Ok(receipt.gas_used)
    };
    let first = publish(1).await?;
    let title = format!(
        "    Batched roots through AnchorRegistry: the dearest of {REPEATS} transactions. The first one of \
         a log takes {} gas\n    (reference {}, {})",
        count(first),
        count(reference::PUBLISH_FIRST),
        times(number(first) / number(reference::PUBLISH_FIRST)),
    );
    let head = [
        "anchors a batch",
        "gas a batch",
        "gas an anchor",
        "reference [gas]",
        "ours/reference",
        "direct create/ours",
        "reference create/ours [gas]",
    ];
    let mut table = Table::new(&title, &head);
    for anchors in BATCHES {
        let mut dearest = 0;
        for _ in 0..REPEATS {
            dearest = dearest.max(publish(anchors).await?);
        }
        let each = number(dearest) / number(anchors);
        let [plain, optimised] = reference::CREATE.map(|gas| times(number(gas) / each));
        table.row(&[
            count(anchors),
            count(dearest),
            figure(each),
            figure(number(reference::PUBLISH) / number(anchors)),
            times(number(dearest) / number(reference::PUBLISH)),
            times(number(create) / each),
            format!("{plain} (optimised {optimised})"),
        ]);
    }
    say(&table.to_string())
}

/// Writes one anchor to the anchoring contract; gives the gas of its creation.
async fn direct(anvil: &Anvil, sender: &Sender) -> Result<u64> {
    let artefact: Value = serde_json::from_str(ARTEFACT)?;
    let code = artefact.get("bytecode").and_then(Value::as_str);
    let address: Address = anvil.deploy(code.context("no bytecode")?, "")?.parse()?;
    let contract = Anchoring::open(sender.chain(), address).await?;
    let mut gas = Vec::new();
    for entry in history(1, VERSIONS)? {
        let (id, value) = (entry.id.plain(), entry.value.plain());
        let written = if gas.is_empty() {
            contract.create(sender, id, value).await?
        } else {
            contract.append(sender, id, value).await?
        };
        gas.push(gas_of(&written)?);
    }
    let create = gas.first().copied().context("nothing was created")?;
    let append = gas.last().copied().context("nothing was appended")?;
    let title = format!(
        "(3) Gas on anvil ({HARDFORK})\n    Direct, each anchor by itself, on our own Anchoring \
         contract (for tests: the same ABI and rules)"
    );
    let head = [
        "operation",
        "gas an anchor",
        "reference [gas]",
        "optimised",
        "ours/reference",
        "ours/optimised",
    ];
    let mut table = Table::new(&title, &head);
    let rows = [
        ("create", create, reference::CREATE),
        ("append, 10th version", append, reference::APPEND_10TH),
    ];
    for (name, gas, [plain, optimised]) in rows {
        table.row(&[
            name.to_owned(),
            count(gas),
            count(plain),
            count(optimised),
            times(number(gas) / number(plain)),
            times(number(gas) / number(optimised)),
        ]);
    }
    say(&table.to_string())?;
    Ok(create)
}

fn gas_of(written: &Written) -> Result<u64> {
    ensure!(
        written.status == Status::Stored,
        "the contract says {:?}",
        written.status
    );
    Ok(written.mined.gas_used)
}
