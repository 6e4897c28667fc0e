use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::routing::{get, post};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::*;
use crate::access::{Access, Caller, KeyText};
use crate::control::{Event, NewKey};
use crate::domains::DomainTable;
use crate::limits::{Quotas, Stored};
use crate::metrics::Metrics;
use crate::observer::Line;
use crate::operation::OperationOf;

mod page;
mod quotas;

const HOST: &str = "127.0.0.1:8081";

fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

/// What the one part says that it holds of every domain.
fn stored() -> Stored {
    Stored {
        storage_bytes: Some(1_000),
        storage_bricks: Some(2),
        ..Stored::default()
    }
}

struct Asked {
    folder: tempfile::TempDir,
    control: Control,
    metrics: Metrics,
    /// As before the node's own listener.
    access: Access,
    domains: Domains,
    front: Arc<AdminFront>,
}

impl Asked {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::open(folder.path()).unwrap();
        let config = Config::load(toml::Table::new(), None, []).unwrap();
        let domains = Domains::new(DomainTable::from_config(&config.domains));
        let limits = Limits::new(control.clone(), domains.clone(), &config.limits);
        let metrics = Metrics::new().unwrap();
        let operations: Vec<OperationOf> = vec![operation::of];
        let requests = metrics.requests().clone();
        let observer = Observer::new(requests, operations, domains.clone(), Line::Debug);
        let access = Access::new(control.clone(), domains.clone(), &config.access).unwrap();
        let state = NodeState {
            read_only: ReadOnly::new(false, Vec::new()),
            parts: vec![("bricks", Arc::new(|| Err("a reason".to_owned())))],
            started: Instant::now(),
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            config: Arc::new(config),
            control: control.clone(),
            domains: domains.clone(),
            limits,
            origins: Origins::default(),
            is_apihub: false,
            logs: Logs::Kept,
            open_domain: Vec::new(),
            stored: vec![Arc::new(|_| Box::pin(async { Ok(stored()) }))],
            changing: tokio::sync::Mutex::default(),
        };
        let part = Router::new()
            .route(
                "/who",
                get(|Extension(who): Extension<Caller>| async move { who.principal().to_string() }),
            )
            .route("/echo", post(|body: Bytes| async move { body }));
        let shown = metrics::routes(&metrics);
        let front = AdminFront {
            admission: Admission {
                guard: Guard::new("127.0.0.1".parse().unwrap(), vec!["ops.example".to_owned()]),
                token: AdminToken::open(folder.path()).unwrap(),
                access: access.beside(),
            },
            routes: routes(state, vec![("bricks", part)], shown, None),
            body_limits: LimitsConfig::default().body(BODY_BYTES_MAX),
            budget: BodyBudget::new(BODY_BYTES_IN_FLIGHT_MAX),
            observer,
        };
        let front = Arc::new(front);
        Self {
            folder,
            control,
            metrics,
            access,
            domains,
            front,
        }
    }

    fn token(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("admin-token")).unwrap();
        format!("Bearer {}", text.trim())
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, http::HeaderMap, Bytes) {
        let answer = Arc::clone(&self.front)
            .answer(Peer::plain(peer()), request)
            .await;
        let (head, body) = answer.into_parts();
        (
            head.status,
            head.headers,
            body.collect().await.unwrap().to_bytes(),
        )
    }

    /// A request that is well-formed and authenticated, with these headers in place of its own.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        changed: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, String) {
        let mut request = Request::new(Body::from(body.to_owned()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let token = self.token();
        let length = body.len().to_string();
        let mut headers = vec![("host", HOST), ("authorization", token.as_str())];
        if !body.is_empty() {
            headers.extend([
                ("content-type", "application/json"),
                ("content-length", length.as_str()),
            ]);
        }
        headers.retain(|(name, _)| changed.iter().all(|(it, _)| it != name));
        for (name, value) in headers
            .iter()
            .chain(changed)
            .filter(|(_, value)| !value.is_empty())
        {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let (status, headers, body) = self.send(request).await;
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert!(headers.contains_key(header::CONTENT_TYPE));
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(
            headers.contains_key(header::WWW_AUTHENTICATE),
            status == 401
        );
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn routes_are_answered_to_who_has_the_token() {
    let asked = Asked::new();
    let (status, body) = asked.ask(Method::GET, "/admin/v1/status", &[], "").await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["ready"], &body["parts"]["bricks"]),
        (&json!(false), &json!("a reason"))
    );
    let (status, body) = asked
        .ask(Method::GET, "/admin/v1/bricks/who", &[], "")
        .await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "admin token"));
    let (status, body) = asked
        .ask(Method::POST, "/admin/v1/bricks/echo", &[], "{}")
        .await;
    assert_eq!((status.as_u16(), body.as_str()), (200, "{}"));
}

