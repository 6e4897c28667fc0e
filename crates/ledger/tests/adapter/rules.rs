//! What the client decides by itself: rules before anything is sent, conflicts, turns, batches.

use std::time::{Duration, Instant};

use keyssi::{AnchorId, AnchorValue, Domain};
use ledger::adapter::{AdapterError, AdapterKind, AdapterLedger, AdapterOptions};
use ledger::{Entry, Intent, Ledger, LedgerError};
use testkit::eth_adapter::{Answer, EthAdapter};
use testkit::owner::{FIRST_MS, Owner, constant_id, constant_value};

use super::{IMPATIENT, PATIENT, Signed, client, impatient, named, outcome, patient, text};

const OUT_OF_SYNC: &str = "the value cannot follow the anchor's last one: \
                           the value is not signed by the owner over the last entry";

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_refused_and_never_sent() {
    let (one, two) = (Signed::new(1, "a", 1), Signed::new(2, "a", 1));
    let foreign = |intent| Entry {
        id: one.id.clone(),
        value: two.values[0].clone(),
        intent,
    };
    let (constant, value) = constant_anchor();
    let constant = |intent| Entry {
        id: constant.clone(),
        value: value.clone(),
        intent,
    };
    let absent = named("getAll_unknown");
    let cases = [
        (
            foreign(Intent::Create),
            absent.clone(),
            "the value cannot be the first of this anchor: \
             the signature of the first entry does not verify",
        ),
        (foreign(Intent::Append), one.history(1), OUT_OF_SYNC),
        (one.entry(2, Intent::Append), one.history(1), OUT_OF_SYNC),
        (
            one.entry(0, Intent::Append),
            absent.clone(),
            "the anchor does not exist",
        ),
        (
            one.entry(0, Intent::Create),
            one.history(1),
            "the anchor exists already",
        ),
        (
            constant(Intent::Append),
            absent,
            "the value cannot follow the anchor's last one: \
             a constant anchor takes no second entry",
        ),
    ];
    for (entry, history, expected) in cases {
        let peer = EthAdapter::start().unwrap();
        let last = if expected == "the anchor exists already" {
            text(200, one.values[0].as_str())
        } else {
            text(200, "")
        };
        peer.answer("getLastVersion", [last]);
        peer.answer("getAllVersions", [history]);
        assert_eq!(outcome(patient(&peer).write(entry).await), expected);
        assert!(peer.asked().iter().all(|it| it.method == "GET"));
    }
}

/// The answer is the same as for an outage; the history tells that another writer came first.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_second_is_told_so() {
    let (ours, theirs) = (Signed::new(1, "ours", 1), Signed::new(1, "theirs", 1));
    let older = Signed::new(1, "older", 0);
    let peer = EthAdapter::start().unwrap();
    peer.answer("getLastVersion", [named("getLast_unknown")]);
    peer.answer("getAllVersions", [theirs.history(1)]);
    peer.answer("createAnchor", [named("create_dup")]);
    let written = patient(&peer).write(ours.entry(0, Intent::Create)).await;
    assert_eq!(outcome(written), "the anchor exists already");

    let both = [named("getAll_unknown"), theirs.history(1)];
    peer.answer("getAllVersions", both);
    let entry = ours.entry(0, Intent::CreateOrAppend);
    assert_eq!(outcome(patient(&peer).write(entry).await), OUT_OF_SYNC);

    // Both follow the same first value; theirs is there when the refusal comes.
    let their_second = fork(&ours, 5);
    let texts = [ours.values[0].as_str(), their_second.as_str()];
    let longer = text(200, &serde_json::to_string(&texts).unwrap());
    peer.answer("appendAnchor", [named("append_stale")]);
    peer.answer("getAllVersions", [ours.history(1), longer.clone()]);
    let written = patient(&peer).write(ours.entry(1, Intent::Append)).await;
    let expected = "the value cannot follow the anchor's last one: \
                    the timestamp is older than that of the last entry";
    assert_eq!(outcome(written), expected);

    peer.answer("getAllVersions", [older.history(1), older.history(2)]);
    let late = Signed {
        id: older.id.clone(),
        values: vec![fork(&older, 9)],
    };
    let written = patient(&peer).write(late.entry(0, Intent::Append)).await;
    assert_eq!(outcome(written), OUT_OF_SYNC);
}

