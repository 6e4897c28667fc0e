//! Quotas of domains that are set while the node runs.

use super::*;

#[tokio::test]
async fn quotas_are_set_whole_or_one_by_one_and_put_back() {
    let asked = Asked::new();
    let path = "/admin/v1/domains/default/quotas";
    let ask = async |method: Method, body: &str| {
        let (status, answer) = asked.ask(method, path, &[], body).await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let shown = ask(Method::GET, "").await;
    let none = json!({});
    let used = json!({ "storageBytes": 1_000, "storageBricks": 2 });
    assert_eq!(
        shown,
        json!({ "domain": "default", "source": "configured", "quotas": none, "configured": none,
                "used": used })
    );
    let whole = r#"{"quotas":{"storageBytes":0,"bricksPerDay":7}}"#;
    let set = ask(Method::PUT, whole).await;
    let quotas = json!({ "storageBytes": 0, "bricksPerDay": 7 });
    assert_eq!((&set["source"], &set["quotas"]), (&json!("set"), &quotas));
    let single = r#"{"quotas":{"storageBytes":null,"versions":18446744073709551615}}"#;
    let set = ask(Method::PATCH, single).await;
    let quotas = json!({ "bricksPerDay": 7, "versions": u64::MAX });
    assert_eq!(set["quotas"], quotas);
    let shown = ask(Method::GET, "").await;
    assert_eq!(shown["quotas"], quotas);
    assert_eq!(shown["used"]["bricksPerDay"], 0);
    // A whole set is one, also the empty one.
    let set = ask(Method::PUT, r#"{"quotas":{}}"#).await;
    assert_eq!((&set["source"], &set["quotas"]), (&json!("set"), &none));
    let cleared = ask(Method::DELETE, "").await;
    assert_eq!(cleared["source"], "configured");

    let acts = asked.control.audit(None, 100).unwrap();
    let ours = acts.iter().filter(|it| it.act.starts_with("quotas."));
    let ours: Vec<_> = ours
        .map(|it| (it.act.as_str(), &it.detail["quotas"]))
        .collect();
    let whole = json!({ "storageBytes": 0, "bricksPerDay": 7 });
    let expected = [
        ("quotas.clear", &Value::Null),
        ("quotas.set", &none),
        ("quotas.set", &quotas),
        ("quotas.set", &whole),
    ];
    assert_eq!(ours, expected);
    assert!(acts.iter().all(|it| it.domain == "default"));
}

#[tokio::test]
async fn quotas_that_cannot_be_kept_change_nothing() {
    let asked = Asked::new();
    let of = |name: &str| format!("/admin/v1/domains/{name}/quotas");
    for (body, words) in [
        ("", "EOF"),
        ("{}", "missing field `quotas`"),
        (r#"{"storageBytes":1}"#, "unknown field `storageBytes`"),
        (r#"{"quotas":{"storage_bytes":1}}"#, "storageBytes"),
        (r#"{"quotas":{"storageBytes":-1}}"#, "whole number"),
        (
            r#"{"quotas":{"storageBytes":18446744073709551616}}"#,
            "whole number",
        ),
        (
            r#"{"quotas":{"requestsPerSecond":0}}"#,
            "requests_per_second is 0",
        ),
        (
            r#"{"quotas":{"requestsBurst":9}}"#,
            "needs requests_per_second",
        ),
    ] {
        for method in [Method::PUT, Method::PATCH] {
            let (status, answer) = asked.ask(method, &of("default"), &[], body).await;
            assert_eq!(status, 400, "{body}: {answer}");
            assert!(answer.contains(words), "{body}: {answer}");
        }
    }
    let body = r#"{"quotas":{"storageBytes":1}}"#;
    for (method, body) in [
        (Method::GET, ""),
        (Method::PUT, body),
        (Method::PATCH, body),
        (Method::DELETE, ""),
    ] {
        let (status, answer) = asked.ask(method, &of("other"), &[], body).await;
        assert_eq!(status, 404, "{answer}");
    }
    let domain = "default".parse().unwrap();
    assert_eq!(asked.control.quotas_of(&domain), None);
    assert_eq!(asked.control.audit(None, 100).unwrap(), []);
}

#[tokio::test]
async fn the_settings_that_are_shown_are_those_in_force() {
    let asked = Asked::new();
    let get = async |path: &str| {
        let (status, answer) = asked.ask(Method::GET, path, &[], "").await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let (domain, config) = ("/admin/v1/domains/default", "/admin/v1/config");
    let key = "domain.quota of \"default\"";
    let shown = get(domain).await;
    assert_eq!(shown["quotasSource"], "configured");
    assert_eq!(shown["settings"].get("quota"), None);
    assert_eq!(get(config).await["origins"].get(key), None);

    let whole = r#"{"quotas":{"storageBytes":50000}}"#;
    let quotas = format!("{domain}/quotas");
    let (status, answer) = asked.ask(Method::PUT, &quotas, &[], whole).await;
    assert_eq!(status, 200, "{answer}");
    let expected = json!({ "storage_bytes": 50_000 });
    let shown = get(domain).await;
    assert_eq!(shown["quotasSource"], "set");
    assert_eq!(shown["settings"]["quota"], expected);
    let toml = shown["toml"].as_str().unwrap();
    for part in [
        "storage_bytes = 50000",
        "# quota: set with",
        "clear default",
    ] {
        assert!(toml.contains(part), "{toml}");
    }
    // It is a domain of a configuration still.
    assert!(toml.parse::<toml::Table>().is_ok(), "{toml}");
    let shown = get(config).await;
    assert_eq!(shown["config"]["domain"][0]["quota"], expected);
    let origin = shown["origins"][key].as_str().unwrap();
    assert!(
        origin.contains("kiln admin quotas clear default"),
        "{origin}"
    );
}
