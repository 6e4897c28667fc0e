//! The console's files, and its figures.

use super::*;

#[tokio::test]
async fn the_page_is_for_get_and_head_under_its_own_name_and_from_no_other_page() {
    let cases: &[Case<'_>] = &[
        (Method::POST, "/", &[("authorization", "")], "", 401),
        (
            Method::GET,
            "/index.html",
            &[("authorization", "")],
            "",
            401,
        ),
        (Method::GET, "/", &[("host", "evil.example")], "", 403),
        (Method::GET, "/", &[("origin", "null")], "", 403),
        (
            Method::GET,
            "/console.js",
            &[("sec-fetch-site", "cross-site")],
            "",
            403,
        ),
    ];
    refused(&Asked::new(), cases).await;
}

#[tokio::test]
async fn the_page_is_for_everybody_and_its_figures_are_not() {
    let asked = Asked::new();
    let send = async |method: Method, path: &str, tag: &str| {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let headers = request.headers_mut();
        headers.insert("host", HOST.parse().unwrap());
        headers.insert("if-none-match", tag.parse().unwrap());
        asked.send(request).await
    };
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/console.js", "text/javascript; charset=utf-8"),
        ("/console.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/licences.txt", "text/plain; charset=utf-8"),
    ] {
        let (status, headers, body) = send(Method::GET, path, "\"old\"").await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], kind);
        assert_eq!(headers[header::CONTENT_LENGTH], body.len().to_string());
        for (name, value) in [
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                 img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(headers[name], value, "{path}");
        }
        let tag = headers[header::ETAG].to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
            let (status, headers, body) = send(Method::GET, path, &known).await;
            assert_eq!((status.as_u16(), body.len()), (304, 0), "{path} {known}");
            assert_eq!(headers[header::ETAG], tag.as_str());
        }
        let (status, headers, body) = send(Method::HEAD, path, "\"old\"").await;
        assert_eq!((status.as_u16(), body.len()), (200, 0), "{path}");
        assert_ne!(headers[header::CONTENT_LENGTH], "0");
    }
    let (status, _, _) = send(Method::GET, "/admin/v1/status", "\"old\"").await;
    assert_eq!(status, 401);
    let (status, text) = asked.ask(Method::GET, "/admin/v1/metrics", &[], "").await;
    assert_eq!(status, 200);
    assert!(text.contains("\nkiln_build_info{"), "{text}");
}
