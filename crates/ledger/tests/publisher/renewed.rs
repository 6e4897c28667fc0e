//! A log that was put back, whose newest root is on the chain, and the log that takes its place.

use ledger::{Ending, OldKey, Outside, Regard, RenewError};

use super::*;

const NEW: &str = "log.example/second";

fn copy(from: &Path, to: &Path) {
    for file in from.read_dir().unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_under_a_new_name_publishes_all_its_entries_from_the_first_batch_on() {
    let ground = Ground::new().await;
    let node = ground.node().await;
    node.write(0..5).await;
    let running = run(&ground.publisher(&node, BY_SIZE));
    node.until_published(5).await;
    end(running).await;
    drop(node);
    // When it can be opened nobody writes to it any more.
    drop(ground.node().await);
    let older = tempfile::tempdir().unwrap();
    copy(ground.folder.path(), older.path());
    let node = ground.node().await;
    let lost = node.write(5..12).await;
    let running = run(&ground.publisher(&node, BY_SIZE));
    node.until_published(12).await;
    end(running).await;
    drop(node);

    // The chain has a root that goes further than the store, and than what is given.
    let node = Node::open(older.path(), None).await;
    let refused = ground.publisher(&node, BY_SIZE).check().await;
    assert!(refused.is_err() && node.is_held(20).await);
    let origin = Origin::parse(ORIGIN).unwrap();
    let keys = node.keeper.signer().verifiers();
    let own = node.log().checkpoint().await.unwrap().unwrap();
    let given = [own, lost].map(|note| Outside::signed(&note, &origin, &keys, "a friend").unwrap());
    let ending = |outside, regard| Ending {
        keys: &keys,
        key: OldKey::AtHand,
        outside,
        witnesses: &[],
        regard,
    };
    let refused = node.log().end(&ending(&given[..1], Regard::All)).await;
    assert!(
        matches!(&refused, Err(RenewError::OnChain(it)) if it.size() == 12),
        "{refused:?}"
    );
    // Without the chain the store has everything.
    let refused = node.log().end(&ending(&given[..1], Regard::Signed)).await;
    assert!(matches!(refused, Err(RenewError::Contained(_))));
    let judged = node.log().end(&ending(&given, Regard::All)).await.unwrap();
    let new = LogKey::from_seed(&Origin::parse(NEW).unwrap(), &[2; 32]);
    let renewed = node.log().renew(judged, &new).await.unwrap();
    assert_eq!((renewed.size, renewed.predecessor.kept), (5, 0));
    drop(node);

    // For the registry it is another log, and begins with nothing.
    ground.register_log(1, NEW).await;
    let node = Node::open_as(older.path(), NEW, 2, None).await;
    assert_eq!(node.published().await, None);
    let publisher = ground.publisher(&node, BY_SIZE);
    publisher.check().await.unwrap();
    let running = run(&publisher);
    let first = node.until_published(5).await;
    assert_eq!((first.chain.sequence, first.size), (1, 5));
    assert_eq!(checkpoint(&first.note).origin.as_str(), NEW);
    node.write(5..10).await;
    let signing = tokio::spawn(node.keeper.clone().sign_on());
    let second = {
        let entry = Signed::of("default", 30, "", 1).entry(0, Intent::Create);
        node.ledger.write(entry).await.unwrap();
        node.until_published(10).await
    };
    assert_eq!(second.chain.sequence, 2);
    let head = ground.registry.head(origin_id(NEW)).await.unwrap();
    assert_eq!(head.sequence, 2);
    // What is on the chain of the old log stays.
    assert_eq!(
        (ground.head().await.sequence, ground.head().await.size),
        (2, 12)
    );
    assert_eq!(publisher.trouble(), None);
    end(running).await;
    end(signing).await;
}
