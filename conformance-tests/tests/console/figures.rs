//! Each view shows what the node's API says.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::browser::{Browser, SCREENS};
use crate::world::{World, damaged};

/// The page of a node on which nothing happens any more.
fn opened(world: &World) -> Result<Browser> {
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    browser.sign_in(&world.token()?)?;
    Ok(browser)
}

/// The exact value of a cell or a fact.
fn value(figure: &Value) -> Result<f64> {
    figure["values"][0]
        .as_f64()
        .with_context(|| format!("no value: {figure}"))
}

fn same(shown: &Value, told: &Value) -> Result<()> {
    let told = told
        .as_f64()
        .with_context(|| format!("no number: {told}"))?;
    ensure!(
        (value(shown)? - told).abs() < f64::EPSILON,
        "{shown} is not {told}"
    );
    Ok(())
}

#[test]
fn storage_shows_bricks_bytes_anchors_and_quotas_of_each_domain() -> Result<()> {
    let world = World::start()?;
    let mut browser = opened(&world)?;
    browser.view("Storage")?;
    let page = browser.read()?;
    let bricks = &world.asked("bricks/status")?["domains"];
    let anchors = &world.asked("anchors/status")?["domains"];
    let domains = &page["sections"]["Domains"];
    let names = [
        "default",
        "hospital.example",
        "trials.example",
        "archive.example",
    ];
    ensure!(
        domains["rows"].as_object().unwrap().len() == names.len(),
        "{domains}"
    );
    for name in names {
        let row = &domains["rows"][name];
        same(&row["Bricks"], &bricks[name]["bricks"])?;
        same(&row["Bytes"], &bricks[name]["bytes"])?;
        same(&row["Anchors"], &anchors[name]["anchors"])?;
        same(&row["Log entries"], &anchors[name]["log"]["entries"])?;
    }
    ensure!(
        bricks["hospital.example"] == json!({ "bricks": 6, "bytes": 576_000 }),
        "{bricks}"
    );
    let full = domains["rows"]["hospital.example"]["Bytes"]["text"].as_str();
    let full = full.unwrap_or_default();
    ensure!(
        full.starts_with("576 kB of 600 kB") && full.ends_with("96 % of the quota"),
        "{full}"
    );
    ensure!(
        domains["rows"]["default"]["Other quotas"]["text"] == "bytes up per day: 50 GB",
        "{domains}"
    );
    ensure!(
        domains["rows"]["archive.example"]["Domain"]["text"] == "archive.example disabled",
        "{domains}"
    );
    let meters = domains["meters"].to_string();
    ensure!(
        meters.contains("\"96 % used\"") && domains["meters"].as_array().unwrap().len() == 3,
        "{meters}"
    );
    for store in ["bricks", "anchors"] {
        let facts = &page["sections"][format!("Store of {store}")]["facts"];
        let free = world.sample(&format!(
            "kiln_store_volume_free_bytes{{store=\"{store}\"}}"
        ))?;
        ensure!(
            value(&facts["Free on the volume"])? > 0.0 && free > 0.0,
            "{facts}"
        );
        let tables = world.sample(&format!("kiln_store_table_bytes{{store=\"{store}\"}}"))?;
        same(&facts["In tables"], &json!(tables))?;
    }
    browser.check_clean()
}

