//! Crashes, reorganisations, and what others put on the chain.

use evm::{Address, ConnectError};
use ledger::{Hold, HoldCause, LiftError, Outside, PublisherError, Regard, Senders};

use super::*;

/// Bug: the node ends between the transaction and the record, the log goes on and is signed anew,
/// so the checkpoint whose root is on the chain is not the newest any more. Mechanism: it is stored
/// before the transaction is sent. Fix: it is found again by the events of the contract.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_a_crash_is_found_and_has_its_own_checkpoint() {
    let ground = Ground::new().await;
    let note = {
        let node = ground.node().await;
        let note = node.write(0..5).await;
        ground.anvil.set_mining(Mining::OnDemand).unwrap();
        let running = run(&ground.publisher(&node, BY_SIZE));
        until("it is in the pool", async || {
            chain::transactions(&ground.anvil, 1, "pending") == 1
        })
        .await;
        end(running).await;
        assert_eq!(node.published().await, None);
        note
    };
    let node = ground.node().await;
    node.write(5..8).await;
    ground.anvil.mine(1).unwrap();
    let publisher = ground.publisher(&node, BY_SIZE);
    publisher.check().await.unwrap();
    let publication = node.published().await.unwrap();
    assert_eq!(publication.note, note.to_string());
    assert_eq!((publication.size, publication.chain.sequence), (5, 1));
    prove(&ground, &node, 4).await;
    ground.anvil.set_mining(Mining::Instant).unwrap();
    node.write(8..10).await;
    let running = run(&publisher);
    assert_eq!(node.until_published(10).await.chain.sequence, 2);
    assert_eq!(ground.head().await.sequence, 2);
    end(running).await;
}

