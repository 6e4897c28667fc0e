//! One mistake for each key of the configuration, and what is said of it.

use std::collections::BTreeSet;

use super::*;
use crate::setup::Logs;

/// What a start says of this file and this environment; `None` when it has nothing against them.
fn complaint(text: &str, environment: &[(&str, &str)]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.toml");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's input need not be durable"
    )]
    std::fs::write(&file, text).unwrap();
    let pairs = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let judged = Config::load_with_origins(Table::new(), Some(&file), pairs).and_then(
        |(config, origins)| {
            let judged = config.validate(Logs::Kept);
            judged.map_err(|error| origins.explain(&config, error))
        },
    );
    judged
        .err()
        .map(|error| format!("{:#}", anyhow::Error::from(error)))
}

/// Sections and keys that are single values, as they are printed.
fn keys() -> BTreeSet<(String, String)> {
    let config = Config::load(Table::new(), None, []).unwrap();
    let table = config.to_toml().unwrap().parse::<Table>().unwrap();
    let mut keys = BTreeSet::new();
    for (section, value) in table {
        for key in value.as_table().into_iter().flat_map(Table::keys) {
            keys.insert((section.clone(), key.clone()));
        }
    }
    keys
}

#[test]
fn a_value_of_a_wrong_kind_is_refused_for_every_key_wherever_it_stands() {
    let keys = keys();
    assert!(keys.len() > 30, "{keys:?}");
    for (section, key) in keys {
        // Nothing takes a table with such a key.
        let wrong = "{ 'neither-here' = 1979-05-27 }";
        let in_file = complaint(&format!("[{section}]\n{key} = {wrong}"), &[]).unwrap();
        for part in [key.as_str(), "neither-here", "kiln.toml"] {
            assert!(in_file.contains(part), "{section}.{key}: {in_file}");
        }
        let name = format!("KILN__{section}__{key}").to_uppercase();
        let in_variable = complaint("", &[(&name, wrong)]).unwrap();
        for part in [key.as_str(), "neither-here", &name] {
            assert!(in_variable.contains(part), "{section}.{key}: {in_variable}");
        }
        let unknown = format!("[{section}]\n{key}_ = 1");
        let said = complaint(&unknown, &[]).unwrap();
        for part in [&format!("{key}_"), key.as_str(), "kiln.toml", "expected"] {
            assert!(said.contains(part), "{section}.{key}_: {said}");
        }
    }
}

