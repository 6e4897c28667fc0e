//! Matching on the raw path: segment by segment, case sensitive, nothing decoded, one trailing
//! slash ignored.
//!
//! **Source:** `http-api.md` §1, Routing.

/// The segments of a path below `prefix`; `None` when the path does not start with it.
///
/// `segments("/bricking", "/bricking/default/put-brick/")` gives `["default", "put-brick"]`.
#[must_use]
pub fn segments<'a>(prefix: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let rest = path.strip_prefix(prefix)?.strip_prefix('/')?;
    Some(rest.strip_suffix('/').unwrap_or(rest).split('/').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_slash_is_ignored_and_nothing_else() {
        let check = |path, expected: Option<&[&str]>| {
            assert_eq!(segments("/bricking", path).as_deref(), expected, "{path}");
        };
        check("/bricking/d/put-brick", Some(&["d", "put-brick"]));
        check("/bricking/d/put-brick/", Some(&["d", "put-brick"]));
        check("/bricking/d/put-brick//", Some(&["d", "put-brick", ""]));
        check("/bricking/d//x", Some(&["d", "", "x"]));
        check("/bricking/..%2f/x", Some(&["..%2f", "x"]));
        check("/bricking/", Some(&[""]));
        check("/bricking", None);
        check("//bricking/d", None);
        check("/brickings/d", None);
    }
}