/// Another second value of an anchor, `after_ms` after its first.
fn fork(anchor: &Signed, after_ms: u64) -> AnchorValue {
    let mut owner = Owner::new(anchor.id.domain(), &[1; 32]).unwrap();
    owner.follow(Some(anchor.values[0].as_str())).unwrap();
    let hash = keyssi::BrickHash::of(b"fork").to_string();
    let value = owner.sign(&hash, FIRST_MS + after_ms).unwrap();
    AnchorValue::parse_wrapped(&value).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_bucket_is_given_the_time_to_fill() {
    let anchor = Signed::new(1, "a", 1);
    let peer = EthAdapter::start().unwrap();
    let full = text(429, "");
    peer.answer("getLastVersion", [full.clone(), named("getLast_unknown")]);
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    peer.answer("createAnchor", [full.clone(), full, named("create_ok")]);
    let began = Instant::now();
    let written = patient(&peer).write(anchor.entry(0, Intent::Create)).await;
    assert_eq!(outcome(written), "stored");
    // The test's `unit_of_time` is 40 ms.
    assert!(began.elapsed().as_millis() >= 3 * 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_to_one_anchor_go_one_after_the_other() {
    let anchor = Signed::new(1, "a", 1);
    let other = Signed::new(2, "a", 1);
    let peer = EthAdapter::start().unwrap();
    let last = text(200, anchor.values[0].as_str());
    peer.answer("getLastVersion", [named("getLast_unknown"), last]);
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    let dup = named("create_dup");
    peer.answer("createAnchor", [dup.clone(), dup, named("create_ok")]);
    let ledger = patient(&peer);
    let write = || ledger.write(anchor.entry(0, Intent::Create));
    let (one, two) = tokio::join!(write(), write());
    let mut outcomes = [outcome(one), outcome(two)];
    outcomes.sort();
    assert_eq!(outcomes, ["stored", "the anchor exists already"]);
    let expected = [
        "getlastversion",
        "createanchor",
        "getallversions",
        "createanchor",
        "getallversions",
        "createanchor",
        "getlastversion",
    ];
    assert_eq!(peer.actions(), expected, "the second began after the first");

    // While one anchor hangs, another is served.
    peer.answer(
        "getLastVersion",
        [Answer::Silence, named("getLast_unknown")],
    );
    let hanging = {
        let (ledger, entry) = (ledger.clone(), anchor.entry(0, Intent::Create));
        tokio::spawn(async move { ledger.write(entry).await })
    };
    assert!(peer.await_request("getLastVersion", expected.len()));
    let written = ledger.write(other.entry(0, Intent::Create)).await;
    assert_eq!(outcome(written), "stored");
    hanging.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_goes_on_when_its_caller_goes_away() {
    let anchor = Signed::new(1, "a", 1);
    let peer = EthAdapter::start().unwrap();
    peer.answer("getLastVersion", [named("getLast_unknown")]);
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    peer.answer("createAnchor", [Answer::Silence, named("create_ok")]);
    // Long enough for the requests that are answered before, on a busy machine.
    let ledger = client(&peer, AdapterKind::Eth, PATIENT, Duration::from_secs(3));
    let writing = {
        let entry = anchor.entry(0, Intent::Create);
        tokio::spawn(async move { ledger.write(entry).await })
    };
    assert!(peer.await_request("createAnchor", 0));
    writing.abort();
    assert!(writing.await.unwrap_err().is_cancelled());
    let seen = peer.actions().len();
    assert!(peer.await_request("createAnchor", seen), "it is sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_in_one_request_and_what_is_there_is_not_sent_again() {
    let anchors: Vec<Signed> = (1..=20).map(|key| Signed::new(key, "a", 1)).collect();
    let entries = anchors.iter().map(|it| it.entry(0, Intent::CreateOrAppend));
    let entries: Vec<Entry> = entries.collect();
    let peer = EthAdapter::start().unwrap();
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    peer.answer("createOrAppendMultipleAnchors", [named("multi_ok")]);
    patient(&peer).write_all(entries.clone()).await.unwrap();
    let asked = peer.asked();
    assert_eq!(asked.len(), 21);
    let sent: Vec<serde_json::Value> = serde_json::from_slice(&asked[20].body).unwrap();
    for (sent, entry) in sent.iter().zip(&entries) {
        assert_eq!(sent["anchorId"], entry.id.as_str());
        assert_eq!(sent["anchorValue"], entry.value.as_str());
    }

    // The answer is lost; one of two is there, so the other one goes alone.
    peer.answer("createOrAppendMultipleAnchors", [named("multi_bad")]);
    peer.answer("createAnchor", [named("create_ok")]);
    let absent = named("getAll_unknown");
    let histories = [
        absent.clone(),
        absent.clone(),
        anchors[0].history(1),
        absent,
    ];
    peer.answer("getAllVersions", histories);
    let two = entries[..2].to_vec();
    patient(&peer).write_all(two).await.unwrap();
    let last = peer.asked().pop().unwrap();
    assert!(last.target.contains(anchors[1].id.as_str()), "{last:?}");
    assert_eq!(last.action(), "createanchor");

    // Another writer came before the second: the batch is refused, and says where.
    let theirs = Signed::new(2, "theirs", 1);
    let absent = named("getAll_unknown");
    let histories = [absent.clone(), absent.clone(), absent, theirs.history(1)];
    peer.answer("getAllVersions", histories);
    let refused = patient(&peer).write_all(entries[..2].to_vec()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.index, 1);
    assert_eq!(outcome(Err(refused.source)), OUT_OF_SYNC);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_atomic_is_refused_before_anything_is_sent() {
    let intent = Intent::CreateOrAppend;
    let many = (1..=21).map(|key| Signed::new(key, "a", 1).entry(0, intent));
    let one = Signed::new(1, "a", 1);
    let twice = vec![one.entry(0, intent), one.entry(1, intent)];
    let (id, value) = constant_anchor();
    let constant = Entry { id, value, intent };
    let peer = EthAdapter::start().unwrap();
    for (entries, index) in [
        (many.collect(), 20),
        (twice, 1),
        (vec![one.entry(0, intent), constant.clone()], 1),
    ] {
        let refused = patient(&peer).write_all(entries).await.unwrap_err();
        assert_eq!(refused.index, index);
        assert_eq!(outcome(Err(refused.source)), "unsupported");
    }
    assert_eq!(peer.asked(), []);
    patient(&peer).write_all(Vec::new()).await.unwrap();
    assert_eq!(peer.asked(), []);

    // Alone it is taken.
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    peer.answer("createAnchor", [named("create_ok")]);
    patient(&peer).write_all(vec![constant]).await.unwrap();
}

/// `ledger.md` §3: every failure is 500 with a text, a write answers with nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_hf_adapter_takes_one_entry_at_a_time() {
    let (anchor, other) = (Signed::new(1, "a", 1), Signed::new(2, "a", 1));
    let peer = EthAdapter::start().unwrap();
    let hf = |all| client(&peer, AdapterKind::Hf, all, all);
    peer.answer("getLastVersion", [text(200, "")]);
    peer.answer("createAnchor", [text(200, "")]);
    let created = hf(PATIENT).write(anchor.entry(0, Intent::Create)).await;
    assert_eq!(outcome(created), "stored");

    let failed = text(500, "Error: 10 ABORTED: failed to endorse transaction");
    peer.answer("appendAnchor", [failed]);
    peer.answer("getAllVersions", [anchor.history(1)]);
    let appended = hf(IMPATIENT).write(anchor.entry(1, Intent::Append)).await;
    assert_eq!(outcome(appended), "unavailable");
    peer.answer("getAllVersions", [anchor.history(1), anchor.history(2)]);
    let appended = hf(PATIENT).write(anchor.entry(1, Intent::Append)).await;
    assert_eq!(outcome(appended), "stored");

    let before = peer.asked().len();
    let both = vec![
        anchor.entry(2, Intent::CreateOrAppend),
        other.entry(0, Intent::CreateOrAppend),
    ];
    let refused = hf(PATIENT).write_all(both).await.unwrap_err();
    assert!(matches!(refused.source, LedgerError::Unsupported { .. }));
    let total = hf(PATIENT).total(anchor.id.domain()).await;
    assert!(matches!(total, Err(LedgerError::Unsupported { .. })));
    assert_eq!(peer.asked().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_while_the_adapter_fails() {
    let anchor = Signed::new(1, "a", 1);
    let peer = EthAdapter::start().unwrap();
    let ledger = impatient(&peer);
    assert_eq!(ledger.readiness(), Ok(()));
    peer.answer("getAllVersions", [named("node_down_read")]);
    assert!(ledger.all_versions(&anchor.id).await.is_err());
    assert_eq!(ledger.readiness(), Err("the adapter does not answer"));
    peer.answer("getAllVersions", [anchor.history(2)]);
    let ledger_again = ledger.clone();
    // Who gives up soon does so on a busy machine, too.
    let began = Instant::now();
    let versions = loop {
        match ledger_again.all_versions(&anchor.id).await {
            Ok(versions) => break versions,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error:?}"),
        }
    };
    assert_eq!(versions.len(), 2);
    assert_eq!(ledger.readiness(), Ok(()));
}

#[test]
fn an_address_must_be_one_of_http() {
    for url in [
        "",
        "adapter:3000",
        "ftp://h/",
        "http://h/?a",
        "http://u@h/",
        "/x",
    ] {
        let made = AdapterLedger::new(url, AdapterKind::Eth, AdapterOptions::default());
        assert!(matches!(made, Err(AdapterError::Setup { .. })), "{url}");
    }
    let made = AdapterLedger::new(
        "https://h/base/",
        AdapterKind::Eth,
        AdapterOptions::default(),
    );
    assert!(made.is_ok());
}

fn constant_anchor() -> (AnchorId, AnchorValue) {
    let domain: Domain = "default".parse().unwrap();
    let hash = keyssi::BrickHash::of(b"constant").to_string();
    let id = constant_id(&domain, &hash).unwrap();
    let value = constant_value(&domain, &hash).unwrap();
    (
        AnchorId::parse_wrapped(&id).unwrap(),
        AnchorValue::parse_wrapped(&value).unwrap(),
    )
}