/// Method, path, changed headers, body, status.
type Case<'a> = (Method, &'a str, &'a [(&'a str, &'a str)], &'a str, u16);

/// Each is answered with its status and a reason.
async fn refused(asked: &Asked, cases: &[Case<'_>]) {
    for (method, path, changed, body, expected) in cases {
        let (status, answer) = asked.ask(method.clone(), path, changed, body).await;
        let what = format!("{method} {path} {changed:?} gave {status} {answer}");
        assert_eq!(status.as_u16(), *expected, "{what}");
        let answer: Value = serde_json::from_str(&answer).expect(&what);
        assert!(
            answer["message"].as_str().is_some_and(|it| it.len() > 10),
            "{what}"
        );
    }
}

#[tokio::test]
async fn what_is_not_meant_for_it_is_refused_with_a_reason() {
    let asked = Asked::new();
    let status = "/admin/v1/status";
    let echo = "/admin/v1/bricks/echo";
    let big = format!("\"{}\"", "x".repeat(64 << 10));
    let twice = [("authorization", "Bearer x"), ("authorization", "Bearer y")];
    let hosts = [("host", "localhost"), ("host", "127.0.0.1")];
    let cases: &[Case<'_>] = &[
        (Method::GET, status, &[("authorization", "")], "", 401),
        (
            Method::GET,
            status,
            &[("authorization", "Bearer kiln_admin_x")],
            "",
            401,
        ),
        (
            Method::GET,
            status,
            &[("authorization", "Basic eDp5")],
            "",
            401,
        ),
        (Method::GET, status, &twice, "", 400),
        (Method::GET, "/metrics", &[("authorization", "")], "", 401),
        (
            Method::GET,
            "/admin/v1/metrics",
            &[("authorization", "")],
            "",
            401,
        ),
        (Method::GET, "/metrics", &[], "", 404),
        (Method::GET, status, &[("host", "")], "", 400),
        (Method::GET, status, &hosts, "", 400),
        (Method::GET, status, &[("host", "evil.example")], "", 403),
        (
            Method::GET,
            status,
            &[("origin", "http://evil.example")],
            "",
            403,
        ),
        (Method::GET, status, &[("origin", "null")], "", 403),
        (
            Method::GET,
            status,
            &[("origin", "http://127.0.0.1:9999")],
            "",
            403,
        ),
        (
            Method::GET,
            status,
            &[("sec-fetch-site", "cross-site")],
            "",
            403,
        ),
        (
            Method::GET,
            status,
            &[("sec-fetch-site", "same-site")],
            "",
            403,
        ),
        (
            Method::GET,
            "http://evil.example/admin/v1/status",
            &[],
            "",
            403,
        ),
        (Method::GET, status, &[], "{}", 400),
        (Method::DELETE, status, &[], "{}", 400),
        (
            Method::POST,
            echo,
            &[("content-type", "text/plain")],
            "{}",
            415,
        ),
        (Method::POST, echo, &[("content-type", "")], "{}", 415),
        (Method::POST, echo, &[], &big, 413),
        (Method::POST, status, &[], "", 405),
        (Method::OPTIONS, status, &[], "", 405),
        (Method::GET, echo, &[], "", 405),
        (Method::GET, "/admin/v1/none", &[], "", 404),
        (Method::GET, "/admin/v1/bricks/none", &[], "", 404),
        (Method::GET, "/admin/v1/", &[], "", 404),
        (Method::GET, "/bdns", &[], "", 404),
    ];
    refused(&asked, cases).await;
}

#[tokio::test]
async fn own_names_and_own_pages_are_let_in() {
    let asked = Asked::new();
    for changed in [
        [
            ("host", "ops.example:8081"),
            ("origin", "https://ops.example:8081"),
        ],
        [("host", "localhost:1"), ("origin", "http://localhost:1")],
        [("host", HOST), ("sec-fetch-site", "same-origin")],
        [("host", HOST), ("sec-fetch-site", "none")],
    ] {
        let (status, body) = asked
            .ask(Method::GET, "/admin/v1/status", &changed, "")
            .await;
        assert_eq!(status, 200, "{changed:?} {body}");
    }
}

#[test]
fn a_body_that_does_not_fit_is_explained() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[expect(dead_code, reason = "only its absence is of interest")]
        active: bool,
    }
    let explained = |body: &[u8], part: &str| {
        let answer = parse_request::<Wanted>(body).unwrap_err();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(format!("{answer:?}").contains(part), "{answer:?}");
    };
    explained(b"", "EOF");
    explained(b"{}", "missing field `active`");
    explained(b"{\"activ\":1}", "unknown field `activ`, expected `active`");
}

