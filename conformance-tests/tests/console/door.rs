//! Signing in and out.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::browser::{Browser, SCREENS};
use crate::world::World;

/// The policy that a browser is told, to the letter.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn kept(browser: &mut Browser, credential: &[&str]) -> Result<()> {
    let kept = browser.order(&json!({ "order": "kept" }))?;
    let expected = json!({ "session": credential, "local": [], "databases": 0, "cookies": 0 });
    ensure!(kept == expected, "{kept}");
    Ok(())
}

fn told(page: &Value, parts: &[&str]) -> Result<()> {
    let alerts = page["alerts"].to_string();
    ensure!(page["heading"] == "Kiln console", "{page}");
    for part in parts {
        ensure!(alerts.contains(part), "no {part}: {alerts}");
    }
    Ok(())
}

#[test]
fn a_credential_is_tried_kept_in_the_tab_and_forgotten() -> Result<()> {
    let world = World::start()?;
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    let page = browser.open(SCREENS[0])?;
    ensure!(page["status"] == 200, "{page}");
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        ensure!(page["headers"][name] == value, "{page}");
    }
    told(&browser.read()?, &[])?;
    browser.check_clean()?;

    // Nothing, what cannot be a token, a wrong one, and one that may not look at the node.
    browser.sign_in("")?;
    told(&browser.read()?, &["Paste the admin token"])?;
    browser.sign_in("two words")?;
    told(&browser.read()?, &["This is no token"])?;
    browser.check_silent()?;
    browser.sign_in("kiln_admin_wrong")?;
    told(&browser.read()?, &["Not accepted", "DATA/admin-token"])?;
    kept(&mut browser, &[])?;
    browser.sign_in(&world.ward.text)?;
    told(&browser.read()?, &["may not look at the node", "operate"])?;
    kept(&mut browser, &[])?;
    // The browser itself notes that a request was refused; the page has said so.
    let seen = browser.order(&json!({ "order": "seen" }))?;
    let errors = seen["errors"].as_array().unwrap();
    ensure!(errors.len() == 2, "{seen}");
    ensure!(
        errors.iter().all(|it| it
            .to_string()
            .contains("the server responded with a status of 40")),
        "{seen}"
    );

    let token = world.token()?;
    browser.sign_in(&token)?;
    ensure!(browser.read()?["heading"] == "Overview");
    kept(&mut browser, &[&token])?;
    browser.order(&json!({ "order": "reload" }))?;
    let page = browser.read()?;
    ensure!(page["heading"] == "Overview", "a reload keeps the session");
    ensure!(
        !page["text"].to_string().contains(&token),
        "the page shows the token"
    );
    browser.click("Sign out")?;
    told(&browser.read()?, &[])?;
    kept(&mut browser, &[])?;
    browser.order(&json!({ "order": "reload" }))?;
    told(&browser.read()?, &[])?;
    browser.check_clean()
}

#[test]
fn a_session_ends_with_its_key_and_says_why() -> Result<()> {
    let world = World::start()?;
    let key = world.key("for an hour", "*:operate", &json!({}))?;
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    browser.sign_in(&key.text)?;
    ensure!(browser.read()?["heading"] == "Overview");
    browser.check_clean()?;
    world.administer("POST", &format!("keys/{}/revoke", key.id), &json!({}))?;
    browser.beat()?;
    told(
        &browser.read()?,
        &["does not take this credential any more"],
    )?;
    kept(&mut browser, &[])?;
    // One question is enough to learn it: a page that asks on would be taken for a guesser.
    browser.order(&json!({ "order": "seen" }))?;
    browser.beat()?;
    browser.beat()?;
    browser.check_silent()
}

#[test]
fn a_node_that_is_away_is_said_to_be_and_its_last_figures_stay() -> Result<()> {
    let mut world = World::start()?;
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    browser.sign_in(&world.token()?)?;
    let before = browser.read()?;
    ensure!(before["alerts"] == json!([]), "{before}");
    ensure!(
        before["head"].to_string().contains("last answered"),
        "{before}"
    );
    world.stop()?;
    browser.beat()?;
    let page = browser.read()?;
    let alerts = page["alerts"].to_string();
    ensure!(alerts.contains("The node does not answer"), "{page}");
    ensure!(page["head"].to_string().contains("no answer"), "{page}");
    let version = |page: &Value| page["sections"]["Node"]["facts"]["Version"]["text"].clone();
    ensure!(version(&page) == version(&before), "{page}");
    Ok(())
}
