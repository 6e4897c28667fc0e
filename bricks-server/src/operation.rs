//! How requests for bricks are called in metrics, logs and traces. What is answered 404 whatever it
//! asks for has no name.

use http::Method;
use node::Operation;

/// The operation of a request, by its raw path.
pub(crate) fn of<'a>(method: &Method, path: &'a str) -> Option<Operation<'a>> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if path.starts_with("/ipfs/") {
        return reads.then_some(Operation::new("get_block"));
    }
    let segments = node::segments("/bricking", path)?;
    let (domain, name) = match (method, segments.as_slice()) {
        (&Method::PUT, [domain, "put-brick"]) => (domain, "put_brick"),
        (_, [domain, "get-brick", _]) if reads => (domain, "get_brick"),
        (_, [domain, "brick-exists", _]) if reads => (domain, "brick_exists"),
        (&Method::GET, [domain, "downloadMultipleBricks"]) => (domain, "download_multiple_bricks"),
        (&Method::POST, [domain, "have-bricks"]) => (domain, "have_bricks"),
        (&Method::POST, [domain, "get-bricks"]) => (domain, "get_bricks"),
        (&Method::POST, [domain, "put-bricks"]) => (domain, "put_bricks"),
        _ => return None,
    };
    Some(Operation::on(name, domain))
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
        let put = Some(("put_brick", Some("d")));
        check(Method::PUT, "/bricking/d/put-brick/", put);
        let get = Some(("get_brick", Some("d")));
        check(Method::HEAD, "/bricking/d/get-brick/hash", get);
        let have = Some(("have_bricks", Some("d")));
        check(Method::POST, "/bricking/d/have-bricks", have);
        check(Method::GET, "/ipfs/cid", Some(("get_block", None)));
        check(Method::PUT, "/ipfs/cid", None);
        check(Method::GET, "/bricking/d/put-brick", None);
        check(Method::GET, "/anchor/d/get-brick/x", None);
    }
}
