//! Every recorded answer, played by its name as the answer to every call of the client: what a name
//! has no row for fails.
//!
//! The anchors are those of the recording, so `getAll_ok` (two versions) and `getAll_trailing`
//! (three) are their true histories.

use std::collections::BTreeMap;

use keyssi::{AnchorId, AnchorValue};
use ledger::adapter::AdapterLedger;
use ledger::{Entry, Intent, Ledger, LedgerError};
use testkit::eth_adapter::{Answer, EthAdapter, recordings};

use super::{IMPATIENT, PATIENT, client, impatient, named, outcome, patient};
use ledger::adapter::AdapterKind;

/// What a recorded answer leads to, by the call that it answers.
#[derive(Clone, Copy)]
enum Means {
    /// It is no answer.
    NotOnTheWire,
    /// The transaction of a write that was done; nonsense to a read.
    Transaction,
    /// An error that may pass: nothing is concluded; repeated until there is time no more.
    Passing,
    /// As before, and it takes the whole time for one request.
    Unanswered,
    /// The page of a route that is not there.
    NoRoute,
    /// So many versions; nonsense to everything but a read of a history.
    Versions(usize),
    /// One value; nonsense to everything but a read of the last one.
    Value,
    /// Nothing: an absent anchor to a read of the last value.
    Nothing,
    /// A number; nonsense to everything but a count.
    Number(u64),
    /// Nonsense to everything.
    Nonsense,
}

