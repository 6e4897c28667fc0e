//! The Containerfile and the compose file.

use std::process::Command;

use serde_json::Value;
use testkit::tools;

use crate::manifests::{self, Kind, text_of};
use crate::started::Node;
use crate::{deploy, text};

const FILE: &str = "container/Containerfile";

fn compose() -> Value {
    manifests::checked(Kind::Compose, text("compose.yaml").as_bytes()).remove(0)
}

/// The arguments of the last instruction of a name in the Containerfile.
fn instruction(name: &str) -> String {
    let text = text(FILE);
    let mut lines = text.lines().rev();
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

#[test]
fn hadolint_finds_nothing_to_complain_about() {
    let output = Command::new(tools::hadolint().unwrap())
        .arg("--no-color")
        .arg(deploy(FILE))
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
}

#[test]
fn the_image_is_built_of_what_there_is() {
    let root = deploy("..");
    for line in text(FILE).lines() {
        let Some(arguments) = line.strip_prefix("COPY ") else {
            continue;
        };
        if arguments.starts_with("--from") {
            continue;
        }
        let mut sources: Vec<_> = arguments.split(' ').collect();
        sources.pop();
        for source in sources {
            assert!(root.join(source).exists(), "{source} is not there");
        }
    }
    // The workspace does not build when a member is missing.
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    for member in manifest["workspace"]["members"].as_array().unwrap() {
        let first = member.as_str().unwrap().split('/').next().unwrap();
        assert!(
            text(FILE).contains(&format!("COPY {first} {first}")),
            "{first}"
        );
    }
}

#[test]
fn the_image_is_not_root_and_stops_in_good_order() {
    assert_eq!(instruction("USER"), "10001:10001");
    assert_eq!(instruction("STOPSIGNAL"), "SIGTERM");
}

#[test]
fn the_composed_node_may_do_nothing_but_serve() {
    let compose = compose();
    for (name, service) in compose["services"].as_object().unwrap() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"][0], "ALL", "{name}");
        assert_eq!(
            service["security_opt"][0], "no-new-privileges:true",
            "{name}"
        );
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(text_of(port).starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
    assert_eq!(compose["services"]["kiln"]["user"], "10001:10001");
}

#[test]
fn the_composed_node_serves_and_prometheus_sees_it() {
    let compose = compose();
    let service = &compose["services"]["kiln"];
    let image = instruction("ENV");
    let (name, folder) = image.split_once('=').unwrap();
    let mut environment = vec![(name.to_owned(), folder.to_owned())];
    for (name, value) in service["environment"].as_object().unwrap() {
        // What the operator has to say.
        let value = match text_of(value) {
            it if it.starts_with("${KILN_PUBLIC_NAME:?") => "anchors.example".to_owned(),
            it => it,
        };
        environment.push((name.clone(), value));
    }
    let node = Node::start(&text("kiln.toml"), &environment);
    assert_eq!(node.status("127.0.0.1:8080", "/readyz"), 200);
    let port = text_of(&service["ports"][0]);
    assert!(port.ends_with(&format!(":{}", node.port_configured)));
    let volume = text_of(&service["volumes"][0]);
    assert_eq!(volume, format!("data:{}", node.data_configured.display()));
    let file = text_of(&service["build"]["dockerfile"]);
    assert_eq!(file, format!("deploy/{FILE}"));
    // Prometheus asks under the name of the service.
    let target = format!("kiln:{}", node.metrics_port_configured);
    assert!(text("prometheus/prometheus.yml").contains(&format!("targets: [\"{target}\"]")));
    assert_eq!(node.metrics_status(&target), 200);
}
