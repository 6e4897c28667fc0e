//! A transaction in a block that goes again, found by a node that knows nothing of it.
//!
//! **Bug:** the outbox took an entry out as soon as it stood in the newest block. After a restart
//! nobody followed that transaction up any more, and a reorganisation of one block, less than the
//! confirmations, lost an acknowledged entry for ever, while its status said `onChain`.
//! **Mechanism:** the node is killed while its transaction waits; the transaction is mined, the node
//! is started and looks; then the block is replaced. **Fix:** only what is as deep as configured
//! leaves the outbox.

use std::time::Duration;

use anyhow::Result;
use keyssi::{BrickHash, Domain};
use testkit::anvil::ACCOUNTS;
use testkit::caller::Caller;
use testkit::owner::{FIRST_MS, Owner};

use crate::chain::{CONFIRMATIONS, Chain, LOOKS_A_BLOCK, wait_until};
use crate::node::{DIRECT, Node, ROOTS_ORIGIN};

const LONGEST: Duration = Duration::from_mins(2);

#[test]
fn a_block_that_may_go_again_takes_no_entry_out_of_the_outbox() -> Result<()> {
    let [_, account, ..] = ACCOUNTS;
    let chain = Chain::start(ROOTS_ORIGIN, account)?;
    let mut node = Node::start(&chain, account, &[DIRECT])?;
    let domain: Domain = DIRECT.parse()?;
    let owner = Owner::new(&domain, &[7; 32])?;
    let value = owner.sign(&BrickHash::of(b"x").to_string(), FIRST_MS)?;
    let target = format!("/anchor/{DIRECT}/create-anchor/{}/{value}", owner.id());
    let reply = Caller::new(node.address()?).call("PUT", &target, None)?;
    assert_eq!(reply.status, 201, "{}", reply.text());
    // No block is made meanwhile: it could hold the transaction.
    wait_until("a transaction is in the pool", LONGEST, || {
        chain.hold().is_pending(account)
    })?;
    node.kill();
    chain.hold().mine(1)?;
    let id = keyssi::AnchorId::parse_wrapped(owner.id())?;
    assert_eq!(chain.versions(id.plain())?.len(), 1);
    node.start_again()?;
    wait_until("the node has looked", LONGEST, || {
        let status = node.status(DIRECT, owner.id(), None)?;
        assert_eq!(status["state"], "pending", "{status}");
        let error = status["outbox"]["lastError"].as_str().unwrap_or_default();
        Ok(error.contains("not deep enough"))
    })?;
    chain.hold().reorganise()?;
    assert!(chain.versions(id.plain())?.is_empty());
    // It is sent again. A block that is made for a node that waits for one may hold it already.
    let mut looks = 0;
    wait_until("it is sent again", LONGEST, || {
        looks += 1;
        if chain.hold().is_pending(account)? {
            return Ok(true);
        }
        if looks % LOOKS_A_BLOCK == 0 {
            chain.hold().mine(1)?;
        }
        Ok(!chain.versions(id.plain())?.is_empty())
    })?;
    chain.hold().mine(CONFIRMATIONS)?;
    wait_until("it is on the chain for good", LONGEST, || {
        Ok(node.state(DIRECT, owner.id())? == "onChain")
    })?;
    assert_eq!(chain.versions(id.plain())?.len(), 1);
    Ok(())
}
