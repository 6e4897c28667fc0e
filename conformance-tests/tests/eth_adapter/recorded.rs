//! The recorded exchanges, one after the other, with the recorded anchors and values: a name without
//! a row fails.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use keyssi::{AnchorId, AnchorValue};
use serde_json::{Value, json};
use testkit::eth_adapter::{Answer, recorded, recordings};
use testkit::http::Reply;
use testkit::server::Server;

use super::{CONFIG, address_of, exchange};

/// What our answer has to do with the recorded one.
enum Expect {
    /// The same in everything.
    Same,
    /// The same but for the digits of the transaction's hash.
    Transaction,
    /// The same status and type, and a JSON object with the same keys where ours has them.
    WrappedError,
    /// A real one ends its process or its usefulness here; this is ours.
    Ours(u16, &'static str),
}

use Expect::{Ours, Same, Transaction, WrappedError};

/// Names that are not asked again, and why.
const LEFT_OUT: [(&str, &str); 8] = [
    ("create_after2", "the state is that of a wedged process"),
    ("multi_21_anchors", "a limit of the chain's blocks"),
    (
        "multi_23_anchors_over_30M_gas",
        "a limit of the chain's blocks",
    ),
    (
        "multi_large_body_two_chunks",
        "a defect: the body is damaged on its way",
    ),
    (
        "node_down_read",
        "the embedded ledger has no node behind it",
    ),
    (
        "node_down_write",
        "the embedded ledger has no node behind it",
    ),
    (
        "wedge/create_after",
        "the state is that of a wedged process",
    ),
    ("wedge/pending_in_pool", "not an exchange"),
];

/// An anchor of the recording, wrapped and plain.
struct Anchor {
    id: AnchorId,
    values: Vec<AnchorValue>,
}

impl Anchor {
    fn path(&self, action: &str, version: usize) -> String {
        let (id, value) = (self.id.as_str(), self.values[version].as_str());
        format!("/{action}/{id}/{value}")
    }

