//! Changes of the domain files are taken up while the node serves; what cannot
//! be read changes nothing.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use testkit::eth_adapter::{EthAdapter, recorded};
use testkit::owner::Owner;

use crate::hub::{Hub, HubNode};
use crate::{wait_for_line, wait_until};

/// A ledger that is asked nothing for so long is left alone.
const QUIET: Duration = Duration::from_millis(500);

fn wait_for_bdns(node: &HubNode, text: &str) -> Result<()> {
    wait_until(text, || Ok(node.fetch("/bdns")?.body == text.as_bytes()))
}

fn wait_for_bricks(node: &HubNode, domain: &str, status: u16) -> Result<()> {
    let what = format!("{status} for bricks of {domain}");
    wait_until(&what, || Ok(node.put_brick(domain)? == status))
}

#[test]
fn domains_come_go_and_change_their_kind_while_serving() -> Result<()> {
    let hub = Hub::new()?;
    let node = HubNode::start(&hub)?;
    node.check_domain("added", false, false)?;
    assert_eq!(node.fetch("/bdns")?.text(), "{}");
    hub.configure("domains/added.json", "{}")?;
    wait_for_bricks(&node, "added", 201)?;
    node.check_domain("added", true, true)?;

    let hosts = "{\"hosted\":{},  \"odd space\":{}}";
    hub.configure("bdns.hosts", hosts)?;
    wait_for_bdns(&node, hosts)?;
    node.check_domain("hosted", true, true)?;
    wait_for_line(node.process(), &["domain \"odd space\" is not served"])?;
    // A change of the text alone is a change.
    let hosts = "{\"hosted\":{\"brickStorages\":[\"https://a.example\"]}}";
    hub.configure("bdns.hosts", hosts)?;
    wait_for_bdns(&node, hosts)?;

    hub.configure("domains/added.json", "{\"anchoring\":{\"type\":\"ETH\"}}")?;
    let total = "/anchor/added/get-total-numbers-of-anchors";
    wait_until("the ledger", || Ok(node.fetch(total)?.status == 400))?;
    node.check_domain("added", true, false)?;
    hub.configure("domains/added.json", "{\"anchoring\":{\"type\":\"FS\"}}")?;
    wait_until("no ledger", || Ok(node.fetch(total)?.status == 404))?;

    fs::remove_file(hub.path("config/domains/added.json"))?;
    wait_for_bricks(&node, "added", 404)?;
    fs::remove_file(hub.path("config/bdns.hosts"))?;
    wait_for_bdns(&node, "{}")?;
    node.check_domain("hosted", false, false)?;
    // What was stored is there again with the domain.
    hub.configure("domains/hosted.json", "{}")?;
    wait_for_bricks(&node, "hosted", 201)
}

#[test]
fn a_file_that_cannot_be_read_keeps_what_was_and_is_named() -> Result<()> {
    let hub = Hub::new()?;
    let hosts = "{\"hosted\":{}}";
    hub.configure("bdns.hosts", hosts)?;
    hub.configure("domains/filed.json", "{}")?;
    let node = HubNode::start(&hub)?;
    let check_kept = |case: &str, file: &str| -> Result<()> {
        let parts = [file, "the domains stay as they were", "WARN"];
        wait_for_line(node.process(), &parts)?;
        assert_eq!(node.fetch("/bdns")?.text(), hosts, "{case}");
        node.check_domain("hosted", true, true)?;
        node.check_domain("filed", true, true)?;
        node.check_domain("new", false, false)
    };
    hub.configure("domains/new.json", "{\"anchoring\":")?;
    check_kept("half a file", "new.json is not JSON")?;
    hub.configure("domains/new.json", "[]")?;
    check_kept("a list", "new.json is not a JSON object")?;
    // One broken file keeps out the change of another one, too.
    let next = "{\"next\":{}}";
    hub.configure("bdns.hosts", next)?;
    hub.configure("domains/new.json", "{ \"broken again\"")?;
    let parts = ["new.json is not JSON", "EOF"];
    wait_for_line(node.process(), &parts)?;
    assert_eq!(node.fetch("/bdns")?.text(), hosts);
    hub.configure("domains/new.json", "{}")?;
    wait_for_bdns(&node, next)?;
    node.check_domain("new", true, true)?;
    node.check_domain("hosted", false, false)?;
    hub.configure("bdns.hosts", "")?;
    wait_for_line(
        node.process(),
        &["bdns.hosts is not JSON", "stay as they were"],
    )?;
    assert_eq!(node.fetch("/bdns")?.text(), next);
    Ok(())
}

