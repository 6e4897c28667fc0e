//! Read-only mode as the operator says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::http::{ANSWER_WAIT, Connection, Request};
use testkit::server::write_file;

use crate::node::Node;

const PUT: &str = "/bricking/default/put-brick";

#[test]
fn it_holds_until_it_is_taken_back_and_its_causes_are_told() -> Result<()> {
    let mut node = Node::start("")?;
    let writes = |node: &Node| node.ask("PUT", PUT, Some(b"x")).map(|reply| reply.status);
    assert_eq!(
        node.admin_json(&["read-only", "show"])?,
        json!({ "readOnly": false, "causes": [] })
    );
    let on = json!({ "readOnly": true, "causes": ["admin"] });
    assert_eq!(node.admin_json(&["read-only", "on"])?, on);
    assert_eq!(writes(&node)?, 405);
    // Nothing but the acknowledgement came before.
    node.kill_and_run()?;
    assert_eq!(writes(&node)?, 405);
    assert_eq!(node.admin_json(&["read-only", "show"])?, on);
    node.admin_json(&["read-only", "off"])?;
    node.kill_and_run()?;
    assert_eq!(writes(&node)?, 201);
    node.stop()?;
    write_file(&node.data().join("readonly"), b"")?;
    node.run()?;
    assert_eq!(writes(&node)?, 405);
    let both = node.admin_json(&["read-only", "on"])?;
    assert_eq!(both["causes"], json!(["admin", "file"]));
    let output = node.admin(&["read-only", "off"])?;
    assert_eq!(output.status.code(), Some(1), "another cause holds");
    assert!(String::from_utf8_lossy(&output.stdout).contains("a file named readonly"));
    assert_eq!(writes(&node)?, 405);
    Ok(())
}

/// Rounds of writers that are cut off by the mode.
const ROUNDS: u64 = 5;
const WRITERS: u64 = 8;

#[test]
fn nothing_is_acknowledged_after_it_was_answered() -> Result<()> {
    let node = Node::start("")?;
    let stored = |node: &Node| -> Result<u64> {
        let status = node.admin_json(&["status"])?;
        Ok(status["of"]["bricks"]["domains"]["default"]["bricks"]
            .as_u64()
            .unwrap())
    };
    for round in 0..ROUNDS {
        let (stopped, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
        let address = node.address();
        let before = stored(&node)?;
        let at_answer = thread::scope(|scope| -> Result<u64> {
            let write = |writer: u64| -> Result<()> {
                let mut connection = Connection::open(address, ANSWER_WAIT)?;
                for number in 0_u64.. {
                    // Seen before the request begins: then it must be refused.
                    let is_refused = stopped.load(Ordering::SeqCst);
                    let body = format!("{round} {writer} {number}");
                    let request = Request::to(address, "PUT", PUT).body(body);
                    let reply = connection.send(&request)?;
                    match reply.status {
                        201 if is_refused => anyhow::bail!("acknowledged after the answer"),
                        201 => acknowledged.fetch_add(1, Ordering::SeqCst),
                        405 if is_refused => return Ok(()),
                        405 => continue,
                        status => anyhow::bail!("{status} {}", reply.text()),
                    };
                }
                Ok(())
            };
            let writers: Vec<_> = (0..WRITERS)
                .map(|it| scope.spawn(move || write(it)))
                .collect();
            while acknowledged.load(Ordering::SeqCst) < 100 {
                ensure!(
                    !writers.iter().any(thread::ScopedJoinHandle::is_finished),
                    "a writer ended"
                );
                thread::yield_now();
            }
            node.admin_json(&["read-only", "on"])?;
            let at_answer = stored(&node)?;
            stopped.store(true, Ordering::SeqCst);
            for writer in writers {
                writer.join().unwrap()?;
            }
            Ok(at_answer)
        })?;
        let after = stored(&node)?;
        assert_eq!(
            at_answer, after,
            "round {round}: something was stored after the answer"
        );
        assert_eq!(
            after - before,
            acknowledged.load(Ordering::SeqCst),
            "round {round}"
        );
        node.admin_json(&["read-only", "off"])?;
    }
    Ok(())
}