#[tokio::test]
async fn a_key_does_what_its_role_allows_on_the_whole_node_only() {
    let asked = Asked::new();
    let key = |grant: &str| {
        let new = NewKey {
            name: grant.to_owned(),
            grants: vec![grant.parse().unwrap()],
            quotas: Quotas::default(),
            expires_ms: None,
        };
        let event = Event::new("key.create", "a test", 1);
        asked.control.create_key(new, event, 1).unwrap().1.reveal()
    };
    let read_only = "{\"readOnly\":false}";
    let disable = "/admin/v1/domains/default/disable";
    for (grant, see, operate, administer) in [
        ("*:operate", 200, 200, 403),
        ("*:administer", 200, 200, 200),
        ("default:administer", 403, 403, 403),
        ("*:anchor", 403, 403, 403),
        ("*:read", 403, 403, 403),
    ] {
        let key = key(grant);
        let bearer = format!("Bearer {}", *key);
        for header in [
            ("authorization", bearer.as_str()),
            ("x-api-key", key.as_str()),
        ] {
            let mut changed = vec![header];
            if header.0 == "x-api-key" {
                changed.push(("authorization", ""));
            }
            let (status, _) = asked
                .ask(Method::GET, "/admin/v1/status", &changed, "")
                .await;
            assert_eq!(status, see, "{grant}");
            let (status, _) = asked
                .ask(Method::PUT, "/admin/v1/read-only", &changed, read_only)
                .await;
            assert_eq!(status, operate, "{grant}");
            let (status, _) = asked.ask(Method::POST, disable, &changed, "{}").await;
            assert_eq!(status, administer, "{grant}");
        }
    }
}

#[tokio::test]
async fn keys_are_made_only_with_grants_that_give_something() {
    let asked = Asked::new();
    for (domain, role, status, part) in [
        ("default", "anchor", 201, "default"),
        ("*", "operate", 201, "operate"),
        ("default", "operate", 400, "*:operate"),
        ("default", "administer", 400, "*:administer"),
        ("nosuch", "read", 400, "no domain nosuch"),
    ] {
        let grant = json!({ "domain": domain, "role": role });
        let body = json!({ "name": "w", "grants": [grant] }).to_string();
        let (found, answer) = asked.ask(Method::POST, "/admin/v1/keys", &[], &body).await;
        assert_eq!(found, status, "{domain}:{role} {answer}");
        assert!(answer.contains(part), "{domain}:{role} {answer}");
    }
    assert_eq!(asked.control.keys().unwrap().len(), 2);
}

#[tokio::test]
async fn guessing_is_slowed_and_recorded() {
    let asked = Asked::new();
    let wrong = [("authorization", "Bearer kiln_admin_wrong")];
    let mut refused = 0;
    // How soon it is slowed is the table's to say; that it is, is asked here.
    loop {
        let (status, _) = asked.ask(Method::GET, "/admin/v1/status", &wrong, "").await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        refused += 1;
        assert!(refused < 100, "nothing slows a guesser");
    }
    let acts: Vec<_> = asked.control.audit(None, 100).unwrap();
    assert!(acts.iter().any(|it| it.act == "refused.admin-token"));
}

