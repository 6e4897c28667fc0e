//! What the claims of a verified token say: whether it is valid now, whom it stands for, and what it
//! is worth.

use serde_json::{Map, Value};

use super::{OidcSubject, TokenFault};
use crate::access::Grant;
use crate::oidc_config::{ClaimRule, OidcConfig};

/// How far the issuer's clock and ours may be apart, in seconds.
const LEEWAY_S: u64 = 60;
/// The longest subject, in bytes (OpenID Connect Core §2 allows 255 characters).
const SUBJECT_BYTES_MAX: usize = 255;

/// Judges the claims of a token whose signature, issuer and audience were verified.
pub(super) fn judge(
    config: &OidcConfig,
    claims: &Map<String, Value>,
    now_s: u64,
) -> Result<OidcSubject, TokenFault> {
    let expires = time(claims, "exp")?.ok_or(TokenFault::Claims)?;
    if now_s >= expires.saturating_add(LEEWAY_S) {
        return Err(TokenFault::Expired);
    }
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|begins| begins > now_s.saturating_add(LEEWAY_S)) {
            return Err(TokenFault::Early);
        }
    }
    let subject = claims.get("sub").and_then(Value::as_str);
    let subject = subject
        .filter(|it| !it.is_empty() && it.len() <= SUBJECT_BYTES_MAX)
        .filter(|it| !it.contains(char::is_control))
        .ok_or(TokenFault::Claims)?;
    let holds = config.rules.iter().filter(|rule| holds(rule, claims));
    let mut grants: Vec<Grant> = Vec::new();
    for grant in holds.flat_map(|rule| &rule.grants) {
        if !grants.contains(grant) {
            grants.push(grant.clone());
        }
    }
    Ok(OidcSubject {
        issuer: config.issuer.clone(),
        subject: subject.to_owned(),
        grants,
    })
}

/// A time in whole seconds since the epoch. RFC 7519 §2 allows fractions, which are cut off.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, TokenFault> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let whole = value.as_u64();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in the range; the fraction is to be lost"
    )]
    let cut = || {
        let number = value.as_f64()?;
        (0.0..1e15).contains(&number).then_some(number as u64)
    };
    whole.or_else(cut).map(Some).ok_or(TokenFault::Claims)
}

fn holds(rule: &ClaimRule, claims: &Map<String, Value>) -> bool {
    let Some((first, rest)) = rule.claim.names().split_first() else {
        return false;
    };
    let found = rest
        .iter()
        .try_fold(claims.get(first), |value, name| Some(value?.get(name)))
        .flatten();
    match found {
        // RFC 8693 §4.2: the words of one text.
        Some(Value::String(text)) if rest.is_empty() && first == "scope" => {
            text.split(' ').any(|word| word == rule.value)
        }
        Some(Value::String(text)) => *text == rule.value,
        Some(Value::Array(list)) => list.iter().any(|it| it.as_str() == Some(&rule.value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn config() -> OidcConfig {
        toml::from_str(
            r#"
            issuer = "https://id.example"
            audience = "kiln"
            [[rule]]
            claim = "groups"
            value = "writers"
            grants = [{ domain = "default", role = "write" }]
            [[rule]]
            claim = ["realm_access", "roles"]
            value = "admin"
            grants = [{ domain = "*", role = "administer" }, { domain = "default", role = "write" }]
            [[rule]]
            claim = "scope"
            value = "anchor"
            grants = [{ domain = "*", role = "anchor" }]
            [[rule]]
            claim = "https://kiln.example/role"
            value = "reader"
            grants = [{ domain = "*", role = "read" }]
            "#,
        )
        .unwrap()
    }

    fn judged(claims: &str) -> Result<OidcSubject, TokenFault> {
        judge(&config(), &serde_json::from_str(claims).unwrap(), NOW)
    }

    #[test]
    fn times_have_a_minute_of_leeway() {
        let check = |times: &str, expected: Result<(), TokenFault>| {
            let claims = format!(r#"{{"sub": "s", {times}}}"#);
            assert_eq!(judged(&claims).map(drop), expected, "{times}");
        };
        let (early, late, claims) = (TokenFault::Early, TokenFault::Expired, TokenFault::Claims);
        check(r#""exp": 1800000000"#, Ok(()));
        check(r#""exp": 1799999941"#, Ok(()));
        check(r#""exp": 1799999941.9"#, Ok(()));
        check(r#""exp": 1799999940"#, Err(late));
        check(r#""exp": 0"#, Err(late));
        check(r#""exp": 18446744073709551615"#, Ok(()));
        for name in ["nbf", "iat"] {
            let with = |value: &str| format!(r#""exp": 1900000000, "{name}": {value}"#);
            check(&with("1800000060"), Ok(()));
            check(&with("1800000061"), Err(early));
            check(&with("\"1800000000\""), Err(claims));
            check(&with("null"), Err(claims));
        }
        for exp in ["\"1900000000\"", "-1", "1e300", "null", "[]"] {
            check(&format!(r#""exp": {exp}"#), Err(claims));
        }
        check(r#""iat": 1"#, Err(claims));
    }

    #[test]
    fn there_is_a_subject_of_some_length() {
        let check = |subject: &str, expected: bool| {
            let claims = format!(r#"{{"exp": 1900000000, "sub": {subject}}}"#);
            assert_eq!(judged(&claims).is_ok(), expected, "{subject}");
        };
        check("\"s\"", true);
        check(&format!("{:?}", "x".repeat(255)), true);
        check(&format!("{:?}", "x".repeat(256)), false);
        check("\"\"", false);
        check("\"a\\nb\"", false);
        check("7", false);
        assert!(judged(r#"{"exp": 1900000000}"#).is_err());
    }

    #[test]
    fn claims_are_worth_what_the_rules_say() {
        let check = |claims: &str, expected: &[&str]| {
            let claims = format!(r#"{{"exp": 1900000000, "sub": "s", {claims}}}"#);
            let grants = judged(&claims).unwrap().grants;
            let grants: Vec<_> = grants.iter().map(ToString::to_string).collect();
            assert_eq!(grants, expected, "{claims}");
        };
        check(r#""groups": "writers""#, &["default:write"]);
        check(r#""groups": ["readers", "writers"]"#, &["default:write"]);
        check(r#""groups": "writers readers""#, &[]);
        check(r#""groups": {"writers": true}"#, &[]);
        check(r#""groups": [["writers"]]"#, &[]);
        check(
            r#""realm_access": {"roles": ["admin"]}"#,
            &["*:administer", "default:write"],
        );
        let both = r#""groups": "writers", "realm_access": {"roles": ["admin"]}"#;
        check(both, &["default:write", "*:administer"]);
        check(r#""realm_access": ["roles", "admin"]"#, &[]);
        check(r#""realm_access.roles": ["admin"]"#, &[]);
        check(r#""scope": "openid anchor""#, &["*:anchor"]);
        check(r#""scope": "anchors""#, &[]);
        check(r#""https://kiln.example/role": "reader""#, &["*:read"]);
        check(r#""other": 1"#, &[]);
    }
}
