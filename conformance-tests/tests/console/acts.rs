//! What an operator does on the page.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::browser::{Browser, SCREENS};
use crate::world::World;

/// The acts in the audit log by whoever held the admin token, the newest first.
fn acts(world: &World) -> Result<Vec<String>> {
    let records = world.asked("audit?most=5")?["records"].take();
    let acts = records.as_array().context("no records")?.iter();
    Ok(acts
        .map(|it| it["act"].as_str().unwrap_or_default().to_owned())
        .collect())
}

#[test]
fn a_key_is_revoked_after_a_question() -> Result<()> {
    let world = World::start()?;
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    browser.sign_in(&world.token()?)?;
    browser.view("Access")?;
    let read = "/bricking/hospital.example/get-brick/x";
    let status =
        || -> Result<u16> { Ok(world.call("GET", read, Some(&world.ward.text), b"")?.status) };
    let before = status()?;
    browser.click("Revoke ward 7")?;
    let dialog = browser.read()?["dialog"].to_string();
    ensure!(
        dialog.contains("Revoke “ward 7”?") && dialog.contains(&world.ward.id),
        "{dialog}"
    );
    browser.answer("Keep it")?;
    ensure!(status()? == before && before != 401, "{before}");
    browser.click("Revoke ward 7")?;
    browser.answer("Revoke")?;
    ensure!(status()? == 401);
    let page = browser.read()?;
    let row = &page["sections"]["API keys"]["rows"][&world.ward.id];
    ensure!(row["State"]["text"] == "revoked", "{row}");
    ensure!(page["dialog"] == Value::Null, "{page}");
    ensure!(acts(&world)?[1] == "key.revoke", "{:?}", acts(&world)?);
    browser.check_clean()
}

#[test]
fn writes_are_refused_and_taken_again() -> Result<()> {
    let world = World::start()?;
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    browser.sign_in(&world.token()?)?;
    let put = || -> Result<u16> {
        let put = "/bricking/default/put-brick";
        Ok(world
            .call("PUT", put, None, b"a brick of some bytes")?
            .status)
    };
    browser.click("Refuse all writes")?;
    ensure!(world.asked("read-only")?["readOnly"] == false);
    browser.answer("Refuse all writes")?;
    ensure!(world.asked("read-only")?["readOnly"] == true);
    ensure!(put()? == 405);
    let page = browser.read()?;
    ensure!(page["head"].to_string().contains("read-only"), "{page}");
    let health = page["sections"]["Health"]["text"].to_string();
    ensure!(
        health.contains("no writes are taken, because of an operator’s order"),
        "{health}"
    );
    browser.click("Take writes again")?;
    browser.answer("Take writes again")?;
    ensure!(world.asked("read-only")?["readOnly"] == false);
    ensure!(put()? == 201);
    browser.check_clean()
}

/// Somebody who may only operate is told so where he tries more.
#[test]
fn what_is_not_allowed_is_said_where_it_was_tried() -> Result<()> {
    let world = World::start()?;
    let operator = world.key("operator", "*:operate", &json!({}))?;
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    browser.sign_in(&operator.text)?;
    browser.view("Access")?;
    browser.check_clean()?;
    browser.click("Revoke ward 7")?;
    browser.answer("Revoke")?;
    let page = browser.read()?;
    ensure!(page["dialog"].to_string().contains("administer"), "{page}");
    browser.answer("Keep it")?;
    let keys = world.asked("keys")?;
    let ward = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "ward 7");
    ensure!(ward.unwrap()["state"] == "valid", "{keys}");
    Ok(())
}

#[test]
fn a_key_is_made_and_its_text_is_shown_once() -> Result<()> {
    let world = World::start()?;
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    browser.sign_in(&world.token()?)?;
    browser.view("Access")?;
    browser.click("New key")?;
    for (order, label, value) in [
        ("fill", "Name", "device 12 <b>"),
        ("choose", "Role", "anchor"),
        ("choose", "In", "hospital.example"),
        ("choose", "Ends", "2592000"),
        ("fill", "Requests per second, at most", "20"),
    ] {
        browser.order(&json!({ "order": order, "label": label, "text": value, "value": value }))?;
    }
    browser.answer("Make the key")?;
    let dialog = browser.read()?["dialog"].to_string();
    let at = dialog.find("kiln_").context("no key")?;
    let key = &dialog[at..at + 90];
    let read = "/bricking/hospital.example/get-brick/x";
    ensure!(world.call("GET", read, Some(key), b"")?.status != 401);
    // Escape is pressed by accident; the key would be lost.
    browser.order(&json!({ "order": "press", "key": "Escape" }))?;
    ensure!(browser.read()?["dialog"].to_string().contains(key));
    browser.answer("I have it")?;
    let page = browser.read()?;
    ensure!(page["dialog"] == Value::Null && !page.to_string().contains(key));
    let kept = browser.order(&json!({ "order": "kept" }))?;
    ensure!(!kept.to_string().contains(key), "{kept}");
    let keys = world.asked("keys")?["keys"].take();
    let made = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "device 12 <b>");
    let made = made.context("the key is not listed")?;
    let grants = json!([{ "domain": "hospital.example", "role": "anchor" }]);
    ensure!(
        made["grants"] == grants && made["quotas"] == json!({ "requestsPerSecond": 20 }),
        "{made}"
    );
    let days =
        (made["expiresMs"].as_u64().unwrap() - made["createdMs"].as_u64().unwrap()) / 86_400_000;
    ensure!(days == 30, "{made}");
    let row = &page["sections"]["API keys"]["rows"][made["id"].as_str().unwrap()];
    ensure!(
        row["Name"]["text"] == "device 12 <b>" && row["State"]["text"] == "valid",
        "{row}"
    );
    // What the node does not take is said in the dialog.
    browser.click("New key")?;
    browser.order(&json!({ "order": "fill", "label": "Name", "text": " " }))?;
    browser.answer("Make the key")?;
    let page = browser.read()?;
    ensure!(
        page["dialog"].is_string() && page["alerts"] != json!([]),
        "{page}"
    );
    Ok(())
}