/// Values of the right kind that are wrong all the same: section, key, value, and what is allowed.
const WRONG: [(&str, &str, &str, &str); 37] = [
    ("node", "listen", "\"8080\"", "such as 127.0.0.1:8080"),
    (
        "node",
        "listen",
        "\"localhost:8080\"",
        "such as 127.0.0.1:8080",
    ),
    (
        "node",
        "hosts",
        "[\"https://node.example:8443/\"]",
        "without scheme, port and path",
    ),
    ("node", "hosts", "[\"node.example:8443\"]", "node.example"),
    ("node", "hosts", "[\"a.example\", \"\"]", "node.example"),
    (
        "admin",
        "hosts",
        "[\"ops.example/\"]",
        "without scheme, port and path",
    ),
    ("cors", "origins", "[\"wallet.example\"]", "scheme and host"),
    ("cors", "origins", "[\"*\"]", "leave the list empty"),
    (
        "cors",
        "origins",
        "[\"https://wallet.example/\"]",
        "without a path",
    ),
    (
        "admin",
        "listen",
        "\"localhost:8081\"",
        "such as \"127.0.0.1:8081\"",
    ),
    (
        "metrics",
        "listen",
        "\"localhost:9090\"",
        "such as 127.0.0.1:9090",
    ),
    ("node", "listen", "\"0.0.0.0:1\"", "tls.certificate"),
    ("node", "log_format", "\"xml\"", "json"),
    ("node", "trusted_proxies", "[\"10.0.0.0/33\"]", "IP"),
    ("limits", "brick_bytes_max", "10000063", "at least 10000064"),
    (
        "limits",
        "document_bytes_max",
        "99999999999",
        "two of the largest",
    ),
    (
        "limits",
        "body_bytes_in_flight_max",
        "1",
        "two of the largest",
    ),
    ("limits", "header_ms_max", "0", "between 1 and 3600000"),
    (
        "limits",
        "body_idle_ms_max",
        "3600001",
        "between 1 and 3600000",
    ),
    ("limits", "write_stall_ms_max", "0", "between 1 and 3600000"),
    ("limits", "connections_max", "0", "between 1 and 1000000"),
    ("limits", "connections_max", "-1", "integer"),
    ("limits", "stop_ms_max", "8001", "between 1 and 8000"),
    ("rate_limit", "burst", "0", "at least 1"),
    ("rate_limit", "refill_per_second", "0", "at least 1"),
    ("scrub", "bytes_per_second", "0", "at least 1"),
    ("admin", "listen", "\"0.0.0.0:1\"", "127.0.0.1"),
    ("metrics", "listen", "\"0.0.0.0:1\"", "127.0.0.1"),
    ("otlp", "sample_ratio", "1.5", "between 0.0 and 1.0"),
    ("otlp", "timeout_ms", "0", "between"),
    ("tls", "certificate", "\"a.pem\"", "set both"),
    ("tls", "key", "\"a.key\"", "set both"),
    ("tls", "client", "\"maybe\"", "optional"),
    ("tls", "client", "\"required\"", "tls.client_ca"),
    ("tls", "client_ca", "\"ca.pem\"", "tls.certificate"),
    ("access", "anonymous", "\"write\"", "anchor"),
    (
        "access",
        "oidc",
        "[{ issuer = \"http://id.example\", audience = \"a\", rule = [] }]",
        "https",
    ),
];

#[test]
fn a_refusal_names_key_value_what_is_allowed_and_where_it_was_read() {
    for (section, key, value, allowed) in WRONG {
        let bare = value.trim_matches('"');
        let bare = if bare.starts_with('[') { "" } else { bare };
        let in_file = complaint(&format!("[{section}]\n{key} = {value}"), &[]);
        let name = format!("KILN__{section}__{key}").to_uppercase();
        let in_variable = complaint("", &[(&name, value)]);
        for (said, origin) in [(in_file, "kiln.toml"), (in_variable, &name)] {
            let said = said.unwrap_or_else(|| panic!("{section}.{key} = {value} is taken"));
            for part in [key, bare, allowed, origin] {
                assert!(
                    said.contains(part),
                    "{section}.{key}: {part} is not in {said}"
                );
            }
        }
    }
}

