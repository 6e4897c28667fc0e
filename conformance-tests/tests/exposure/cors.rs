//! Which pages in a browser may read answers, and with credentials.

use anyhow::Result;
use testkit::server::Server;

use crate::answer::Answer::Empty;

const LISTED: &str = "https://wallet.example";

/// What an answer allows: an origin, and whether credentials.
struct Allows<'a>(Option<&'a str>, bool);

fn check(
    server: &Server,
    method: &str,
    target: &str,
    origin: Option<&str>,
    Allows(allowed, credentials): &Allows<'_>,
) -> Result<()> {
    let case = format!("{method} {target} from {origin:?}");
    let mut request = server.request(method, target);
    if let Some(origin) = origin {
        request = request.header("Origin", origin);
    }
    let reply = server.ask(&request)?;
    let header = |name| reply.header(name);
    assert_eq!(header("access-control-allow-origin"), *allowed, "{case}");
    let yes = credentials.then_some("true");
    assert_eq!(header("access-control-allow-credentials"), yes, "{case}");
    for name in [
        "access-control-allow-methods",
        "access-control-allow-headers",
    ] {
        assert!(header(name).is_some(), "{case}: {name}");
    }
    if method == "OPTIONS" {
        Empty(200).check(&case, &reply);
        assert_eq!(header("access-control-max-age"), Some("3600"), "{case}");
        assert_eq!(header("x-ratelimit-limit"), None, "{case}");
    }
    Ok(())
}

/// Routes of both header sets, found, missing and unknown.
const TARGETS: [(&str, &str); 6] = [
    ("GET", "/bdns"),
    ("GET", "/bricking/default/get-brick/x"),
    ("PUT", "/bricking/default/put-brick"),
    ("GET", "/anchor/default/get-all-versions/x"),
    ("GET", "/livez"),
    ("GET", "/nowhere"),
];

#[test]
fn without_a_list_any_origin_may_read_but_never_with_credentials() -> Result<()> {
    let server = Server::start("")?;
    let host = server.address().to_string();
    for (method, target) in TARGETS {
        let is_storage = target.starts_with("/b");
        for origin in [LISTED, "null", "http://localhost:1"] {
            let allowed = if is_storage { "*" } else { origin };
            let allows = Allows(Some(allowed), false);
            check(&server, method, target, Some(origin), &allows)?;
            let preflight = Allows(Some(origin), false);
            check(&server, "OPTIONS", target, Some(origin), &preflight)?;
        }
        let allowed = if is_storage { "*" } else { host.as_str() };
        check(&server, method, target, None, &Allows(Some(allowed), false))?;
    }
    check(&server, "OPTIONS", "/x", None, &Allows(Some("*"), false))?;
    check(&server, "OPTIONS", "*", None, &Allows(Some("*"), false))
}

#[test]
fn with_a_list_only_those_may_read_and_with_credentials() -> Result<()> {
    let config = format!("[cors]\norigins = [\"{LISTED}\", \"http://localhost:3000\"]");
    let server = Server::start(&config)?;
    for (method, target) in TARGETS {
        for method in [method, "OPTIONS"] {
            for origin in [LISTED, "http://localhost:3000"] {
                let allows = Allows(Some(origin), true);
                check(&server, method, target, Some(origin), &allows)?;
            }
            for foreign in [
                "https://evil.example",
                "https://wallet.example.evil",
                "https://wallet.example:8443",
                "https://WALLET.example",
                "http://wallet.example",
                "https://wallet.example/",
                "wallet.example",
                "null",
                "*",
                "",
            ] {
                check(&server, method, target, Some(foreign), &Allows(None, false))?;
            }
            check(&server, method, target, None, &Allows(None, false))?;
            let request = server.request(method, target).header("Origin", LISTED);
            let reply = server.ask(&request)?;
            assert_eq!(reply.header("vary"), Some("Origin"), "{method} {target}");
        }
    }
    Ok(())
}

#[test]
fn a_preflight_allows_what_wallets_send() -> Result<()> {
    let server = Server::start("")?;
    for target in ["/bricking/default/put-brick", "/anchor/default/x", "/bdns"] {
        let request = server.request("OPTIONS", target).header("Origin", LISTED);
        let reply = server.ask(&request)?;
        let allowed = |name| reply.header(name).unwrap_or_default().to_lowercase();
        let methods = allowed("access-control-allow-methods");
        for method in ["get", "put", "post"] {
            assert!(methods.contains(method), "{target}: {methods}");
        }
        let headers = allowed("access-control-allow-headers");
        for name in [
            "content-type",
            "x-content-length",
            "authorization",
            "x-api-key",
        ] {
            assert!(headers.contains(name), "{target}: {headers}");
        }
    }
    Ok(())
}
