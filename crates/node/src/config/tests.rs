//! Files, variables and defaults together.

use super::*;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
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
    Config::load(toml::Table::new(), Some(&file), pairs)
        .and_then(|config| config.validate(Logs::Kept).map(|()| config))
}

#[test]
fn no_file_is_a_valid_configuration() {
    let config = Config::load(toml::Table::new(), None, []).unwrap();
    config.validate(Logs::Kept).unwrap();
    assert_eq!(config.domains[0].name.as_str(), "default");
    assert!(config.node.listen.ip().is_loopback());
}

#[test]
fn what_is_printed_has_the_same_effect() {
    let config = Config::load(toml::Table::new(), None, []).unwrap();
    assert_eq!(load(&config.to_toml().unwrap(), &[]).unwrap(), config);
}

#[test]
fn a_batch_takes_half_of_the_budget_at_most() {
    let mut limits = LimitsConfig::default();
    assert_eq!(limits.batch_bytes(), 64 << 20);
    limits.body_bytes_in_flight_max = 40 << 20;
    assert_eq!(limits.batch_bytes(), 20 << 20);
    limits.batch_bytes_max = 7;
    assert_eq!(limits.batch_bytes(), 7);
}

#[test]
fn variables_override_the_file() {
    let environment = [
        ("KILN__NODE__READ_ONLY", "true"),
        ("KILN__NODE__LISTEN", "127.0.0.1:0"),
        ("KILN__LIMITS__CONNECTIONS_MAX", "7"),
        ("KILN__CORS__ORIGINS", "[\"https://a.example\"]"),
        ("PATH", "/bin"),
    ];
    let config = load("[node]\nlisten = \"127.0.0.1:1\"", &environment).unwrap();
    assert!(config.node.read_only);
    assert_eq!(config.node.listen.port(), 0);
    assert_eq!(config.limits.connections_max, 7);
    assert_eq!(config.cors.origins, ["https://a.example"]);
}

#[test]
fn only_who_keeps_logs_needs_their_names() {
    let text = "[node]\nlisten = \"0.0.0.0:1\"\nplaintext_beyond_loopback = true\nanonymous_all_beyond_loopback = true";
    let refused = load(text, &[]).unwrap_err().to_string();
    assert!(refused.contains("log.origin"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiln.toml");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's input need not be durable"
    )]
    std::fs::write(&file, text).unwrap();
    let config = Config::load(toml::Table::new(), Some(&file), []).unwrap();
    config.validate(Logs::Elsewhere).unwrap();
}

#[test]
fn who_is_let_in_by_a_proxy_is_bounded_like_who_comes_from_beyond_loopback() {
    let proxied = "[node]\ntrusted_proxies = [\"127.0.0.1/32\"]\n";
    let refused = load(proxied, &[]).unwrap_err().to_string();
    assert!(refused.contains("node.trusted_proxies"), "{refused}");
    assert!(
        refused.contains("anonymous_all_beyond_loopback"),
        "{refused}"
    );
    for more in [
        "anonymous_all_beyond_loopback = true",
        "[access]\nanonymous = \"anchor\"",
        "[limits.anonymous]\nbytes_up_per_day = 1\nstorage_bytes = 1",
    ] {
        load(&format!("{proxied}{more}"), &[]).unwrap();
    }
}

#[test]
fn mistakes_are_refused_and_named() {
    let check = |text: &str, environment: &[(&str, &str)], part: &str| {
        let error = anyhow::Error::from(load(text, environment).unwrap_err());
        assert!(
            format!("{error:#}").contains(part),
            "{error:#} does not name {part}"
        );
    };
    check("[node]\nlistne = 1", &[], "listne");
    check("[limits]\nbrick_bytes_max = 10000063", &[], "10000064");
    check(
        "[limits]\nbody_bytes_in_flight_max = 1",
        &[],
        "body_bytes_in_flight_max",
    );
    check(
        "[node]\nlisten = \"0.0.0.0:80\"",
        &[],
        "plaintext_beyond_loopback",
    );
    check("[[domain]]\nname = \"..\"", &[], "domain");
    check(
        "[[domain]]\nname = \"a\"\n[[domain]]\nname = \"a\"",
        &[],
        "twice",
    );
    check(
        "[[domain]]\nname = \"a\"\n[domain.log]\norigin = \"https://a/b\"",
        &[],
        "\"https://a/b\"",
    );
    check(
        "[[domain]]\nname = \"a\"\nanchoring = \"evm\"\n[domain.evm]\nrpc = \"http://h\"\n\
         chain_id = 1\ncontract = \"0x\"",
        &[],
        "confirmations = 12",
    );
    check("", &[("KILN__NODE", "1")], "KILN__SECTION__KEY");
    check("", &[("KILN__NODE__LISTNE", "1")], "listne");
}

#[test]
fn a_node_that_others_reach_keeps_the_quota_that_bounds_strangers() {
    let text = "[node]\nlisten = \"0.0.0.0:1\"\nplaintext_beyond_loopback = true\n\
                [limits.anonymous]\nbytes_up_per_day = 1000\n\
                [[domain]]\nname = \"d\"\nquota = { storage_bytes = 5 }\n\
                [domain.log]\norigin = \"log.example/d\"";
    let config = load(text, &[]).unwrap();
    let here = Anchoring::Here(config.domains[0].clone().into());
    let judge = |anchoring: &Anchoring, quotas: Quotas| {
        let judged = config.validate_quotas(anchoring, &quotas, Logs::Kept);
        judged.err().map(|error| error.to_string())
    };
    let bounded = Quotas {
        storage_bytes: Some(9),
        ..Quotas::default()
    };
    assert_eq!(judge(&here, bounded), None);
    let said = judge(&here, Quotas::default()).unwrap();
    assert!(said.contains("quota.storage_bytes"), "{said}");
    let wrong = Quotas {
        requests_per_second: Some(0),
        ..bounded
    };
    for anchoring in [&here, &Anchoring::Elsewhere] {
        let said = judge(anchoring, wrong).unwrap();
        assert!(said.contains("requests_per_second is 0"), "{said}");
    }
}

#[test]
fn an_outbox_needs_a_ledger_that_entries_go_to() {
    for anchoring in ["embedded", "evm-roots"] {
        let evm = if anchoring == "evm-roots" {
            "[domain.evm]\nrpc = \"http://127.0.0.1:1\"\nchain_id = 1\n\
             contract = \"0x0000000000000000000000000000000000000001\"\nconfirmations = 1"
        } else {
            ""
        };
        let text = format!(
            "[[domain]]\nname = \"one\"\nanchoring = \"{anchoring}\"\noptimistic = true\n{evm}"
        );
        let refused = load(&text, &[]).unwrap_err().to_string();
        assert!(refused.contains("optimistic = true"), "{refused}");
    }
}