#[tokio::test]
async fn requests_are_counted_by_what_they_ask() {
    let asked = Asked::new();
    asked.ask(Method::GET, "/admin/v1/keys", &[], "").await;
    asked.ask(Method::GET, "/admin/v1/none", &[], "").await;
    let wrong = [("authorization", "Bearer kiln_admin_wrong")];
    asked.ask(Method::GET, "/admin/v1/status", &wrong, "").await;
    let text = String::from_utf8(asked.metrics.text().unwrap()).unwrap();
    for line in [
        "kiln_requests_total{operation=\"admin_keys\",outcome=\"ok\"} 1",
        "kiln_requests_total{operation=\"other\",outcome=\"absent\"} 1",
        "kiln_requests_total{operation=\"admin_status\",outcome=\"refused\"} 1",
        "kiln_refusals_total{reason=\"unauthenticated\"} 1",
        "kiln_requests_in_flight 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn guessing_keeps_no_operator_away() {
    let asked = Asked::new();
    let new = NewKey {
        name: "an operator".to_owned(),
        grants: vec!["*:operate".parse().unwrap()],
        quotas: Quotas::default(),
        expires_ms: None,
    };
    let event = Event::new("key.create", "a test", 1);
    let (_, key) = asked.control.create_key(new, event, 1).unwrap();
    let key = key.reveal();
    let status = "/admin/v1/status";
    // Where wallets ask.
    let guess = KeyText::random().unwrap().reveal();
    let mut headers = http::HeaderMap::new();
    headers.insert("x-api-key", guess.parse().unwrap());
    loop {
        let peer = Peer::plain(peer());
        let refused = asked
            .access
            .authenticate(&peer, &headers)
            .await
            .unwrap_err();
        if refused.status() == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
    let by_key = [("authorization", ""), ("x-api-key", key.as_str())];
    let (answered, _) = asked.ask(Method::GET, status, &by_key, "").await;
    assert_eq!(answered, 200);
    // At the admin listener itself.
    let wrong = [("authorization", "Bearer kiln_admin_wrong")];
    while asked.ask(Method::GET, status, &wrong, "").await.0 != 429 {}
    let (answered, _) = asked.ask(Method::GET, status, &[], "").await;
    assert_eq!(answered, 200);
}

#[tokio::test]
async fn what_comes_from_foreign_pages_is_recorded() {
    let asked = Asked::new();
    let status = "/admin/v1/status";
    for (header, value, act) in [
        ("host", "evil.example", "refused.foreign-host"),
        ("origin", "http://evil.example", "refused.foreign-origin"),
        ("sec-fetch-site", "cross-site", "refused.foreign-origin"),
        ("content-length", "2", "refused.malformed-request"),
    ] {
        asked.ask(Method::GET, status, &[(header, value)], "").await;
        let newest = asked.control.audit(None, 1).unwrap();
        assert_eq!(newest[0].act, act, "{header}");
        assert_eq!(newest[0].address, "127.0.0.1");
    }
}

#[tokio::test]
async fn a_domain_that_was_disabled_once_is_served_when_it_is_added() {
    let asked = Asked::new();
    let name = "research".parse().unwrap();
    // It stood in the configuration then.
    asked.domains.set_disabled(&name, true);
    let quota = json!({ "bricksPerDay": 7 });
    let wish = json!({ "settings": { "name": "research", "anonymous": "read", "quota": { "bricks_per_day": 7 } } });
    let path = "/admin/v1/domains";
    let (status, body) = asked.ask(Method::POST, path, &[], &wish.to_string()).await;
    assert_eq!(status, 201, "{body}");
    assert!(body.contains("\"disabled\":false"), "{body}");
    assert!(!asked.domains.table().is_disabled(&name));
    let newest = asked.control.audit(None, 1).unwrap();
    assert_eq!(newest[0].act, "domain.add");
    let detail = json!({ "anonymous": "read", "quota": quota });
    assert_eq!(newest[0].detail, detail);
}
