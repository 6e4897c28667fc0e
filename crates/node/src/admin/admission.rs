//! Who is let in on the admin listener, judged by the head of a request alone.
//!
//! A browser can be made to send requests by any page: under a foreign name that leads to this
//! machine (DNS rebinding, a foreign `Host`), or across sites (a foreign `Origin`). Neither knows
//! the token, but both are refused before it is looked at.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};

use super::token::{self, AdminToken};
use crate::access::{Access, Caller, Right};
use crate::error::ApiError;
use crate::guard::Guard;
use crate::peer::Peer;

/// What the listener asks for before anything else is looked at.
pub(crate) struct Admission {
    /// Which names are our own.
    pub guard: Guard,
    /// Who has it may do everything.
    pub token: AdminToken,
    /// Who may do what with an API key.
    pub access: Access,
}

/// What an operator may do; all else that changes anything is for administrators.
const OPERATED: [&str; 6] = [
    "/admin/v1/read-only",
    "/admin/v1/anchors/checkpoint",
    "/admin/v1/anchors/scrub/start",
    "/admin/v1/anchors/scrub/stop",
    "/admin/v1/bricks/scrub/start",
    "/admin/v1/bricks/scrub/stop",
];

impl Admission {
    /// Refuses what comes from a foreign page or has a form that no route takes.
    ///
    /// # Errors
    /// 400, 403 or 415; it is in the audit log then.
    pub(crate) fn examine(&self, peer: &Peer, head: &Parts) -> Result<(), ApiError> {
        self.judge(head).map_err(|(act, refusal)| {
            self.access.note(act, "", peer.address.ip(), "");
            refusal
        })
    }

    /// What is wrong with the form of a request, and how the audit log calls it.
    fn judge(&self, head: &Parts) -> Result<(), (&'static str, ApiError)> {
        let host = self
            .own_host(head)
            .map_err(|refusal| ("refused.foreign-host", refusal))?;
        require_own_origin(&head.headers, host)
            .map_err(|refusal| ("refused.foreign-origin", refusal))?;
        let has_body = has_body(&head.headers);
        let judged = match head.method {
            Method::GET | Method::HEAD | Method::DELETE if has_body => Err(ApiError::bad_request(
                format!("{} takes no body here", head.method),
            )),
            Method::POST | Method::PUT | Method::PATCH if has_body => require_json(&head.headers),
            _ => Ok(()),
        };
        judged.map_err(|refusal| ("refused.malformed-request", refusal))
    }

    /// Who sent a request that was examined, if he may.
    ///
    /// # Errors
    /// 400 for several credentials, 401 without a valid credential, 403 for one that does not
    /// suffice, 429 after too many bad ones; 503 when it cannot be told.
    pub(crate) async fn admit(&self, peer: &Peer, head: &Parts) -> Result<Caller, ApiError> {
        let caller = match admin_token(&head.headers) {
            Some(sent) => self.token_holder(peer.address.ip(), sent).await?,
            None => self.access.authenticate(peer, &head.headers).await?,
        };
        caller.require_on_node(right_for(&head.method, head.uri.path()))?;
        Ok(caller)
    }

    async fn token_holder(&self, address: IpAddr, sent: &str) -> Result<Caller, ApiError> {
        // Before the wait for bad credentials: the token cannot be guessed, and whoever has it is
        // not to be kept away by those who try.
        if self.token.is(sent).await? {
            return Ok(self.access.token_holder(address));
        }
        self.access.admit_attempt(address)?;
        Err(self.access.refuse_token(address))
    }

    /// The host that the request is for.
    fn own_host<'a>(&self, head: &'a Parts) -> Result<&'a str, ApiError> {
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let named = hosts.next().map(|host| host.to_str().unwrap_or("?"));
        if hosts.next().is_some() {
            return Err(ApiError::bad_request("there is more than one Host header"));
        }
        let authority = head.uri.authority().map(http::uri::Authority::as_str);
        let Some(host) = named.or(authority) else {
            return Err(ApiError::bad_request("the Host header is missing"));
        };
        let is_own = |host| self.guard.is_own(host);
        if !is_own(host) || !authority.is_none_or(is_own) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "the admin listener answers only under its own name; add the Host to admin.hosts \
                 in the configuration if it is meant",
            ));
        }
        Ok(host)
    }
}

/// The credential, if it has the form of an admin token and is the only one.
fn admin_token(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(header::AUTHORIZATION).into_iter();
    let (Some(only), None) = (sent.next(), sent.next()) else {
        return None;
    };
    if headers.contains_key("x-api-key") {
        return None;
    }
    let sent = only.to_str().ok()?.strip_prefix("Bearer ")?.trim();
    sent.starts_with(token::PREFIX).then_some(sent)
}

/// What a request needs. Whoever may operate may look at everything.
fn right_for(method: &Method, path: &str) -> Right {
    if matches!(*method, Method::GET | Method::HEAD) || OPERATED.contains(&path) {
        Right::Operate
    } else {
        Right::Administer
    }
}

/// Refuses what a page of another origin sent. Commands and scripts send neither header.
fn require_own_origin(headers: &HeaderMap, host: &str) -> Result<(), ApiError> {
    let is_own = |origin: &str| {
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    let origins = headers.get_all(header::ORIGIN).into_iter();
    let foreign = origins
        .map(|it| it.to_str().unwrap_or_default())
        .any(|it| !is_own(it));
    let sites = headers.get_all("sec-fetch-site").into_iter();
    let cross = sites
        .map(http::HeaderValue::as_bytes)
        .any(|site| site != b"same-origin" && site != b"none");
    if foreign || cross {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "the admin listener takes no requests from pages of other origins",
        ));
    }
    Ok(())
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0")
}

/// A form of another site can send text, but not this type without being asked first.
fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the body must be JSON, with Content-Type: application/json",
    ))
}