/// Two batches, of which nothing is recorded and no checkpoint was kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_checkpoint_is_signed_again_if_the_tree_has_its_root() {
    let ground = Ground::new().await;
    let node = ground.node().await;
    let mut notes = Vec::new();
    for (batch, from) in [(1, 0), (2, 7)] {
        let note = node.write(from..from + 7).await;
        let checkpoint = note.checkpoint().unwrap();
        ground
            .publish(batch, checkpoint.size, checkpoint.root)
            .await;
        notes.push(note.to_string());
    }
    node.write(14..15).await;
    ground.publisher(&node, BY_SIZE).check().await.unwrap();
    for (place, batch) in [(0, 1), (6, 1), (7, 2), (13, 2)] {
        assert_eq!(prove(&ground, &node, place).await, batch);
        let publication = node.log().publication_of(place).await.unwrap();
        // Ed25519 signs the same in the same way.
        assert_eq!(
            publication.unwrap().note,
            notes[usize::try_from(batch - 1).unwrap()]
        );
    }
    let signer = node.keeper.signer();
    assert!(signer.sign_again(7, [9; 32]).await.is_err());
    assert!(signer.sign_again(16, [9; 32]).await.is_err());
    assert!(signer.sign_again(0, translog::empty_root()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_registered_account_publishes() {
    let ground = Ground::new().await;
    ground.register(3).await;
    let node = ground.node().await;
    node.write(0..5).await;
    let publisher = ground.publisher(&node, BY_SIZE);
    let error = publisher.check().await.unwrap_err();
    let other = chain::key(3).address();
    assert!(
        matches!(error, PublisherError::WrongSubmitter { submitter: Some(it), .. } if it == other)
    );
    assert!(!error.may_pass());
    let running = run(&publisher);
    until("it says so", async || publisher.trouble().is_some()).await;
    assert!(publisher.trouble().unwrap().contains(&other.to_string()));
    assert_eq!(chain::transactions(&ground.anvil, 1, "pending"), 0);
    // It goes on by itself when that is mended.
    ground.register(1).await;
    node.until_published(5).await;
    until("all is well", async || publisher.trouble().is_none()).await;
    end(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_of_our_log_ends_all_publishing_and_all_writing() {
    for (size, root) in [(3, [9; 32]), (6, [9; 32])] {
        let ground = Ground::new().await;
        let node = ground.node().await;
        node.write(0..5).await;
        ground.publish(1, size, root).await;
        let publisher = ground.publisher(&node, BY_SIZE);
        let error = publisher.check().await.unwrap_err();
        assert!(
            matches!(error, PublisherError::Foreign { sequence: 1, .. }),
            "{error}"
        );
        assert!(!error.may_pass());
        let running = run(&publisher);
        until("it says so", async || publisher.trouble().is_some()).await;
        assert!(node.is_held(9).await);
        assert_eq!(node.published().await, None);
        assert_eq!(ground.head().await.sequence, 1);
        assert_eq!(chain::transactions(&ground.anvil, 1, "pending"), 1);
        end(running).await;
    }
    // Also when a batch of ours stands before it.
    let ground = Ground::new().await;
    let node = ground.node().await;
    node.write(0..5).await;
    let running = run(&ground.publisher(&node, BY_SIZE));
    node.until_published(5).await;
    end(running).await;
    ground.publish(2, 6, [9; 32]).await;
    node.write(5..12).await;
    let error = ground.publisher(&node, BY_SIZE).check().await.unwrap_err();
    assert!(
        matches!(error, PublisherError::Foreign { sequence: 2, .. }),
        "{error}"
    );
    assert_eq!(node.published().await.unwrap().size, 5);
    assert!(node.is_held(20).await);
    // A stolen account: what its thief published is there for ever, and our key never signed it.
    let signer = node.keeper.signer();
    let note = node.log().checkpoint().await.unwrap().unwrap();
    let own = Outside::signed(&note, signer.origin(), &signer.verifiers(), "a friend");
    let own = [own.unwrap()];
    let refused = signer.lift(&own, Regard::All).await.unwrap_err();
    assert!(
        matches!(refused, LiftError::NotContained { .. }),
        "{refused}"
    );
    signer.lift(&own, Regard::Signed).await.unwrap();
    assert!(!node.is_held(20).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lacks_what_was_published_takes_nothing_and_one_that_has_it_goes_on() {
    let ground = Ground::new().await;
    let node = ground.node().await;
    node.write(0..5).await;
    let publisher = ground.publisher(&node, BY_SIZE);
    let running = run(&publisher);
    node.until_published(5).await;
    end(running).await;
    // Restored, and as large as the chain knows it.
    let hold = Hold::new(HoldCause::Restored, "from a backup");
    node.log().hold_back(hold).await.unwrap();
    assert!(node.is_held(9).await);
    // The chain contradicts nothing, and that lifts nothing: more may have been signed since.
    publisher.check().await.unwrap();
    assert!(node.is_held(9).await);
    let signer = node.keeper.signer();
    let note = node.log().checkpoint().await.unwrap().unwrap();
    let own = Outside::signed(&note, signer.origin(), &signer.verifiers(), "a friend");
    signer.lift(&[own.unwrap()], Regard::All).await.unwrap();
    node.write(5..7).await;
    // Put back to an older state: the same account and log, and nothing in the store.
    let older = tempfile::tempdir().unwrap();
    let older = Node::open(older.path(), None).await;
    let publisher = ground.publisher(&older, BY_SIZE);
    assert!(publisher.check().await.is_err());
    assert!(older.is_held(9).await);
    let hold = older.log().hold().unwrap();
    assert_eq!(hold.cause, HoldCause::Contradicted);
    assert!(hold.detail.contains("registry"), "{}", hold.detail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_batches_that_leave_the_chain_are_published_again() {
    let ground = Ground::new().await;
    let node = ground.node().await;
    for (written, size) in [(0..5, 5), (5..10, 10)] {
        node.write(written).await;
        let running = run(&ground.publisher(&node, BY_SIZE));
        node.until_published(size).await;
        end(running).await;
    }
    let before = node.published().await.unwrap();
    ground.anvil.reorg(1).unwrap();
    assert_eq!(ground.head().await.sequence, 1);
    // As after a restart: nobody remembers what was sent.
    let publisher = ground.publisher(&node, BY_SIZE);
    publisher.check().await.unwrap();
    assert_eq!(node.published().await.unwrap().size, 5);
    let running = run(&publisher);
    node.until_published(10).await;
    end(running).await;
    let again = node.published().await.unwrap();
    assert_eq!(again.chain.sequence, 2);
    assert!(again.chain.block > before.chain.block);
    for place in [0, 9] {
        prove(&ground, &node, place).await;
    }
}

/// Bug: a root that has left the chain passes for one that is there, for as long as nothing is signed.
/// Mechanism: the publisher waits for the next signature. Fix: the chain is read now and then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_leaves_the_chain_while_the_log_is_quiet_is_noticed() {
    let ground = Ground::new().await;
    let node = ground.node().await;
    node.write(0..5).await;
    let running = run(&ground.publisher(&node, BY_SIZE));
    node.until_published(5).await;
    let before = node.published().await.unwrap();
    ground.anvil.reorg(1).unwrap();
    // It may soon be there again, in a later block.
    until("it is taken back", async || {
        let published = node.published().await;
        published.is_none_or(|it| it.chain.block > before.chain.block)
    })
    .await;
    end(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_leaves_the_chain_before_it_is_deep_enough_was_never_recorded() {
    let ground = Ground::new().await;
    let node = ground.node().await;
    node.write(0..5).await;
    ground.anvil.set_mining(Mining::OnDemand).unwrap();
    let publisher = ground.publisher_after(&node, BY_SIZE, 3);
    let running = run(&publisher);
    let in_pool = async || chain::transactions(&ground.anvil, 1, "pending") == 1;
    until("it is in the pool", in_pool).await;
    ground.anvil.mine(2).unwrap();
    assert_eq!(ground.head().await.sequence, 1);
    // Neither the run that sent it nor one that finds it records it.
    end(running).await;
    let publisher = ground.publisher_after(&node, BY_SIZE, 3);
    publisher.check().await.unwrap();
    assert_eq!(node.published().await, None);
    ground.anvil.reorg(2).unwrap();
    assert_eq!(ground.head().await.sequence, 0);
    publisher.check().await.unwrap();
    assert_eq!(node.published().await, None);
    let running = run(&publisher);
    until("it is recorded", async || {
        ground.anvil.mine(1).unwrap();
        node.published().await.is_some()
    })
    .await;
    let newest = ground.anvil.block_number().unwrap();
    let publication = node.published().await.unwrap();
    assert!(publication.chain.block + 2 <= newest);
    assert_eq!(prove(&ground, &node, 4).await, 1);
    end(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_is_told_from_a_chain_that_is_down() {
    let mut ground = Ground::new().await;
    let node = ground.node().await;
    node.write(0..5).await;
    let publisher = |chain_id, contract: Address| {
        let mut config = chain::chain_config(&ground.anvil, 1);
        config.chain_id = chain_id;
        let account = Senders::default().account(config, chain::key(1)).unwrap();
        Publisher::new(node.keeper.clone(), account, contract, BY_SIZE)
    };
    let right = ground.registry.address();
    let check = async |id, contract| publisher(id, contract).check().await.unwrap_err();
    let wrong = check(5, right).await;
    assert_eq!(
        wrong.to_string(),
        "the RPC serves chain 31337, the configuration says 5"
    );
    assert!(matches!(
        wrong,
        PublisherError::Connect(ConnectError::WrongChain { .. })
    ));
    let nothing = check(31337, Address::repeat_byte(9)).await;
    let other = check(31337, chain::deploy_anchoring(&ground.anvil)).await;
    let another = Registry::deploy(&ground.owner, ground.owner.account()).await;
    let not_registered = check(31337, another.unwrap().address()).await;
    let none = |error: &PublisherError| {
        matches!(
            error,
            PublisherError::WrongSubmitter {
                submitter: None,
                ..
            }
        )
    };
    assert!(none(&not_registered), "{not_registered}");
    for error in [wrong, nothing, other, not_registered] {
        assert!(!error.may_pass(), "{error}");
    }
    let running = run(&publisher(31337, right));
    node.until_published(5).await;
    end(running).await;
    let moved = check(31337, Address::repeat_byte(9)).await;
    assert!(matches!(moved, PublisherError::ContractChanged { .. }));
    let down = publisher(31337, right);
    ground.anvil.stop().unwrap();
    assert!(down.check().await.unwrap_err().may_pass());
    node.write(5..10).await;
    let running = run(&down);
    until("it says so", async || down.trouble().is_some()).await;
    ground.anvil.restart().unwrap();
    assert_eq!(node.until_published(10).await.chain.sequence, 2);
    end(running).await;
}