    fn item(&self, version: usize) -> Value {
        json!({ "anchorId": self.id.as_str(), "anchorValue": self.values[version].as_str() })
    }
}

/// The anchors that the recorded run left, in the order of their creation.
fn anchors() -> Result<Vec<Anchor>> {
    let Answer::Whole { body, .. } = recorded("dump_neg")? else {
        anyhow::bail!("dump_neg is no whole answer");
    };
    let dump: Vec<Value> = serde_json::from_str(&body)?;
    let text =
        |value: &Value| Ok::<_, anyhow::Error>(value.as_str().context("no text")?.to_owned());
    let anchor = |it: &Value| {
        let values = it["anchorValues"].as_array().context("no values")?;
        let value = |value: &Value| Ok(AnchorValue::parse(&text(value)?)?);
        Ok(Anchor {
            id: AnchorId::parse_plain(&text(&it["anchorId"])?)?,
            values: values.iter().map(value).collect::<Result<_>>()?,
        })
    };
    dump.iter().map(anchor).collect()
}

/// One exchange: its name, what is asked, and what our answer has to do with the recorded one.
struct Row {
    name: &'static str,
    method: &'static str,
    target: String,
    body: String,
    expect: Expect,
}

fn get(name: &'static str, target: impl Into<String>, expect: Expect) -> Row {
    Row {
        name,
        method: "GET",
        target: target.into(),
        body: String::new(),
        expect,
    }
}

fn put(name: &'static str, target: impl Into<String>, expect: Expect) -> Row {
    put_body(name, target, String::new(), expect)
}

fn put_body(
    name: &'static str,
    target: impl Into<String>,
    body: impl Into<String>,
    expect: Expect,
) -> Row {
    Row {
        method: "PUT",
        body: body.into(),
        ..get(name, target, expect)
    }
}

/// Single anchors, in the order of the recording.
fn of_single_anchors(first: &Anchor, second: &Anchor, third: &Anchor) -> Vec<Row> {
    let all = format!("/getAllVersions/{}", first.id);
    let last = format!("/getLastVersion/{}", first.id);
    let raw = first.id.plain().replace(':', "%3A").replace('/', "%2F");
    let raw = raw.replace('+', "%2B").replace('=', "%3D");
    let forged = format!("/createAnchor/{}/{}", third.id, first.values[0].as_str());
    let created = first.path("createAnchor", 0);
    let appended = first.path("appendAnchor", 1);
    let with_json = second.path("createAnchor", 0);
    vec![
        get("health", "/health", Same),
        get("total0", "/totalNumberOfAnchors", Same),
        get("getAll_unknown", &all, Same),
        get("getLast_unknown", &last, Same),
        get("wedge/read_after", &last, Same),
        put("create_ok", &created, Transaction),
        put_body("create_ok_emptyjson", with_json, "{}", Transaction),
        put("create_dup", created, Same),
        put("create_badsig", forged, Same),
        put("append_ok", &appended, Transaction),
        put("append_stale", appended, Same),
        put("append_missing", third.path("appendAnchor", 0), Same),
        get("getAll_ok", all, Same),
        get("getLast_ok", last, Same),
        get("getLast_raw_id", format!("/getLastVersion/{raw}"), Same),
    ]
}

/// Several anchors at once.
fn of_batches(first: &Anchor, third: &Anchor, fourth: &Anchor) -> Vec<Row> {
    let multi = "/createOrAppendMultipleAnchors";
    // The name that an ApiHub uses, and a real one does not know.
    let apihub = "/createOrUpdateMultipleAnchors";
    let timeout = Ours(408, "Transaction timeout.");
    let good = json!([third.item(0), first.item(2)]).to_string();
    let stale = json!([fourth.item(0), first.item(1)]).to_string();
    let garbage = r#"[{"anchorId":"notanssi","anchorValue":"x"}]"#;
    vec![
        put_body("multi_ok", multi, good, Transaction),
        put_body("multi_apihub_name", apihub, "[]", timeout),
        put_body("multi_bad", multi, stale, Same),
        put_body("wedge/bad_multi", multi, garbage, Same),
        put_body("multi_notarray", multi, "{}", Same),
        put_body("multi_invalid_json", multi, "{nonsense", Same),
        put_body("multi_empty", multi, "[]", Same),
    ]
}

/// Lists, odd paths and garbage, and that it serves on afterwards.
fn of_the_rest(first: &Anchor, fourth: &Anchor) -> Vec<Row> {
    let trailing = format!("/getAllVersions/{}/", first.id);
    let page = |name, query: &str, expect| get(name, format!("/dumpAnchors?{query}"), expect);
    let in_lower_case = "/dumpanchors?from=0&limit=1&maxSize=100000";
    let wrong_method = Row {
        method: "POST",
        ..get("wrong_method", first.path("createAnchor", 0), Same)
    };
    let no_id = Ours(400, r#"{"message":"this is not an anchor id"}"#);
    let constant = format!("/createAnchor/{}", constant_path());
    vec![
        get("total", "/totalNumberOfAnchors", Same),
        page("dump", "from=0&limit=2&maxSize=100000", Same),
        page("dump_small_max", "from=0&limit=3&maxSize=700", Same),
        get("dump_noquery", "/dumpAnchors", WrappedError),
        page(
            "dump_from_beyond",
            "from=100&limit=1&maxSize=1000",
            Ours(200, "[]"),
        ),
        get("getAll_trailing", trailing, Same),
        get("total_trailing", "/totalNumberOfAnchors/", Same),
        get("dump_case", in_lower_case, Same),
        get("check", "/check", Same),
        get("unknown", "/nope", Same),
        wrong_method,
        put("create_garbage_ssi", "/createAnchor/notanssi/alsonot", Same),
        get("getLast_garbage", "/getLastVersion/notanssi", no_id),
        get("health_after_garbage", "/health", Same),
        put("create_after", fourth.path("createAnchor", 0), Transaction),
        page("dump_neg", "from=0&limit=99999999&maxSize=100000000", Same),
        get("node_down_health", "/health", Same),
        get("wedge/health", "/health", Same),
        put("wedge/create_before", constant, Transaction),
    ]
}

/// Id and value of a constant anchor, as they stand in a path: plain text, escaped.
fn constant_path() -> String {
    let hash = keyssi::BrickHash::of(b"x");
    format!("ssi%3Acza%3Adefault%3A{hash}%3A%3Av0/ssi%3Ahl%3Adefault%3A{hash}%3A%3Av0")
}

#[test]
fn a_node_answers_as_was_recorded() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let address = address_of(&server)?;
    let anchors = anchors()?;
    let mut left: BTreeMap<String, Option<Answer>> = recordings()?;
    for (name, reason) in LEFT_OUT {
        ensure!(
            left.remove(name).is_some(),
            "{name} is not recorded ({reason})"
        );
    }
    let [first, second, third, fourth] = anchors.as_slice() else {
        anyhow::bail!("the recording has four anchors");
    };
    let mut rows = of_single_anchors(first, second, third);
    rows.extend(of_batches(first, third, fourth));
    rows.extend(of_the_rest(first, fourth));
    for row in rows {
        let recorded = left.remove(row.name).flatten();
        let recorded = recorded.with_context(|| format!("{} is not recorded", row.name))?;
        let reply = exchange(address, row.method, &row.target, &row.body).context(row.name)?;
        check(row.name, &reply, &recorded, &row.expect);
    }
    ensure!(left.is_empty(), "names without a row: {:?}", left.keys());
    Ok(())
}

fn check(name: &str, reply: &Reply, recorded: &Answer, expect: &Expect) {
    let ours = reply.text();
    if let Ours(status, body) = expect {
        assert_eq!((reply.status, ours.as_str()), (*status, *body), "{name}");
        return;
    }
    let Answer::Whole {
        status,
        headers,
        body,
    } = recorded
    else {
        panic!("{name}: there is no answer to compare with");
    };
    assert_eq!(reply.status, *status, "{name}: {ours}");
    for (header, value) in headers {
        assert_eq!(
            reply.header(header),
            Some(value.as_str()),
            "{name}: {header}"
        );
    }
    match expect {
        Same => assert_eq!(&ours, body, "{name}"),
        Transaction => {
            assert_eq!(ours.len(), body.len(), "{name}: {ours}");
            let digits = ours.strip_prefix("0x").unwrap_or_default();
            assert!(
                digits.bytes().all(|it| it.is_ascii_hexdigit()),
                "{name}: {ours}"
            );
        }
        WrappedError => {
            let [ours, theirs]: [Value; 2] =
                [&ours, body].map(|it| serde_json::from_str(it).unwrap_or_default());
            assert_eq!(ours["debug_message"], theirs["debug_message"], "{name}");
            let keys = ours
                .as_object()
                .map(|it| it.keys().cloned().collect::<Vec<_>>());
            let keys = keys.unwrap_or_default();
            assert!(!keys.is_empty(), "{name}: {ours}");
            for key in keys {
                assert!(theirs.get(&key).is_some(), "{name}: {key}");
            }
        }
        Ours(..) => {}
    }
}

/// What the contract would have said, for a client that wants to know.
#[test]
fn refusals_say_the_contracts_status() -> Result<()> {
    let server = Server::start(CONFIG)?;
    let address = address_of(&server)?;
    let anchors = anchors()?;
    let [first, second, ..] = anchors.as_slice() else {
        anyhow::bail!("the recording has four anchors");
    };
    let constant = |action: &str| format!("/{action}/{}", constant_path());
    let forged = format!("/createAnchor/{}/{}", second.id, first.values[0].as_str());
    let cases = [
        (first.path("appendAnchor", 1), 428, Some("106")),
        (first.path("createAnchor", 0), 200, None),
        (first.path("createAnchor", 0), 428, Some("105")),
        (first.path("appendAnchor", 2), 428, Some("104")),
        (forged, 428, Some("103")),
        (constant("createAnchor"), 200, None),
        (constant("appendAnchor"), 428, Some("107")),
        ("/createAnchor/x/y".to_owned(), 408, None),
    ];
    for (target, status, told) in cases {
        let reply = exchange(address, "PUT", &target, "")?;
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(reply.header("x-anchoring-status"), told, "{target}");
    }
    let batch = json!([second.item(0), first.item(2)]).to_string();
    let reply = exchange(address, "PUT", "/createOrUpdateMultipleAnchors", &batch)?;
    assert_eq!(
        (reply.status, reply.header("x-anchoring-status")),
        (408, Some("104"))
    );
    let reply = exchange(
        address,
        "GET",
        &format!("/getAllVersions/{}", second.id),
        "",
    )?;
    assert_eq!(reply.text(), "[]", "nothing of a refused batch is stored");
    Ok(())
}