#[test]
fn a_wrong_domain_or_issuer_is_named_with_its_value() {
    let check = |text: &str, parts: &[&str]| {
        let said = complaint(text, &[]).unwrap();
        for part in parts.iter().chain(&["kiln.toml"]) {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    };
    let evm = "rpc = \"http://me:hidden@chain.example\"\nchain_id = 1\ncontract = \"0x1\"";
    let domain = format!(
        "[[domain]]\nname = \"one\"\n[[domain]]\nname = \"two\"\nanchoring = \"evm\"\n\
         [domain.evm]\n{evm}\nconfirmations = 1\npoll_ms = 7"
    );
    check(
        &domain,
        &["domain two", "between 10 and 60000", "poll_ms", "= 7"],
    );
    assert!(!complaint(&domain, &[]).unwrap().contains("hidden"));
    let fees = domain.replace("poll_ms = 7", "fee_cap_gwei = 0");
    check(
        &fees,
        &["domain two", "between 1 and 1000000000", "fee_cap_gwei"],
    );
    let optimistic = "[[domain]]\nname = \"one\"\noptimistic = true";
    check(optimistic, &["domain one", "optimistic", "= true"]);
    let rule = "[[access.oidc.rule]]\nclaim = \"c\"\nvalue = \"v\"\ngrants = [{ domain = \"*\", role = \"read\" }]";
    let issuer = |more: &str| {
        format!(
            "[[access.oidc]]\nissuer = \"https://id.example\"\naudience = \"a\"\n{more}\n{rule}"
        )
    };
    assert_eq!(complaint(&issuer(""), &[]), None);
    for (more, parts) in [
        (
            "keys_fresh_s = 1",
            ["keys_fresh_s", "= 1", "between 10 and 86400"],
        ),
        (
            "keys_usable_s = 60",
            ["keys_usable_s", "= 60", "between keys_fresh_s"],
        ),
        ("algorithms = []", ["algorithms", "[]", "RS256"]),
        ("algorithms = [\"HS256\"]", ["algorithms", "HS256", "RS256"]),
        ("algorithms = [\"none\"]", ["algorithms", "none", "RS256"]),
        (
            "jwks_uri = \"http://id.example/keys\"",
            ["jwks_uri", "http://id.example", "https"],
        ),
    ] {
        check(&issuer(more), &parts);
    }
    let of_node = issuer("").replace(
        "domain = \"*\", role = \"read\"",
        "domain = \"default\", role = \"operate\"",
    );
    let parts = ["access.oidc.rule", "default:operate", "*:operate"];
    check(&of_node, &parts);
    let twice = format!("{}\n{}", issuer(""), issuer(""));
    check(
        &twice,
        &["access.oidc.issuer", "https://id.example", "twice"],
    );
    let certificate = |more: &str| {
        format!(
            "[tls]\ncertificate = \"a\"\nkey = \"b\"\nclient_ca = \"c\"\nclient = \"optional\"\n\
             [[access.certificate]]\nname = \"lab\"\n{more}\n\
             grants = [{{ domain = \"*\", role = \"read\" }}]"
        )
    };
    assert_eq!(
        complaint(&certificate("san = \"dns:lab.example\""), &[]),
        None
    );
    check(
        &certificate(""),
        &["access.certificate.san", "lab", "fingerprint"],
    );
    check(
        &certificate("san = \"lab.example\""),
        &["lab.example", "dns:"],
    );
    check(
        &certificate("fingerprint = \"00\""),
        &["fingerprint", "64 hex digits"],
    );
    let of_node = certificate("san = \"dns:a\"").replace(
        "domain = \"*\", role = \"read\"",
        "domain = \"default\", role = \"administer\"",
    );
    let parts = ["access.certificate.grants", "lab", "*:administer"];
    check(&of_node, &parts);
    let grants = certificate("san = \"dns:a\"").replace("role = \"read\"", "role = \"owner\"");
    check(&grants, &["owner", "administer"]);
}

#[test]
fn services_that_no_client_can_use_are_named_with_their_place() {
    for (key, entries, part) in [
        ("brick_storages", "[\"nonsense\", \"ftp://x\"]", "[0]"),
        ("brick_storages", "[\"$ORIGIN\", \"ftp://x\"]", "[1]"),
        ("anchoring_services", "[\"anchors.example\"]", "[0]"),
        ("replicas", "[{ url = \"\", headers = {} }]", "[0]"),
        ("notifications", "[\"https://\"]", "[0]"),
    ] {
        let text = format!("[[domain]]\nname = \"one\"\n{key} = {entries}");
        let said = complaint(&text, &[]).unwrap();
        let place = format!("domain one: {key}{part}");
        for part in [place.as_str(), "http://", "$ORIGIN", "kiln.toml"] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }
}

#[test]
fn a_name_is_a_word() {
    assert!(names("node.listen 1 is", "node.listen"));
    assert!(names("set node.listen.", "node.listen"));
    assert!(names("a, node.listen, b", "node.listen"));
    for text in [
        "node.listener",
        "node.listen.x",
        "a.node.listen",
        "node.listen_2",
        "",
    ] {
        assert!(!names(text, "node.listen"), "{text}");
    }
}
