//! What a request asks for, in words that may stand in metrics, logs and traces: never a part of its
//! path.

use http::Method;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'a> {
    /// One of few static names, in `snake_case`: `put_brick`.
    pub name: &'static str,
    /// The domain as it stands in the path; it may be any text, and is used only if such a domain
    /// is served.
    pub domain: Option<&'a str>,
}

/// How a service names its requests, by method and raw path; `None` for what is not its own.
pub type OperationOf = for<'a> fn(&Method, &'a str) -> Option<Operation<'a>>;

/// The name of what nobody knows.
pub(crate) const OTHER: &str = "other";

impl<'a> Operation<'a> {
    /// An operation on no domain, or on several.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, domain: None }
    }

    /// An operation on a domain.
    #[must_use]
    pub fn on(name: &'static str, domain: &'a str) -> Self {
        Self {
            name,
            domain: Some(domain),
        }
    }
}

/// What the front answers itself.
pub(crate) fn own<'a>(method: &Method, path: &'a str) -> Option<Operation<'a>> {
    let name = match (method, path.strip_suffix('/').unwrap_or(path)) {
        (&Method::OPTIONS, _) => "preflight",
        (&Method::GET | &Method::HEAD, "/livez") => "livez",
        (&Method::GET | &Method::HEAD, "/readyz") => "readyz",
        (&Method::GET | &Method::HEAD, "/version") => "version",
        (&Method::GET, "/ready-probe") => "ready_probe",
        _ => return None,
    };
    Some(Operation::new(name))
}
