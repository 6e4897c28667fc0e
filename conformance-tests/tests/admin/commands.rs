//! What the commands say, and what mistakes end with.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use anyhow::Result;
use serde_json::json;
use testkit::owner::{FIRST_MS, Owner};
use testkit::server::write_file;

use crate::node::{Node, check_failed};

#[test]
fn status_shows_parts_stores_and_logs() -> Result<()> {
    let node = Node::start("[[domain]]\nname = \"a\"\n[[domain]]\nname = \"b\"")?;
    let brick = vec![7; 1000];
    assert_eq!(
        node.ask("PUT", "/bricking/a/put-brick", Some(&brick))?
            .status,
        201
    );
    let status = node.admin_json(&["status"])?;
    assert_eq!(status["ready"], true);
    assert_eq!(status["parts"], json!({ "bricks": "ok", "anchors": "ok" }));
    assert_eq!(status["readOnly"], false);
    let bricks = &status["of"]["bricks"]["domains"];
    assert_eq!(bricks["a"], json!({ "bricks": 1, "bytes": 1000 }));
    assert_eq!(bricks["b"], json!({ "bricks": 0, "bytes": 0 }));
    let anchors = &status["of"]["anchors"]["domains"];
    assert_eq!(anchors["a"]["log"]["origin"], "localhost/a");
    assert_eq!(anchors["a"]["anchors"], 0);
    let text = node.admin(&["status"])?;
    let text = String::from_utf8(text.stdout)?;
    assert!(
        text.contains("a: 1 brick, 1000 bytes; 0 anchors; log localhost/a, 0 of 0 entries signed"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_checkpoint_is_signed_when_asked_for() -> Result<()> {
    let node = Node::start("")?;
    let empty = node.admin_json(&["checkpoint", "now"])?;
    assert_eq!(empty["logs"]["default"]["checkpoint"], json!(null));
    for number in 1..=3_u8 {
        let owner = Owner::new(&"default".parse()?, &[number; 32])?;
        let value = owner.sign("GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn", FIRST_MS)?;
        let target = format!("/anchor/default/create-anchor/{}/{value}", owner.id());
        assert_eq!(node.ask("PUT", &target, None)?.status, 201);
        let signed = node.admin_json(&["checkpoint", "now", "--domain", "default"])?;
        let checkpoint = signed["logs"]["default"]["checkpoint"]
            .as_str()
            .unwrap()
            .to_owned();
        let lines: Vec<_> = checkpoint.lines().collect();
        assert_eq!(lines[..2], ["localhost/default", &number.to_string()]);
        // It is the one that everybody sees.
        assert_eq!(
            node.ask("GET", "/log/default/checkpoint", None)?.text(),
            checkpoint
        );
    }
    node.admin_fails(&["checkpoint", "now", "--domain", "other"], 5, "other")
}

#[test]
fn the_configuration_is_shown_without_secrets() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let account = folder.path().join("account");
    write_file(&account, format!("0x{}\n", "5e".repeat(32)).as_bytes())?;
    let config = format!(
        r#"
        [[domain]]
        name = "d"
        anchoring = "evm-roots"
        [domain.evm]
        rpc = "http://user:a-secret@127.0.0.1:9/v3/?key=another-secret"
        chain_id = 31337
        confirmations = 2
        contract = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
        account_key = "{}"
        "#,
        account.display()
    );
    let node = Node::start(&config)?;
    let shown = node.admin_json(&["config", "show"])?;
    assert_eq!(shown["config"]["domain"][0]["name"], "d");
    let file = node.folder().join("kiln.toml");
    let from_file = format!("from the file {}", file.display());
    let origins = json!({
        "domain": from_file, "node.data": "from --data", "node.listen": "from --listen",
    });
    assert_eq!(shown["origins"], origins);
    let text = node.admin(&["config", "show"])?;
    let text = String::from_utf8(text.stdout)?;
    assert!(text.contains("# node.listen: from --listen\n"), "{text}");
    // It is a configuration still.
    assert!(text.parse::<toml::Table>().is_ok(), "{text}");
    let text = text + &shown.to_string();
    let domain = node.admin_json(&["domains", "show", "d"])?;
    let text = text + &domain.to_string();
    assert!(
        text.contains("brick_bytes_max") && !text.contains("secret"),
        "{text}"
    );
    Ok(())
}

#[test]
fn mistakes_end_with_their_code_and_the_next_action() -> Result<()> {
    let mut node = Node::start("")?;
    let other = Node::start("")?;
    let url = format!("http://{}", other.admin_address()?);
    node.admin_fails(
        &["status", "--url", &url],
        6,
        "does not take the credential",
    )?;
    let public = format!("http://{}", node.address());
    node.admin_fails(
        &["status", "--url", &public],
        6,
        "does not take the credential",
    )?;
    let foreign = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", foreign.local_addr()?);
    let answering = thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = foreign.accept()?;
        let _ = stream.read(&mut [0; 4096])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    });
    node.admin_fails(&["status", "--url", &url], 15, "is no admin listener")?;
    answering.join().unwrap()?;
    node.admin_fails(&["status", "--url", "nonsense"], 2, "--url")?;
    node.admin_fails(&["domains", "show", "none"], 5, "none")?;
    node.admin_fails(&["domains", "disable", "none"], 5, "none")?;
    node.admin_fails(&["domains", "add", "default"], 7, "is there already")?;
    let stale = node.admin_address()?;
    node.stop()?;
    node.admin_fails(&["status"], 4, "no node with an admin listener")?;
    node.admin_fails(
        &["status", "--url", &format!("http://{stale}")],
        4,
        "does not answer",
    )?;
    // What a killed process left behind deceives nobody: the token is not sent there.
    node.run()?;
    let address = std::fs::read(node.data().join("admin-address"))?;
    node.stop()?;
    write_file(&node.data().join("admin-address"), &address)?;
    let output = node.admin(&["status"])?;
    check_failed(&["status"], &output, 4, "no node with an admin listener")
}
