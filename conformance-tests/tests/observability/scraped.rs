//! `/metrics` under the real tools, and what its listener refuses.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::http::{Request, ask};
use testkit::prometheus::{self, Prometheus};

use crate::traffic;
use crate::world::World;

#[test]
fn promtool_finds_nothing_and_a_real_prometheus_reads_it() -> Result<()> {
    let world = World::start("[[domain]]\nname = \"default\"\n")?;
    traffic::drive(&world.server, &["default"])?;
    let scrape = world.fetch_metrics("/metrics")?;
    let kind = scrape.header("content-type").unwrap_or_default();
    ensure!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    prometheus::check_metrics(&scrape.body)?;
    let prometheus = Prometheus::start(world.metrics)?;
    let puts = "kiln_requests_total{job=\"kiln\",operation=\"put_brick\",outcome=\"ok\"} == 2";
    assert_eq!(prometheus.wait_for(puts)?, "2");
    let stored = "kiln_bricks_stored{domain=\"default\"} == 1";
    assert_eq!(prometheus.wait_for(stored)?, "1");
    let slowest = "histogram_quantile(1, sum by (le) (kiln_store_sync_seconds_bucket)) > 0";
    prometheus.wait_for(slowest)?;
    Ok(())
}

#[test]
fn the_listener_shows_metrics_and_nothing_else() -> Result<()> {
    let world = World::start("")?;
    assert_eq!(world.fetch_metrics("/metrics")?.status, 200);
    for target in [
        "/",
        "/bdns",
        "/livez",
        "/metrics/x",
        "/bricking/default/put-brick",
    ] {
        assert_eq!(world.fetch_metrics(target)?.status, 404, "{target}");
    }
    for method in ["PUT", "POST", "DELETE"] {
        let request = Request::to(world.metrics, method, "/metrics");
        assert_eq!(ask(world.metrics, &request)?.status, 405, "{method}");
    }
    let foreign = Request::new("GET", "/metrics").header("Host", "evil.example");
    assert_eq!(ask(world.metrics, &foreign)?.status, 403);
    let proxied =
        Request::to(world.metrics, "GET", "/metrics").header("X-Forwarded-For", "1.1.1.1");
    assert_eq!(ask(world.metrics, &proxied)?.status, 403);
    // Where wallets ask, there are none.
    assert_eq!(world.server.fetch("/metrics")?.status, 404);
    Ok(())
}

#[test]
fn figures_are_those_of_what_was_done() -> Result<()> {
    // The scrub syncs the store, too.
    let world = World::start("[scrub]\nenabled = false\n")?;
    let brick = vec![7; 1000];
    for _ in 0..2 {
        let put = world
            .server
            .put("/bricking/default/put-brick", brick.clone())?;
        assert_eq!(put.status, 201);
    }
    world.server.put("/bricking/default/put-brick", "other")?;
    let check = |sample: &str, expected: f64| -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        // A request is counted when the last of its answer has left, which the client may see first.
        loop {
            let found = world.metric(sample)?;
            if (found - expected).abs() < 1e-9 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{sample} {found}");
        }
    };
    check("kiln_bricks_stored{domain=\"default\"}", 2.0)?;
    check("kiln_bricks_stored_bytes{domain=\"default\"}", 1005.0)?;
    check("kiln_received_bytes_total{operation=\"put_brick\"}", 2005.0)?;
    check("kiln_store_sync_seconds_count{store=\"bricks\"}", 3.0)?;
    check("kiln_store_state{store=\"bricks\",state=\"ready\"}", 1.0)?;
    check("kiln_requests_in_flight", 0.0)?;
    check("kiln_connections_refused_total", 0.0)?;
    check("kiln_body_budget_used_bytes", 0.0)?;
    Ok(())
}