#[test]
fn overview_shows_health_traffic_and_how_long_commits_take() -> Result<()> {
    let world = World::start()?;
    let mut browser = opened(&world)?;
    for number in 0..4 {
        world.traffic(number)?;
        browser.beat()?;
    }
    // Signing the logs is a write too, and comes by itself.
    world.wait("anchors/status", |it| {
        let mut domains = it["domains"].as_object().unwrap().values();
        domains.all(|it| it["log"]["signed"] == it["log"]["entries"])
    })?;
    browser.beat()?;
    let page = browser.read()?;
    let status = world.asked("status")?;
    let node = &page["sections"]["Node"]["facts"];
    ensure!(node["Version"]["text"] == status["version"], "{node}");
    ensure!(node["Serves on"]["text"] == status["address"], "{node}");
    ensure!(page["head"].to_string().contains("ready"), "{page}");
    let health = &page["sections"]["Health"]["text"];
    for part in [
        "in disabled domains: archive.example",
        "hospital.example uses 96 % of its quota of bytes",
    ] {
        ensure!(health.to_string().contains(part), "{health}");
    }
    let charts = &page["sections"]["Throughput"]["charts"];
    for chart in ["Requests", "Refused or failed", "Received", "Sent"] {
        let shown = &charts[chart];
        ensure!(shown["points"].as_u64() >= Some(3), "{chart}: {charts}");
        ensure!(
            shown["label"].to_string().contains(", most "),
            "{chart}: {charts}"
        );
    }
    for chart in ["Requests", "Received"] {
        let label = charts[chart]["label"].to_string();
        ensure!(!label.contains("most 0 "), "{chart}: {label}");
    }
    let commits = &page["sections"]["Commits"]["rows"];
    for store in ["bricks", "anchors"] {
        let count = world.sample(&format!(
            "kiln_store_sync_seconds_count{{store=\"{store}\"}}"
        ))?;
        let row = &commits[format!("{store}: fsync")];
        same(&row["Since the start"], &json!(count))?;
        let at = |column: &str| value(&row[column]);
        for span in ["last minute", "since the start"] {
            let (half, most) = (at(&format!("p50, {span}"))?, at(&format!("p99, {span}"))?);
            ensure!(0.0 < half && half <= most && most <= 5.0, "{row}");
        }
        let parts = &page["sections"]["Parts and their stores"]["rows"][store];
        ensure!(
            parts["State"]["text"] == "serves" && parts["Store"]["text"] == "ready",
            "{parts}"
        );
        ensure!(parts["Last write"]["times"][0].is_u64(), "{parts}");
    }
    let puts = world.sample("kiln_requests_total{operation=\"put_brick\",outcome=\"ok\"}")?;
    same(&commits["bricks: commit"]["Since the start"], &json!(puts))?;
    browser.check_clean()
}

#[test]
fn ledger_shows_each_log_and_signs_it() -> Result<()> {
    let world = World::start()?;
    let mut browser = opened(&world)?;
    browser.view("Ledger")?;
    browser.click_in("default", "Checkpoint now")?;
    let checkpoint = browser.read()?["dialog"].to_string();
    ensure!(checkpoint.contains("localhost/default 6 "), "{checkpoint}");
    browser.answer("Close")?;
    let page = browser.read()?;
    ensure!(page["dialog"] == Value::Null, "{page}");
    let anchors = world.asked("anchors/status")?;
    for (name, told) in anchors["domains"].as_object().unwrap() {
        let facts = &page["sections"][name]["facts"];
        ensure!(facts["Can serve"]["text"] == "yes", "{facts}");
        ensure!(facts["Log"]["text"] == told["log"]["origin"], "{facts}");
        same(&facts["Entries"], &told["log"]["entries"])?;
        same(&facts["Signed"], &told["log"]["signed"])?;
        let newest = told["log"]["checkpointMs"].as_u64();
        ensure!(
            facts["Newest signed entry"]["times"][0].as_u64() == newest,
            "{facts} {told}"
        );
    }
    ensure!(
        anchors["domains"]["hospital.example"]["log"]["entries"] == 3,
        "{anchors}"
    );
    browser.check_clean()
}

#[test]
fn access_shows_every_key_and_what_strangers_may() -> Result<()> {
    let world = World::start()?;
    let mut browser = opened(&world)?;
    browser.view("Access")?;
    let page = browser.read()?;
    let keys = world.asked("keys")?["keys"].take();
    let rows = page["sections"]["API keys"]["rows"].as_object().unwrap();
    ensure!(
        rows.len() == 4 && keys.as_array().unwrap().len() == 4,
        "{keys}"
    );
    for key in keys.as_array().unwrap() {
        let row = &rows[key["id"].as_str().unwrap()];
        ensure!(row["Name"]["text"] == key["name"], "{row}");
        ensure!(row["State"]["text"] == key["state"], "{row}");
        ensure!(row["Made"]["times"][0] == key["createdMs"], "{row}");
        ensure!(
            (row["Action"]["text"] == "Revoke") == (key["state"] == "valid"),
            "{row}"
        );
        let end = key["revokedMs"].as_u64().or(key["expiresMs"].as_u64());
        ensure!(row["Ends"]["times"][0].as_u64() == end, "{row}");
    }
    let ward = &rows[&world.ward.id];
    ensure!(
        ward["May"]["text"] == "anchor in hospital.example",
        "{ward}"
    );
    ensure!(
        ward["Quotas"]["text"] == "requests per second: 200storage bytes: 2 MB",
        "{ward}"
    );
    let strangers = &page["sections"]["Without a credential"]["rows"];
    for (domain, policy) in [
        ("default", "all"),
        ("hospital.example", "none"),
        ("trials.example", "read"),
        ("archive.example", "all"),
    ] {
        ensure!(strangers[domain]["Policy"]["text"] == policy, "{strangers}");
    }
    browser.check_clean()
}

