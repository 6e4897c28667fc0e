//! The credential of a request: `x-api-key`, or `Authorization: Bearer`.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use zeroize::Zeroizing;

use super::key_text::{KeyText, KeyTextError};
use super::oidc::OidcIssuers;
use crate::error::ApiError;

const API_KEY: &str = "x-api-key";

/// What was sent.
pub(super) enum Credential {
    /// A key of the right form.
    Key(KeyText),
    /// A token of an OpenID Connect issuer.
    Token(Zeroizing<String>),
    /// Something that is no credential of this node.
    Mistyped(KeyTextError),
}

/// The credential of a request, if there is one.
///
/// # Errors
/// 400 when there are several that differ: which of them is meant is not to be guessed.
pub(super) fn find(headers: &HeaderMap) -> Result<Option<Credential>, ApiError> {
    let mut sent = Vec::new();
    for value in headers.get_all(API_KEY) {
        sent.push(value.as_bytes());
    }
    for value in headers.get_all(AUTHORIZATION) {
        sent.push(bearer(value));
    }
    let Some((first, others)) = sent.split_first() else {
        return Ok(None);
    };
    if others.iter().any(|other| other != first) {
        return Err(ApiError::bad_request(
            "the request has several credentials that differ; send one, as x-api-key or as \
             Authorization: Bearer",
        ));
    }
    let text = std::str::from_utf8(first).unwrap_or_default();
    if OidcIssuers::is_token(text) {
        return Ok(Some(Credential::Token(Zeroizing::new(text.to_owned()))));
    }
    Ok(Some(match KeyText::parse(text) {
        Ok(key) => Credential::Key(key),
        Err(error) => Credential::Mistyped(error),
    }))
}

/// What follows `Bearer`, in any case (RFC 9110 §11.1). Other schemes hold no key.
fn bearer(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    match bytes.split_at_checked(b"Bearer ".len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"Bearer ") => token.trim_ascii(),
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&str, &str)], expected: &str) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let found = match find(&headers) {
            Ok(None) => "none".to_owned(),
            Ok(Some(Credential::Key(key))) => key.id().to_string(),
            Ok(Some(Credential::Token(_))) => "token".to_owned(),
            Ok(Some(Credential::Mistyped(KeyTextError::Form))) => "form".to_owned(),
            Ok(Some(Credential::Mistyped(_))) => "checksum".to_owned(),
            Err(_) => "several".to_owned(),
        };
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn one_credential_is_taken_from_either_header() {
        let key = KeyText::random().unwrap();
        let (text, id) = (key.reveal(), key.id().to_string());
        let other = KeyText::random().unwrap().reveal();
        let bearer = format!("Bearer {}", *text);
        check(&[], "none");
        check(&[("x-api-key", &text)], &id);
        check(&[("authorization", &bearer)], &id);
        check(
            &[("authorization", &bearer.replace("Bearer", "bEARER "))],
            &id,
        );
        check(&[("x-api-key", &text), ("authorization", &bearer)], &id);
        check(&[("x-api-key", &text), ("x-api-key", &text)], &id);
        check(&[("x-api-key", &text), ("x-api-key", &other)], "several");
        check(
            &[("x-api-key", &other), ("authorization", &bearer)],
            "several",
        );
        check(&[("x-api-key", ""), ("authorization", &bearer)], "several");
        check(&[("x-api-key", "")], "form");
        check(&[("authorization", "")], "form");
        check(&[("authorization", "Bearer ")], "form");
        check(&[("authorization", &text)], "form");
        check(&[("authorization", "Basic bWU6cHc=")], "form");
        check(&[("authorization", "Bearer eyJhbGciOi.e30.c2ln")], "token");
        check(&[("authorization", "Bearer eyJhbGciOi.e30")], "form");
        let mistyped = format!("{}0", &text[..text.len() - 1]);
        let expected = if text.ends_with('0') { &id } else { "checksum" };
        check(&[("x-api-key", &mistyped)], expected);
    }
}
