//! How requests for anchors, logs and documents are called in metrics, logs and traces. What is
//! answered 404 whatever it asks for has no name.

use http::Method;
use node::Operation;

/// The operation of a request to the node's listener, by its raw path.
pub(crate) fn of<'a>(method: &Method, path: &'a str) -> Option<Operation<'a>> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if let Some(segments) = node::segments("/anchor", path) {
        return of_anchor(method, reads, &segments);
    }
    if let Some(segments) = node::segments("/log", path) {
        return match segments.as_slice() {
            [domain, _, ..] if reads => Some(Operation::on("read_log", domain)),
            _ => None,
        };
    }
    match (method, path.strip_suffix('/').unwrap_or(path)) {
        (&Method::GET, "/bdns") => Some(Operation::new("bdns")),
        (_, path) if !is_document(path) => None,
        (&Method::PUT, _) => Some(Operation::new("put_document")),
        (&Method::GET, _) => Some(Operation::new("get_document")),
        _ => None,
    }
}

fn is_document(path: &str) -> bool {
    let below = path.strip_prefix("/versionlessdsu");
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

fn of_anchor<'a>(method: &Method, reads: bool, segments: &[&'a str]) -> Option<Operation<'a>> {
    let (domain, name) = match segments {
        ["create-or-update-multiple-anchors"] if *method == Method::PUT => {
            return Some(Operation::new("write_anchors"));
        }
        [domain, "create-or-update-multiple-anchors"] if *method == Method::PUT => {
            (domain, "write_anchors")
        }
        [domain, "create-anchor", _] | [domain, "create-anchor", _, _]
            if *method == Method::PUT =>
        {
            (domain, "create_anchor")
        }
        [domain, "append-to-anchor", _] | [domain, "append-to-anchor", _, _]
            if *method == Method::PUT =>
        {
            (domain, "append_anchor")
        }
        [domain, "get-all-versions", _] if reads => (domain, "get_all_versions"),
        [domain, "get-last-version", _] if reads => (domain, "get_last_version"),
        [domain, "get-total-numbers-of-anchors"] if reads => (domain, "count_anchors"),
        [domain, "proof", _] if reads => (domain, "prove_anchor"),
        [domain, "status", _] if reads => (domain, "anchor_status"),
        _ => return None,
    };
    Some(Operation::on(name, domain))
}

/// The operation of a request to the listener that stands in for an EthAdapter.
pub(crate) fn of_eth_adapter<'a>(_method: &Method, path: &'a str) -> Option<Operation<'a>> {
    let segments = node::segments("", path)?;
    let name = match segments.first()?.to_ascii_lowercase().as_str() {
        "createorappendmultipleanchors" | "createorupdatemultipleanchors" => "eth_write_anchors",
        "createanchor" => "eth_create_anchor",
        "appendanchor" => "eth_append_anchor",
        "getallversions" => "eth_get_all_versions",
        "getlastversion" => "eth_get_last_version",
        "totalnumberofanchors" => "eth_count_anchors",
        "dumpanchors" => "eth_dump_anchors",
        "health" => "eth_health",
        _ => return None,
    };
    Some(Operation::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_named_by_what_they_ask_and_by_nothing_of_theirs() {
        let check = |method: Method, path, expected: Option<(&str, Option<&str>)>| {
            let found = of(&method, path).map(|it| (it.name, it.domain));
            assert_eq!(found, expected, "{method} {path}");
        };
        let create = Some(("create_anchor", Some("d")));
        check(Method::PUT, "/anchor/d/create-anchor/id/value", create);
        check(Method::PUT, "/anchor/d/create-anchor/id", create);
        check(Method::GET, "/anchor/d/create-anchor/id", None);
        let last = Some(("get_last_version", Some("d")));
        check(Method::HEAD, "/anchor/d/get-last-version/id/", last);
        let many = "/anchor/create-or-update-multiple-anchors";
        check(Method::PUT, many, Some(("write_anchors", None)));
        let tile = "/log/d/tile/0/000";
        check(Method::GET, tile, Some(("read_log", Some("d"))));
        check(Method::GET, "/bdns/", Some(("bdns", None)));
        let document = "/versionlessdsu/some/path";
        check(Method::PUT, document, Some(("put_document", None)));
        check(Method::GET, "/versionlessdsux", None);
        check(Method::GET, "/bricking/d/get-brick/x", None);
    }

    #[test]
    fn an_eth_adapter_does_not_care_for_case() {
        let found = of_eth_adapter(&Method::GET, "/GetAllVersions/id");
        assert_eq!(found, Some(Operation::new("eth_get_all_versions")));
        assert_eq!(of_eth_adapter(&Method::GET, "/id"), None);
    }
}
