//! What a request asks for, read from its path alone.

use serde::Deserialize;

/// The operations of the interface, whatever the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Route {
    /// `/bricking/:domain/put-brick`
    PutBrick,
    /// `/bricking/:domain/get-brick/:hash`
    GetBrick,
    /// `/bricking/:domain/brick-exists/:hash`
    BrickExists,
    /// `/bricking/:domain/downloadMultipleBricks?hashes=…`
    MultipleBricks,
    /// `/anchor/:domain/create-anchor/:id/:value`
    CreateAnchor,
    /// `/anchor/:domain/append-to-anchor/:id/:value`
    AppendAnchor,
    /// The two routes above without a value.
    ValuelessAnchor,
    /// `/anchor/:domain/get-all-versions/:id`
    AllVersions,
    /// `/anchor/:domain/get-last-version/:id`
    LastVersion,
    /// `/anchor/:domain/get-total-numbers-of-anchors`
    TotalAnchors,
    /// `/anchor/:domain/create-or-update-multiple-anchors`
    ManyAnchors,
    /// `/anchor/create-or-update-multiple-anchors`: each id says its own domain.
    ManyAnchorsAnywhere,
    /// `/bdns`
    Bdns,
    /// `/ready-probe`
    ReadyProbe,
    /// Anything else.
    Other,
}

/// A request's path, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The operation.
    pub(crate) route: Route,
    /// The domain in the path; empty when the route has none.
    pub(crate) domain: String,
    /// The brick hash or the anchor id; empty when the route has none.
    pub(crate) subject: String,
    /// The anchor value; empty when the route has none.
    pub(crate) value: String,
    /// The hashes in the query of a multiple download.
    pub(crate) hashes: Vec<String>,
}

impl Call {
    /// Takes a request target apart.
    pub(crate) fn of(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let (route, domain, subject, value) = match *segments.as_slice() {
            ["bricking", domain, action] => (brick_store(action), domain, "", ""),
            ["bricking", domain, action, hash] => (brick_read(action), domain, hash, ""),
            ["anchor", "create-or-update-multiple-anchors"] => {
                (Route::ManyAnchorsAnywhere, "", "", "")
            }
            ["anchor", domain, action] => (domain_action(action), domain, "", ""),
            ["anchor", domain, action, id] => (anchor_read(action), domain, id, ""),
            ["anchor", domain, action, id, value] => (anchor_write(action), domain, id, value),
            ["bdns"] => (Route::Bdns, "", "", ""),
            ["ready-probe"] => (Route::ReadyProbe, "", "", ""),
            _ => (Route::Other, "", "", ""),
        };
        let hashes = query.split('&').filter_map(|it| it.strip_prefix("hashes="));
        Self {
            route,
            domain: domain.to_owned(),
            subject: subject.to_owned(),
            value: value.to_owned(),
            hashes: hashes.map(str::to_owned).collect(),
        }
    }
}

fn brick_store(action: &str) -> Route {
    match action {
        "put-brick" => Route::PutBrick,
        "downloadMultipleBricks" => Route::MultipleBricks,
        _ => Route::Other,
    }
}

fn brick_read(action: &str) -> Route {
    match action {
        "get-brick" => Route::GetBrick,
        "brick-exists" => Route::BrickExists,
        _ => Route::Other,
    }
}

fn domain_action(action: &str) -> Route {
    match action {
        "get-total-numbers-of-anchors" => Route::TotalAnchors,
        "create-or-update-multiple-anchors" => Route::ManyAnchors,
        _ => Route::Other,
    }
}

fn anchor_read(action: &str) -> Route {
    match action {
        "get-all-versions" => Route::AllVersions,
        "get-last-version" => Route::LastVersion,
        "create-anchor" | "append-to-anchor" => Route::ValuelessAnchor,
        _ => Route::Other,
    }
}

fn anchor_write(action: &str) -> Route {
    match action {
        "create-anchor" => Route::CreateAnchor,
        "append-to-anchor" => Route::AppendAnchor,
        _ => Route::Other,
    }
}

#[test]
fn paths_are_taken_apart_as_the_interface_says() {
    let call = Call::of("/anchor/d/append-to-anchor/A/V/");
    assert_eq!(call.route, Route::AppendAnchor);
    assert_eq!(
        (
            call.domain.as_str(),
            call.subject.as_str(),
            call.value.as_str()
        ),
        ("d", "A", "V")
    );
    let call = Call::of("/bricking/d/downloadMultipleBricks?hashes=1&x=y&hashes=2");
    assert_eq!(
        (call.route, call.hashes),
        (Route::MultipleBricks, vec!["1".into(), "2".into()])
    );
    let call = Call::of("/bricking/d/get-brick/..");
    assert_eq!((call.route, call.subject.as_str()), (Route::GetBrick, ".."));
    for other in [
        "//bricking/d/put-brick",
        "/bricking/d/put-brick/x",
        "/bdns/x",
        "/",
        "/anchor/get-all-versions",
    ] {
        assert_eq!(Call::of(other).route, Route::Other, "{other}");
    }
}
