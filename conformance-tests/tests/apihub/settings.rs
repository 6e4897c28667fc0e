//! What `apihub.json` asks for: the keys that are honoured, a warning for each
//! other one, and what goes before it.

use std::process::Output;

use anyhow::{Context as _, Result};
use testkit::process::{Launch, NodeProcess};
use testkit::server::write_file;

use crate::answer::Answer::Body;
use crate::hub::{Hub, HubNode};
use crate::{wait_for_line, wait_until};

fn check_config(launch: Launch) -> Result<Output> {
    let output = launch.arg("--check-config").run()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Ok(output)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A key of the printed configuration.
fn printed(output: &Output, section: &str, key: &str) -> Result<toml::Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let table: toml::Table = text.parse()?;
    let found = table.get(section).and_then(|it| it.get(key));
    found.cloned().with_context(|| format!("{section}.{key}"))
}

#[test]
fn each_key_that_is_not_honoured_is_named_once_with_its_file() -> Result<()> {
    let hub = Hub::new()?;
    hub.configure(
        "apihub.json",
        r#"{"storage":".","port":8080,"preventRateLimit":true,"readOnlyFile":"stop",
            "host":"0.0.0.0","activeComponents":["bdns"],"componentsConfig":{"bdns":{}},
            "tokenBucket":{},"enableOAuth":true,"CORS":{},"requestTimeout":1}"#,
    )?;
    hub.configure(
        "domains/one.json",
        r#"{"anchoring":{"type":"FS","option":{},"useProxy":true},"enable":["mq"],
            "skipOAuth":[],"mq_type":"x"}"#,
    )?;
    hub.configure("bdns.hosts", r#"{"one":{},"$HOME":{},"..":{},"a/b":{}}"#)?;
    let ignored = [
        ("apihub.json", "storage"),
        ("apihub.json", "host"),
        ("apihub.json", "activeComponents"),
        ("apihub.json", "componentsConfig"),
        ("apihub.json", "tokenBucket"),
        ("apihub.json", "enableOAuth"),
        ("apihub.json", "CORS"),
        ("apihub.json", "requestTimeout"),
        ("one.json", "anchoring.option"),
        ("one.json", "anchoring.useProxy"),
        ("one.json", "enable"),
        ("one.json", "skipOAuth"),
        ("one.json", "mq_type"),
    ];
    let unserved = ["\"$HOME\"", "\"..\"", "\"a/b\""];
    let told = stderr(&check_config(hub.launch()?)?);
    for (file, key) in ignored {
        let line = format!("{file}: {key} is not honoured");
        assert_eq!(told.matches(&line).count(), 1, "{line}: {told}");
    }
    for name in unserved {
        let line = format!("bdns.hosts: domain {name} is not served");
        assert_eq!(told.matches(&line).count(), 1, "{line}: {told}");
    }
    let count = told.lines().count();
    assert_eq!(count, ignored.len() + unserved.len(), "{told}");
    // The same when it serves.
    let node = HubNode::start(&hub)?;
    for (file, key) in ignored {
        let line = format!("{file}: {key} is not honoured");
        wait_for_line(node.process(), &[&line, "WARN"])?;
    }
    node.check_domain("one", true, true)
}