#[test]
fn refusals_show_the_audit_log_and_can_be_narrowed() -> Result<()> {
    let world = World::start()?;
    let mut browser = opened(&world)?;
    browser.view("Refusals")?;
    let records = world.asked("audit?most=1000")?["records"].take();
    let records = records.as_array().unwrap();
    let numbers = |wanted: &dyn Fn(&Value) -> bool| {
        let wanted = records.iter().filter(|it| wanted(it));
        let mut found: Vec<String> = wanted.map(|it| it["number"].to_string()).collect();
        found.sort();
        found
    };
    let shown = |page: &Value| {
        let mut found: Vec<String> = page["sections"]["Audit log"]["rows"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        found.sort();
        found
    };
    let is_refusal = |it: &Value| it["act"].as_str().unwrap().starts_with("refused.");
    let page = browser.read()?;
    ensure!(shown(&page) == numbers(&is_refusal), "{page}");
    ensure!(shown(&page).len() == 4, "{page}");
    ensure!(
        page["sections"]["Refused since the start"]["tally"] == json!({}),
        "the node was restarted: {page}"
    );
    let mut choose = |label: &str, value: &str| -> Result<Value> {
        browser.order(&json!({ "order": "choose", "label": label, "value": value }))?;
        browser.read()
    };
    let page = choose("Reason", "refused.no-credential")?;
    ensure!(
        shown(&page) == numbers(&|it| it["act"] == "refused.no-credential"),
        "{page}"
    );
    let page = choose("Domain", "trials.example")?;
    let expected =
        numbers(&|it| it["act"] == "refused.no-credential" && it["domain"] == "trials.example");
    ensure!(shown(&page) == expected && expected.len() == 1, "{page}");
    let row = &page["sections"]["Audit log"]["rows"][&expected[0]];
    ensure!(
        row["What"]["text"] == "no credential" && row["From"]["text"] == "127.0.0.1",
        "{row}"
    );
    choose("Domain", "")?;
    let page = choose("Show", "acts")?;
    ensure!(shown(&page) == numbers(&|it| !is_refusal(it)), "{page}");
    let page = choose("Show", "all")?;
    ensure!(shown(&page).len() == records.len(), "{page}");
    ensure!(
        page["text"].to_string().contains("These are all records."),
        "{page}"
    );
    // What comes while somebody looks is there with the next beat.
    ensure!(
        world
            .call("PUT", "/bricking/trials.example/put-brick", None, b"x")?
            .status
            == 401
    );
    browser.beat()?;
    let page = browser.read()?;
    ensure!(shown(&page).len() == records.len() + 1, "{page}");
    ensure!(
        page["sections"]["Refused since the start"]["tally"] == json!({ "unauthenticated": 1 }),
        "{page}"
    );
    browser.check_clean()
}

#[test]
fn scrub_starts_a_pass_and_shows_what_it_found() -> Result<()> {
    let world = World::start()?;
    let mut browser = opened(&world)?;
    browser.view("Scrub")?;
    let page = browser.read()?;
    let bricks = &page["sections"]["Scrub of bricks"];
    ensure!(bricks["facts"]["Now"]["text"] == "idle", "{bricks}");
    ensure!(
        page["sections"]["Quarantine"]["text"]
            .to_string()
            .contains("No brick is in quarantine."),
        "{page}"
    );
    for store in ["bricks", "anchors"] {
        browser.click_in(&format!("Scrub of {store}"), "Start a pass")?;
        world.wait(&format!("{store}/scrub"), |it| {
            it["last"].is_object() && it["running"] == false
        })?;
    }
    browser.beat()?;
    let page = browser.read()?;
    for store in ["bricks", "anchors"] {
        let told = world.asked(&format!("{store}/scrub"))?["last"].take();
        let facts = &page["sections"][format!("Scrub of {store}")]["facts"];
        let things = if store == "bricks" {
            "Bricks"
        } else {
            "Anchors"
        };
        same(&facts[things], &told["things"])?;
        same(&facts["Read"], &told["bytes"])?;
        same(&facts["Damaged"], &told["damaged"])?;
        ensure!(facts["Ended"]["times"][0] == told["endedMs"], "{facts}");
    }
    same(
        &page["sections"]["Scrub of bricks"]["facts"]["Damaged"],
        &json!(1),
    )?;
    let rows = page["sections"]["Quarantine"]["rows"].as_object().unwrap();
    let row = &rows[&format!("default/{}", damaged())];
    ensure!(
        rows.len() == 1 && row["Brick"]["text"] == damaged(),
        "{rows:?}"
    );
    browser.view("Overview")?;
    browser.beat()?;
    let health = browser.read()?["sections"]["Health"]["text"].to_string();
    ensure!(health.contains("1 damaged brick in quarantine"), "{health}");
    browser.check_clean()
}
