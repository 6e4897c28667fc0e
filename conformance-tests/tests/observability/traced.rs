//! Traces: whose parents the spans have, what they say, and that a collector which does not answer
//! holds nothing up.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use testkit::collector::{Collector, Manner};

use crate::world::{World, otlp, spans_in};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    let found = span.attributes.iter().find(|it| it.key == key)?;
    found.value.as_ref()?.value.as_ref()
}

#[test]
fn a_request_continues_the_trace_that_it_brings() -> Result<()> {
    let collector = Collector::start(Manner::Takes)?;
    let folder = tempfile::tempdir()?;
    let headers = World::file(&folder, "headers", "x-scope: hospital\n")?;
    let more = format!("{}headers_file = {:?}\n", otlp(&collector), headers);
    let world = World::start(&more)?;
    let put = world.server.request("PUT", "/bricking/default/put-brick");
    let put = put
        .header("traceparent", &format!("00-{TRACE}-{PARENT}-01"))
        .header("tracestate", "vendor=1")
        .header("x-request-id", "my-request")
        .body("a brick");
    let answer = world.server.ask(&put)?;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("x-request-id"), Some("my-request"));
    world.server.fetch("/bdns")?;

    let sendings = collector
        .wait_until(|sendings| spans_in(sendings).is_ok_and(|spans| spans.len() >= 2))
        .map_err(|sent| anyhow::anyhow!("only {} sendings", sent.len()))?;
    let head = sendings[0].head.to_ascii_lowercase();
    ensure!(head.starts_with("post /v1/traces "), "{head}");
    ensure!(
        head.contains("content-type: application/x-protobuf"),
        "{head}"
    );
    ensure!(head.contains("x-scope: hospital"), "{head}");
    let spans = spans_in(&sendings)?;
    let find = |name: &str| {
        let found = spans.iter().find(|span| span.name == name);
        found.with_context(|| format!("no span {name} in {spans:?}"))
    };
    let put = find("put_brick")?;
    assert_eq!(hex(&put.trace_id), TRACE);
    assert_eq!(hex(&put.parent_span_id), PARENT);
    assert_eq!(put.trace_state, "vendor=1");
    let text = |value: &str| Some(Value::StringValue(value.to_owned()));
    assert_eq!(attribute(put, "request_id").cloned(), text("my-request"));
    assert_eq!(attribute(put, "op").cloned(), text("put_brick"));
    assert_eq!(attribute(put, "domain").cloned(), text("default"));
    assert_eq!(attribute(put, "outcome").cloned(), text("ok"));
    let status = attribute(put, "http.response.status_code");
    assert_eq!(status, Some(&Value::IntValue(201)));
    assert_eq!(attribute(put, "bytes_in"), Some(&Value::IntValue(7)));
    ensure!(put.end_time_unix_nano >= put.start_time_unix_nano);
    let own = find("bdns")?;
    ensure!(own.parent_span_id.iter().all(|byte| *byte == 0));
    ensure!(hex(&own.trace_id) != TRACE);
    Ok(())
}

#[test]
fn what_a_request_asks_of_another_ledger_is_part_of_its_trace() -> Result<()> {
    let (collector, adapter) = (
        Collector::start(Manner::Takes)?,
        Collector::start(Manner::Takes)?,
    );
    let url = adapter.endpoint();
    let world = World::start(&format!(
        "{}[[domain]]\nname = \"elsewhere\"\nanchoring = \"adapter\"\n\
         [domain.adapter]\nurl = {url:?}\n",
        otlp(&collector)
    ))?;
    let count = "/anchor/elsewhere/get-total-numbers-of-anchors";
    let request = world.server.request("GET", count);
    let parent = format!("00-{TRACE}-{PARENT}-01");
    world.server.ask(&request.header("traceparent", &parent))?;
    let asked = adapter.sendings();
    let head = &asked.first().context("the adapter was not asked")?.head;
    ensure!(
        head.contains(&format!("traceparent: 00-{TRACE}-")),
        "{head}"
    );
    // The node's own span is the parent, not that of its caller.
    ensure!(!head.contains(PARENT), "{head}");
    Ok(())
}

#[test]
fn what_a_sender_does_not_trace_is_not_traced_and_a_ratio_of_nothing_traces_nothing() -> Result<()>
{
    let collector = Collector::start(Manner::Takes)?;
    let world = World::start(&format!("{}sample_ratio = 0.0\n", otlp(&collector)))?;
    for flags in ["00", "01"] {
        let request = world.server.request("GET", "/bdns");
        let request = request.header("traceparent", &format!("00-{TRACE}-{PARENT}-{flags}"));
        world.server.ask(&request)?;
        world.server.fetch("/version")?;
    }
    collector
        .wait_until(|sendings| spans_in(sendings).is_ok_and(|spans| !spans.is_empty()))
        .map_err(|sent| anyhow::anyhow!("no span in {} sendings", sent.len()))?;
    world.end()?;
    // What is left is sent at the end, so nothing more can come.
    let spans = spans_in(&collector.sendings())?;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["bdns"]);
    Ok(())
}

#[test]
fn a_collector_that_does_not_answer_holds_nothing_up() -> Result<()> {
    let collector = Collector::start(Manner::Hangs)?;
    // One sending lasts as long as the test; what it took out of the queue is one batch.
    let endpoint = collector.endpoint();
    let more = format!("[otlp]\nendpoint = {endpoint:?}\ntimeout_ms = 60000\n");
    let world = World::start(&more)?;
    let mut connection = world.server.connect()?;
    // More than the queue and a batch hold.
    for _ in 0..6000 {
        let reply = connection.send(&world.server.request("GET", "/livez"))?;
        ensure!(reply.status == 200);
    }
    let dropped = world.metric("kiln_spans_total{outcome=\"dropped\"}")?;
    ensure!(dropped > 0.0, "no span was dropped");
    let began = Instant::now();
    world.end()?;
    let took = began.elapsed();
    ensure!(took < Duration::from_secs(30), "the stop took {took:?}");
    Ok(())
}
