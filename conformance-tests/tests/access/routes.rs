//! Every route of a node, what it needs, and what it answers to whoever has that.

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nothing.
    Open,
    Read,
    Bricks,
    Anchor,
    /// Reading versionless documents.
    DocumentsRead,
    /// Writing them.
    DocumentsWrite,
    /// A block by its content: it is absent for those who may not read the domain that has it.
    Block,
}

/// One route.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// `{hash}` stands for the hash of the stored brick.
    pub(crate) target: &'static str,
    pub(crate) body: Option<&'static str>,
    pub(crate) class: Class,
    /// The status for those who may: that of the route itself.
    pub(crate) status: u16,
}

const fn get(target: &'static str, class: Class, status: u16) -> Route {
    call("GET", target, None, class, status)
}

const fn call(
    method: &'static str,
    target: &'static str,
    body: Option<&'static str>,
    class: Class,
    status: u16,
) -> Route {
    Route {
        method,
        target,
        body,
        class,
        status,
    }
}

use Class::{Anchor, Block, Bricks, DocumentsRead, DocumentsWrite, Open, Read};

/// Malformed ids and archives are answered 400, after it was asked who calls.
pub(crate) const ROUTES: [Route; 46] = [
    get("/", Open, 403),
    get("/livez", Open, 200),
    get("/readyz", Open, 200),
    get("/version", Open, 200),
    get("/ready-probe", Open, 200),
    get("/bdns", Open, 200),
    get("/bdns/", Open, 200),
    call("OPTIONS", "/bricking/here/put-brick", None, Open, 200),
    call("OPTIONS", "/anchor/here/x", None, Open, 200),
    // Nobody knows these.
    get("/nowhere", Open, 404),
    get("/bricking", Open, 404),
    get("/bricking/here", Open, 404),
    get("/bricking/here/put-brick", Open, 404),
    get("/bricking/here/get-brick/", Open, 404),
    get("//bricking/here/get-brick/{hash}", Open, 404),
    get("/Bricking/here/get-brick/{hash}", Open, 404),
    call("DELETE", "/bricking/here/get-brick/{hash}", None, Open, 404),
    call("POST", "/anchor/here/create-anchor/x/y", None, Open, 404),
    // Domains that are not here.
    get("/bricking/absent/get-brick/{hash}", Open, 404),
    call("PUT", "/anchor/absent/create-anchor/x/y", None, Open, 400),
    get("/bricking/here/get-brick/{hash}", Read, 200),
    get("/bricking/here/get-brick/{hash}/", Read, 200),
    get("/bricking/here/get-brick/{hash}?x=/bdns", Read, 200),
    call("HEAD", "/bricking/here/get-brick/{hash}", None, Read, 200),
    get("/bricking/here/brick-exists/{hash}", Read, 200),
    get(
        "/bricking/here/downloadMultipleBricks?hashes={hash}",
        Read,
        200,
    ),
    call(
        "POST",
        "/bricking/here/have-bricks",
        Some("[\"{hash}\"]"),
        Read,
        200,
    ),
    call(
        "POST",
        "/bricking/here/get-bricks",
        Some("[\"{hash}\"]"),
        Read,
        200,
    ),
    get("/anchor/here/get-all-versions/x", Read, 400),
    call("HEAD", "/anchor/here/get-last-version/x", None, Read, 400),
    get("/anchor/here/get-total-numbers-of-anchors", Read, 404),
    get("/anchor/here/proof/x", Read, 400),
    get("/anchor/here/status/x", Read, 400),
    get("/log/here/vkey", Read, 200),
    get("/log/here/tile/0/000", Read, 404),
    get("/ipfs/{cid}?format=raw", Block, 200),
    call(
        "PUT",
        "/bricking/here/put-brick",
        Some("a brick of its own"),
        Bricks,
        201,
    ),
    call(
        "POST",
        "/bricking/here/put-bricks",
        Some("no archive"),
        Bricks,
        400,
    ),
    call("PUT", "/anchor/here/create-anchor/x/y", None, Anchor, 400),
    call(
        "PUT",
        "/anchor/here/append-to-anchor/x/y",
        None,
        Anchor,
        400,
    ),
    call(
        "PUT",
        "/anchor/here/create-anchor/x",
        Some("{}"),
        Anchor,
        404,
    ),
    call(
        "PUT",
        "/anchor/here/create-or-update-multiple-anchors",
        Some("{batch}"),
        Anchor,
        400,
    ),
    call(
        "PUT",
        "/anchor/create-or-update-multiple-anchors",
        Some("{batch}"),
        Anchor,
        400,
    ),
    get("/versionlessdsu/a/document", DocumentsRead, 404),
    get("/versionlessdsu", DocumentsRead, 400),
    call(
        "PUT",
        "/versionlessdsu/its/document",
        Some("text"),
        DocumentsWrite,
        200,
    ),
];