/// A warning comes once for each cause, not every second.
#[test]
fn a_broken_file_does_not_flood_the_log() -> Result<()> {
    let hub = Hub::new()?;
    hub.configure("bdns.hosts", "{\"default\":{}}")?;
    let node = HubNode::start(&hub)?;
    hub.configure("domains/broken.json", "{")?;
    wait_for_line(node.process(), &["broken.json is not JSON"])?;
    // Repaired, noticed, broken again: several looks have passed by then.
    hub.configure("domains/broken.json", "{}")?;
    wait_for_bricks(&node, "broken", 201)?;
    hub.configure("bdns.hosts", "{\"other\":{}}")?;
    wait_for_bdns(&node, "{\"other\":{}}")?;
    let stderr = node.process().stderr_tail();
    assert_eq!(
        stderr.matches("broken.json is not JSON").count(),
        1,
        "{stderr}"
    );
    Ok(())
}

/// Bug: the outbox of the former ledger goes on beside the new one, and carries entries to a ledger
/// that the domain has left. Mechanism: both refuse, so that each outbox that runs tries again and
/// again; whoever is not asked while the other is asked many times has none.
#[test]
fn a_domain_that_moves_to_another_ledger_has_one_outbox() -> Result<()> {
    let refusing = || -> Result<EthAdapter> {
        let adapter = EthAdapter::start()?;
        let down = recorded("node_down_read")?;
        adapter.answer("getAllVersions", [down]);
        Ok(adapter)
    };
    let (former, later) = (refusing()?, refusing()?);
    let hub = Hub::new()?;
    let on = |adapter: &EthAdapter| {
        let url = adapter.url();
        let text =
            format!("{{\"anchoring\":{{\"type\":\"OBA\",\"option\":{{\"endpoint\":{url:?}}}}}}}");
        hub.configure("domains/moved.json", &text)
    };
    on(&former)?;
    let node = HubNode::start(&hub)?;
    let create = |number: u8| -> Result<()> {
        let owner = Owner::new(&"moved".parse()?, &[number; 32])?;
        let value = owner.sign(
            "BsDZDZZsSfW3tP9Kr8epe1c8Wd49kB7UYTrva7dZGeVU",
            1_700_000_000_000,
        )?;
        let target = format!("/anchor/moved/create-anchor/{}/{value}", owner.id());
        let reply = node.put(&target, b"")?;
        assert_eq!(reply.status, 201, "{}", reply.text());
        Ok(())
    };
    create(1)?;
    assert!(
        former.await_request("getAllVersions", 0),
        "nothing was carried"
    );
    on(&later)?;
    let total = "/anchor/moved/get-total-numbers-of-anchors";
    wait_until("the later ledger", || {
        // The domain's ledger is made anew with the first request after the change.
        node.fetch(total)?;
        Ok(!later.asked().is_empty())
    })?;
    // What the former was asked at the time of the change may still be on its way.
    let (mut before, mut since) = (former.asked().len(), Instant::now());
    wait_until("the former is left alone", || {
        let now = former.asked().len();
        if now != before {
            (before, since) = (now, Instant::now());
        }
        Ok(since.elapsed() >= QUIET)
    })?;
    create(2)?;
    for _ in 0..6 {
        let seen = later.asked().len();
        assert!(
            later.await_request("getAllVersions", seen),
            "it is not tried again"
        );
    }
    assert_eq!(former.asked().len(), before, "{:?}", former.actions());
    Ok(())
}