#[test]
fn the_honoured_keys_have_their_effect_unless_something_nearer_says_otherwise() -> Result<()> {
    let hub = Hub::new()?;
    hub.configure("bdns.hosts", "{\"default\":{}}")?;
    let port = |text: &str, launch: Launch, listen: &str| -> Result<()> {
        hub.configure("apihub.json", text)?;
        let output = check_config(launch)?;
        let found = printed(&output, "node", "listen")?;
        assert_eq!(found.as_str(), Some(listen), "{text}");
        Ok(())
    };
    let bare = || -> Result<Launch> {
        let launch = Launch::of(testkit::binaries::Binary::Kiln)?.arg("serve");
        Ok(launch.arg("--apihub-root").arg(hub.root()))
    };
    port("{\"port\":4711}", bare()?, "127.0.0.1:4711")?;
    port("{\"port\":\"4712\"}", bare()?, "127.0.0.1:4712")?;
    port("{}", bare()?, "127.0.0.1:8080")?;
    port("{\"port\":null}", bare()?, "127.0.0.1:8080")?;
    port("{\"port\":4711}", hub.launch()?, "127.0.0.1:0")?;
    let variable = bare()?.env("KILN__NODE__LISTEN", "127.0.0.1:5");
    port("{\"port\":4711}", variable, "127.0.0.1:5")?;
    // Unless told otherwise, the data go beside the ApiHub's, never among them.
    let output = check_config(bare()?)?;
    let data = hub.root().join("kiln-data").display().to_string();
    assert_eq!(printed(&output, "node", "data")?.as_str(), Some(&*data));
    for (text, limited) in [("{\"preventRateLimit\":true}", false), ("{}", true)] {
        hub.configure("apihub.json", text)?;
        let reply = HubNode::start(&hub)?.fetch("/ready-probe")?;
        assert_eq!(
            reply.header("x-ratelimit-limit").is_some(),
            limited,
            "{text}"
        );
        if !limited {
            Body(200, b"Server ready").check(text, &reply);
        }
    }
    hub.configure(
        "apihub.json",
        "{\"preventRateLimit\":\"yes\",\"readOnlyFile\":5}",
    )?;
    let told = stderr(&check_config(hub.launch()?)?);
    for line in [
        "preventRateLimit \"yes\" is not honoured",
        "readOnlyFile 5 is not honoured",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    Ok(())
}

#[test]
fn the_named_file_switches_read_only_mode() -> Result<()> {
    for (text, name) in [
        ("{}", "readonly"),
        ("{\"readOnlyFile\":\"../../stop\"}", "stop"),
    ] {
        let hub = Hub::new()?;
        hub.configure("bdns.hosts", "{\"default\":{}}")?;
        hub.configure("apihub.json", text)?;
        let node = HubNode::start(&hub)?;
        for file in [hub.root().join(name), hub.path(name)] {
            assert_eq!(node.put_brick("default")?, 201, "{text}");
            write_file(&file, b"")?;
            wait_until("read-only", || Ok(node.put_brick("default")? == 405))?;
            std::fs::remove_file(&file)?;
            wait_until("writable", || Ok(node.put_brick("default")? == 201))?;
        }
    }
    Ok(())
}

#[test]
fn domains_of_our_own_configuration_are_not_mixed_in_and_that_is_said() -> Result<()> {
    let hub = Hub::new()?;
    hub.configure("bdns.hosts", "{\"hosted\":{}}")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kiln.toml");
    write_file(&file, b"[[domain]]\nname = \"own\"")?;
    let launch = hub.launch()?.arg("--config").arg(&file);
    let launch = launch.arg("--data").arg(folder.path().join("data"));
    let told = stderr(&check_config(launch.clone())?);
    assert!(told.contains("[[domain]] is not used"), "{told}");
    let process = NodeProcess::start(&launch)?;
    wait_for_line(&process, &["[[domain]] is not used", "WARN"])?;
    let status = |domain: &str| -> Result<u16> {
        let address = process.address();
        let target = format!("/bricking/{domain}/put-brick");
        let request = testkit::http::Request::to(address, "PUT", &target).body(*b"x");
        Ok(testkit::http::ask(address, &request)?.status)
    };
    assert_eq!((status("hosted")?, status("own")?), (201, 404));
    // Without any of our own there is nothing to say.
    let told = stderr(&check_config(hub.launch()?)?);
    assert!(!told.contains("[[domain]]"), "{told}");
    Ok(())
}

/// Without `--data` the stores lie in the root, and only there.
#[test]
fn the_default_data_folder_leaves_the_volume_alone() -> Result<()> {
    let hub = Hub::new()?;
    hub.configure("bdns.hosts", "{\"default\":{}}")?;
    let before = hub.snapshot()?;
    let process = NodeProcess::start(&hub.launch()?)?;
    assert!(hub.root().join("kiln-data/bricks").is_dir());
    assert!(process.stop()?.success());
    assert_eq!(hub.snapshot()?, before);
    Ok(())
}
