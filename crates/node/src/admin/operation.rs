//! How requests on the admin listener are called in metrics, logs and traces.

use http::Method;

use crate::operation::Operation;

/// The operation of a request, by its raw path.
pub(super) fn of<'a>(_: &Method, path: &'a str) -> Option<Operation<'a>> {
    if path == "/metrics" {
        return Some(Operation::new("metrics"));
    }
    let path = path.strip_prefix("/admin/v1/")?;
    let segments: Vec<_> = path.split('/').collect();
    let name = match segments.as_slice() {
        ["status"] | ["bricks" | "anchors", "status"] => "admin_status",
        ["config"] => "admin_config",
        ["read-only"] => "admin_read_only",
        ["domains", domain, "quotas"] => return Some(Operation::on("admin_quotas", domain)),
        ["domains", domain, ..] => return Some(Operation::on("admin_domains", domain)),
        ["domains"] => "admin_domains",
        ["keys", ..] => "admin_keys",
        ["audit", ..] => "admin_audit",
        ["bricks" | "anchors", "scrub", ..] => "admin_scrub",
        ["bricks", "quarantine"] => "admin_quarantine",
        ["bricks" | "anchors", "freeze"] => "admin_freeze",
        ["anchors", "checkpoint"] => "admin_checkpoint",
        _ => return None,
    };
    Some(Operation::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_named_by_what_they_ask_and_by_nothing_of_theirs() {
        let check = |path, expected: Option<(&str, Option<&str>)>| {
            let found = of(&Method::GET, path).map(|it| (it.name, it.domain));
            assert_eq!(found, expected, "{path}");
        };
        check("/admin/v1/status", Some(("admin_status", None)));
        check("/admin/v1/anchors/status", Some(("admin_status", None)));
        check(
            "/admin/v1/keys/0123456789ab/revoke",
            Some(("admin_keys", None)),
        );
        let of_domain = |name| Some((name, Some("d")));
        check("/admin/v1/domains/d/quotas", of_domain("admin_quotas"));
        check("/admin/v1/domains/d/disable", of_domain("admin_domains"));
        check("/admin/v1/bricks/scrub/start", Some(("admin_scrub", None)));
        check("/metrics", Some(("metrics", None)));
        for other in [
            "/",
            "/admin/v1/",
            "/admin/v1/none",
            "/admin/v1/bricks/none",
            "/bdns",
        ] {
            check(other, None);
        }
    }
}
