//! What an outbox carries through an adapter.

use keyssi::{AnchorValue, base64};
use ledger::{Entry, Intent, Ledger, LedgerError, Target};
use testkit::eth_adapter::EthAdapter;

use super::{Signed, named, outcome, patient, text};

fn puts(peer: &EthAdapter) -> usize {
    let asked = peer.asked();
    asked.iter().filter(|it| it.method == "PUT").count()
}

/// Whoever carries has other entries to send meanwhile, and comes back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_entry_is_sent_once_at_a_time() {
    for status in [428, 408, 500] {
        let anchor = Signed::new(1, "a", 1);
        let peer = EthAdapter::start().unwrap();
        peer.answer("getLastVersion", [text(200, "")]);
        peer.answer("getAllVersions", [named("getAll_unknown")]);
        peer.answer("createAnchor", [text(status, "refused")]);
        let entry = anchor.entry(0, Intent::Create);
        let carried = patient(&peer).carry(vec![entry]).await.unwrap_err();
        let is_unavailable = matches!(carried.source, LedgerError::Unavailable(Some(_)));
        assert!(is_unavailable, "{carried:?}");
        assert_eq!(puts(&peer), 1);
    }
}

/// A full bucket says nothing of the entry.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_there_was_no_room_for_is_sent_again() {
    let anchor = Signed::new(1, "a", 1);
    let peer = EthAdapter::start().unwrap();
    peer.answer("getLastVersion", [text(200, "")]);
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    peer.answer("createAnchor", [text(429, "later"), named("create_ok")]);
    let entry = anchor.entry(0, Intent::Create);
    patient(&peer).carry(vec![entry]).await.unwrap();
    assert_eq!(puts(&peer), 2);
}

/// Our rules read r and s as the reference does, the contract behind the adapter does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_no_contract_takes_is_never_sent() {
    let anchor = Signed::new(1, "a", 1);
    let signature = anchor.values[0].signature_text().unwrap();
    let mut longer = base64::decode_lenient(signature);
    longer.insert(32, 0);
    let plain = anchor.values[0].plain();
    let plain = plain.replace(signature, &base64::encode(&longer));
    let entry = Entry {
        id: anchor.id.clone(),
        value: AnchorValue::parse(&plain).unwrap(),
        intent: Intent::Create,
    };
    assert!(keyssi::create(&entry.id, &entry.value).is_ok());
    let peer = EthAdapter::start().unwrap();
    peer.answer("getLastVersion", [text(200, "")]);
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    let adapter = patient(&peer);
    assert!(adapter.never_holds(&entry).is_some());
    assert_eq!(adapter.never_holds(&anchor.entry(0, Intent::Create)), None);
    assert_eq!(outcome(adapter.write(entry).await), "unsupported");
    assert_eq!(puts(&peer), 0);
}
