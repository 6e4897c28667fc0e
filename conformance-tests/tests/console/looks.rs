//! How the page looks: on a wide and on a narrow screen, by day and by night, for who has no mouse.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::VIEWS;
use crate::browser::{Browser, SCREENS, Screen};
use crate::world::World;

/// The least contrast of text and ground (WCAG 2.2, level AA).
const CONTRAST_MIN: f64 = 4.5;
/// The lowest control that a finger meets, in CSS pixels (WCAG 2.2, 2.5.8, asks for 24).
const CONTROL_MIN: f64 = 36.0;
/// Beats for which the charts are drawn.
const BEATS: u64 = 14;

/// Takes a picture of the page if somebody wants one, and judges what can be measured of it.
fn judge(browser: &mut Browser, screen: Screen, view: &str, pictures: &Path) -> Result<()> {
    let name = view.to_lowercase().replace(' ', "-");
    let file = pictures.join(format!("{name}-{}.png", screen.name));
    browser.order(&json!({ "order": "shot", "file": file }))?;
    ensure!(std::fs::metadata(&file)?.len() > 1_000, "{view}");
    let found = browser.order(&json!({ "order": "measure" }))?;
    let number = |what: &str| found[what].as_f64().unwrap_or(f64::NAN);
    let case = format!("{view}, {}: {found}", screen.name);
    ensure!(number("over") <= 0.0, "too wide: {case}");
    let is_dark = screen.scheme == "dark";
    ensure!(
        (number("ground") < 0.05) == is_dark,
        "the wrong palette: {case}"
    );
    let contrast = found["weakest"]["ratio"].as_f64();
    ensure!(contrast >= Some(CONTRAST_MIN), "weak: {case}");
    ensure!(number("lowest") >= CONTROL_MIN, "a low control: {case}");
    ensure!(
        number("nameless") == 0.0,
        "a control without a name: {case}"
    );
    Ok(())
}

#[test]
fn every_view_can_be_read_on_every_screen() -> Result<()> {
    let world = World::start()?;
    let folder = tempfile::tempdir()?;
    let wanted = std::env::var_os("KILN_SCREENSHOTS").map(PathBuf::from);
    let pictures = wanted.unwrap_or_else(|| folder.path().to_owned());
    std::fs::create_dir_all(&pictures)?;
    world.administer("POST", "bricks/scrub/start", &json!({}))?;
    world.wait("bricks/scrub", |it| it["last"].is_object())?;
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    let token = world.token()?;
    for (turn, screen) in (0..).zip(SCREENS) {
        browser.open(screen)?;
        judge(&mut browser, screen, "Sign in", &pictures)?;
        browser.sign_in(&token)?;
        for beat in 0..BEATS {
            world.traffic(turn * BEATS + beat)?;
            browser.beat()?;
        }
        for view in VIEWS {
            browser.view(view)?;
            judge(&mut browser, screen, view, &pictures)?;
        }
        // A question before something is done, and what is said when nobody may.
        browser.view("Access")?;
        browser.click("Revoke ward 7")?;
        judge(&mut browser, screen, "Revoke", &pictures)?;
        browser.answer("Keep it")?;
        browser.check_clean()?;
    }
    Ok(())
}

#[test]
fn the_page_is_used_without_a_mouse() -> Result<()> {
    let world = World::start()?;
    let mut browser = Browser::start(world.admin(), SCREENS[0])?;
    let press =
        |browser: &mut Browser, key: &str| browser.order(&json!({ "order": "press", "key": key }));
    // The field has the keyboard from the start.
    browser.order(
        &json!({ "order": "fill", "label": "Admin token or API key", "text": world.token()? }),
    )?;
    press(&mut browser, "Enter")?;
    ensure!(browser.read()?["heading"] == "Overview");
    ensure!(press(&mut browser, "Tab")? == "Skip to the figures");
    ensure!(press(&mut browser, "Tab")? == "Sign out");
    for view in VIEWS {
        ensure!(press(&mut browser, "Tab")? == view);
        press(&mut browser, "Enter")?;
        ensure!(browser.read()?["heading"] == view, "{view}");
    }
    // The last view has the scrub's button next; a dialog is left by Escape.
    browser.view("Overview")?;
    browser.click("Refuse all writes")?;
    ensure!(browser.read()?["dialog"].is_string());
    press(&mut browser, "Escape")?;
    let page = browser.read()?;
    ensure!(page["dialog"].is_null(), "{page}");
    ensure!(world.asked("read-only")?["readOnly"] == false);
    browser.check_clean()
}
