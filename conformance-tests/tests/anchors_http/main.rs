//! The anchor routes of `kiln serve` beyond the recorded exchanges (http-api §3,
//! keyssi §6): every refusal with its reason, transfers, batches. Values are
//! signed here with no code of the product.

#[path = "../common/answer.rs"]
mod answer;
mod append;
mod batch;
mod batch_refusals;
mod create;
mod identifiers;
mod signer;

use anyhow::Result;
use testkit::http::Reply;
use testkit::server::Server;

use crate::answer::Answer::{self, Body, Empty};
use crate::signer::wrap;

/// The domains of the node under test.
const CONFIG: &str = "[[domain]]\nname = \"default\"\n[[domain]]\nname = \"other\"\n";

/// Sends a write of one value. Id and value are plain; they go out wrapped.
fn write(server: &Server, action: &str, id: &str, value: &str) -> Result<Reply> {
    let (id, value) = (wrap(id), wrap(value));
    let target = format!("/anchor/default/{action}/{id}/{value}");
    Ok(server.put(&target, *b"")?)
}

/// Asserts what the node says of an anchor: its plain values, oldest first.
fn check_versions(server: &Server, id: &str, values: &[&str]) -> Result<()> {
    let id = wrap(id);
    let check = |method: &str, route: &str, expected: Answer<'_>| -> Result<()> {
        let request = server.request(method, &format!("/anchor/default/{route}/{id}"));
        expected.check(route, &server.ask(&request)?);
        Ok(())
    };
    let wrapped: Vec<String> = values.iter().map(|it| wrap(it)).collect();
    let Some(last) = wrapped.last() else {
        for route in ["get-all-versions", "get-last-version"] {
            check("GET", route, Empty(404))?;
            check("HEAD", route, Empty(404))?;
        }
        return Ok(());
    };
    let all = serde_json::to_vec(&wrapped)?;
    check("GET", "get-all-versions", Body(200, &all))?;
    let last = format!("{{\"message\":\"{last}\"}}");
    check("GET", "get-last-version", Body(200, last.as_bytes()))?;
    for route in ["get-all-versions", "get-last-version"] {
        check("HEAD", route, Empty(200))?;
    }
    Ok(())
}

/// Asserts how many anchors a domain has, by both methods.
fn check_total(server: &Server, domain: &str, total: u32) -> Result<()> {
    let target = format!("/anchor/{domain}/get-total-numbers-of-anchors");
    let text = total.to_string();
    let (get, head) = match total {
        0 => (Empty(404), Empty(404)),
        _ => (Body(200, text.as_bytes()), Empty(200)),
    };
    get.check(&target, &server.fetch(&target)?);
    head.check(&target, &server.ask(&server.request("HEAD", &target))?);
    Ok(())
}