const TABLE: &[(&str, Means)] = &[
    ("append_missing", Means::Passing),
    ("append_ok", Means::Transaction),
    ("append_stale", Means::Passing),
    ("check", Means::NoRoute),
    ("create_after", Means::Transaction),
    ("create_after2", Means::Unanswered),
    ("create_badsig", Means::Passing),
    ("create_dup", Means::Passing),
    ("create_garbage_ssi", Means::Passing),
    ("create_ok", Means::Transaction),
    ("create_ok_emptyjson", Means::Transaction),
    ("dump", Means::Nonsense),
    ("dump_case", Means::Nonsense),
    ("dump_from_beyond", Means::Passing),
    ("dump_neg", Means::Nonsense),
    ("dump_noquery", Means::Passing),
    ("dump_small_max", Means::Nonsense),
    ("getAll_ok", Means::Versions(2)),
    ("getAll_trailing", Means::Versions(3)),
    ("getAll_unknown", Means::Versions(0)),
    ("getLast_garbage", Means::Passing),
    ("getLast_ok", Means::Value),
    ("getLast_raw_id", Means::Value),
    ("getLast_unknown", Means::Nothing),
    ("health", Means::Nonsense),
    ("health_after_garbage", Means::Nonsense),
    ("multi_21_anchors", Means::Unanswered),
    ("multi_23_anchors_over_30M_gas", Means::Unanswered),
    ("multi_apihub_name", Means::NoRoute),
    ("multi_bad", Means::Passing),
    ("multi_empty", Means::Passing),
    ("multi_invalid_json", Means::Passing),
    ("multi_large_body_two_chunks", Means::Passing),
    ("multi_notarray", Means::Passing),
    ("multi_ok", Means::Transaction),
    ("node_down_health", Means::Nonsense),
    ("node_down_read", Means::Passing),
    ("node_down_write", Means::Passing),
    ("total", Means::Number(3)),
    ("total0", Means::Number(0)),
    ("total_trailing", Means::Number(3)),
    ("unknown", Means::NoRoute),
    ("wedge/bad_multi", Means::Passing),
    ("wedge/create_after", Means::Unanswered),
    ("wedge/create_before", Means::Transaction),
    ("wedge/health", Means::Nonsense),
    ("wedge/pending_in_pool", Means::NotOnTheWire),
    ("wedge/read_after", Means::Nothing),
    ("wrong_method", Means::NoRoute),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_recorded_answer_leads_to_the_right_state() {
    let recorded = recordings().unwrap();
    let table: BTreeMap<&str, Means> = TABLE.iter().copied().collect();
    let names: Vec<&str> = recorded.keys().map(String::as_str).collect();
    assert_eq!(names, table.keys().copied().collect::<Vec<_>>());
    for (name, answer) in &recorded {
        let means = table[name.as_str()];
        let Some(answer) = answer else {
            assert!(matches!(means, Means::NotOnTheWire), "{name}");
            continue;
        };
        as_answer_to_a_create(name, means, answer).await;
        as_answer_to_an_append(name, means, answer).await;
        as_answer_to_a_batch(name, means, answer).await;
        as_answer_to_reads(name, means, answer).await;
    }
}

/// The first anchor of the recording and its three values.
fn first() -> (AnchorId, Vec<AnchorValue>) {
    anchors().remove(0)
}

/// The anchors of the recording.
fn anchors() -> Vec<(AnchorId, Vec<AnchorValue>)> {
    let Answer::Whole { body, .. } = named("dump_neg") else {
        panic!("it is a whole answer");
    };
    let dump: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
    let anchor = |it: &serde_json::Value| {
        let id = AnchorId::parse_plain(it["anchorId"].as_str().unwrap()).unwrap();
        let values = it["anchorValues"].as_array().unwrap().iter();
        let values = values.map(|value| AnchorValue::parse(value.as_str().unwrap()).unwrap());
        (id, values.collect())
    };
    dump.iter().map(anchor).collect()
}

/// A client that waits where an answer means something at once, and gives up where it never will.
fn fit(peer: &EthAdapter, means: Means) -> AdapterLedger {
    match means {
        Means::Passing | Means::Unanswered => impatient(peer),
        _ => patient(peer),
    }
}

/// The first value of an anchor that is not there yet.
async fn as_answer_to_a_create(name: &str, means: Means, answer: &Answer) {
    let (id, values) = first();
    let entry = Entry {
        id,
        value: values[0].clone(),
        intent: Intent::Create,
    };
    let peer = EthAdapter::start().unwrap();
    peer.answer("getLastVersion", [named("getLast_unknown")]);
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    peer.answer("createAnchor", [answer.clone()]);
    let stored = matches!(means, Means::Transaction);
    let written = outcome(fit(&peer, means).write(entry.clone()).await);
    let expected = if stored { "stored" } else { "unavailable" };
    assert_eq!(written, expected, "create: {name}");

    // The same, but the ledger has it, whatever the answer said.
    peer.answer("getAllVersions", [named("getAll_ok")]);
    let one = if matches!(means, Means::Unanswered) {
        IMPATIENT
    } else {
        PATIENT
    };
    let patient = client(&peer, AdapterKind::Eth, PATIENT, one);
    let written = outcome(patient.write(entry.clone()).await);
    assert_eq!(written, "stored", "create, done all the same: {name}");

    // The same, but what failed works the second time.
    if matches!(means, Means::Passing | Means::Unanswered) {
        peer.answer("getAllVersions", [named("getAll_unknown")]);
        peer.answer("createAnchor", [answer.clone(), named("create_ok")]);
        let written = outcome(patient.write(entry).await);
        assert_eq!(written, "stored", "create, again: {name}");
    }
}

/// The third value of an anchor that has two.
async fn as_answer_to_an_append(name: &str, means: Means, answer: &Answer) {
    let (id, values) = first();
    let entry = Entry {
        id,
        value: values[2].clone(),
        intent: Intent::Append,
    };
    let peer = EthAdapter::start().unwrap();
    peer.answer("getAllVersions", [named("getAll_ok")]);
    peer.answer("appendAnchor", [answer.clone()]);
    let stored = matches!(means, Means::Transaction);
    let written = outcome(fit(&peer, means).write(entry.clone()).await);
    let expected = if stored { "stored" } else { "unavailable" };
    assert_eq!(written, expected, "append: {name}");

    if matches!(means, Means::Unanswered) {
        // It stands on the ledger while the adapter is still silent.
        let client = client(&peer, AdapterKind::Eth, PATIENT, IMPATIENT);
        let before = peer.actions().len();
        let writing = tokio::spawn(async move { client.write(entry).await });
        assert!(peer.await_request("appendAnchor", before));
        peer.answer("getAllVersions", [named("getAll_trailing")]);
        let written = outcome(writing.await.unwrap());
        assert_eq!(written, "stored", "append, done all the same: {name}");
        return;
    }
    let histories = ["getAll_ok", "getAll_trailing"];
    peer.answer("getAllVersions", histories.map(named));
    let written = outcome(patient(&peer).write(entry).await);
    assert_eq!(written, "stored", "append, done all the same: {name}");
}

/// Two new anchors at once.
async fn as_answer_to_a_batch(name: &str, means: Means, answer: &Answer) {
    let several = anchors().into_iter().skip(1).take(2);
    let entries = several.map(|(id, values)| Entry {
        id,
        value: values[0].clone(),
        intent: Intent::CreateOrAppend,
    });
    let entries: Vec<Entry> = entries.collect();
    let peer = EthAdapter::start().unwrap();
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    peer.answer("createOrAppendMultipleAnchors", [answer.clone()]);
    let expected = match means {
        Means::Transaction => "stored",
        Means::NoRoute => "unsupported",
        _ => "unavailable",
    };
    let written = fit(&peer, means).write_all(entries).await;
    let written = outcome(written.map_err(|error| error.source));
    assert_eq!(written, expected, "batch: {name}");
}

async fn as_answer_to_reads(name: &str, means: Means, answer: &Answer) {
    let (id, values) = first();
    let peer = EthAdapter::start().unwrap();
    peer.answer("getAllVersions", [answer.clone()]);
    peer.answer("totalNumberOfAnchors", [answer.clone()]);

    let history = fit(&peer, means).all_versions(&id).await;
    match (means, history) {
        (Means::Versions(count), Ok(history)) => {
            let expected: Vec<&str> = values[..count].iter().map(AnchorValue::as_str).collect();
            assert_eq!(history, expected, "history: {name}");
            let last = patient(&peer).last_version(&id).await.unwrap();
            let expected = expected
                .last()
                .map(|last| ((*last).to_owned(), count as u64));
            assert_eq!(last, expected, "last: {name}");
        }
        (_, history) => assert_unavailable(&history, "history", name),
    }

    let total = fit(&peer, means).total(id.domain()).await;
    match (means, total) {
        (Means::Number(expected), Ok(total)) => assert_eq!(total, expected, "total: {name}"),
        (_, total) => assert_unavailable(&total, "total", name),
    }

    // The last value is what a create looks at first.
    let peer = EthAdapter::start().unwrap();
    peer.answer("getLastVersion", [answer.clone()]);
    peer.answer("createAnchor", [named("create_ok")]);
    let expected = match means {
        Means::Nothing => "stored",
        Means::Value => "the anchor exists already",
        _ => "unavailable",
    };
    let entry = Entry {
        id,
        value: values[0].clone(),
        intent: Intent::Create,
    };
    let written = outcome(fit(&peer, means).write(entry).await);
    assert_eq!(written, expected, "last value: {name}");
    let sent = peer.actions().contains(&"createanchor".to_owned());
    assert_eq!(sent, expected == "stored", "last value: {name}");
}

fn assert_unavailable<T: std::fmt::Debug>(read: &Result<T, LedgerError>, what: &str, name: &str) {
    let is_unavailable = matches!(
        read,
        Err(LedgerError::Unavailable(Some(_)) | LedgerError::Broken(_))
    );
    assert!(is_unavailable, "{what}: {name}: {read:?}");
}

/// The recorded run: a good write, a batch that the adapter cannot parse, and from then on no write
/// is answered. A client never sends such a batch; it may still meet the adapter afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_wedged_adapter_acknowledges_nothing_and_loses_nothing() {
    let (id, values) = first();
    let entry = Entry {
        id: id.clone(),
        value: values[0].clone(),
        intent: Intent::Create,
    };
    let peer = EthAdapter::start().unwrap();
    peer.answer("getLastVersion", [named("wedge/read_after")]);
    peer.answer("getAllVersions", [named("getAll_unknown")]);
    peer.answer("createAnchor", [named("wedge/create_after")]);
    let ledger = impatient(&peer);
    assert_eq!(outcome(ledger.write(entry.clone()).await), "unavailable");

    // Restarted: what was in the pool is mined, and the next attempt finds it.
    peer.answer("createAnchor", [named("create_dup")]);
    peer.answer("getAllVersions", [named("getAll_ok")]);
    assert_eq!(outcome(patient(&peer).write(entry).await), "stored");
}
