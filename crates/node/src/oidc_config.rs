//! `[[access.oidc]]`: issuers whose tokens are credentials here, and what their claims are worth.

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::access::Grant;
use crate::config::ConfigError;

/// `[[access.oidc]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// The issuer, as it stands in tokens (`iss`). An `https` address, or `http` on loopback.
    pub issuer: String,
    /// This node, as it stands in tokens (`aud`).
    pub audience: String,
    /// Where the issuer's keys are; empty asks `<issuer>/.well-known/openid-configuration`.
    #[serde(default)]
    pub jwks_uri: String,
    /// The signatures that are accepted.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<TokenAlgorithm>,
    /// Time after which keys are fetched again, in seconds.
    #[serde(default = "keys_fresh_s")]
    pub keys_fresh_s: u64,
    /// Time after which keys are not used any more if they cannot be fetched again, in seconds.
    #[serde(default = "keys_usable_s")]
    pub keys_usable_s: u64,
    /// What claims are worth.
    #[serde(rename = "rule")]
    pub rules: Vec<ClaimRule>,
}

/// `[[access.oidc.rule]]`: tokens that say this get that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRule {
    /// The claim.
    pub claim: ClaimPath,
    /// Its value: the whole text, one of a list, or one of the words of `scope`.
    pub value: String,
    /// What it gives.
    pub grants: Vec<Grant>,
}

/// Where a claim stands: its name, or the names on the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClaimPath {
    /// At the top of the token, whatever is in the name.
    Name(String),
    /// In objects within objects.
    Path(Vec<String>),
}

/// How a token may be signed (RFC 7518 §3.1, RFC 8037). Those with a shared secret are not among
/// them, and neither is `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of RFC 7518")]
pub enum TokenAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

fn algorithms() -> Vec<TokenAlgorithm> {
    vec![
        TokenAlgorithm::RS256,
        TokenAlgorithm::ES256,
        TokenAlgorithm::EdDSA,
    ]
}

const fn keys_fresh_s() -> u64 {
    600
}

const fn keys_usable_s() -> u64 {
    6 * 3600
}

impl OidcConfig {
    /// Refuses what cannot work, or would be unsafe.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let require = |holds: bool, key: &str, text: &str| {
            let issuer = &self.issuer;
            if holds {
                Ok(())
            } else {
                let text = format!("access.oidc.{key} (issuer {issuer:?}): {text}");
                Err(ConfigError::Invalid(text))
            }
        };
        let address = "must be an https address without user, query and fragment, or an http one on \
                       loopback";
        require(is_safe(&self.issuer), "issuer", address)?;
        let keys = self.jwks_uri.as_str();
        require(keys.is_empty() || is_safe(keys), "jwks_uri", address)?;
        require(!self.audience.is_empty(), "audience", "must not be empty")?;
        require(
            !self.algorithms.is_empty(),
            "algorithms",
            "must name at least one, for example [\"RS256\"]",
        )?;
        require(
            (10..=86_400).contains(&self.keys_fresh_s),
            "keys_fresh_s",
            "must be between 10 and 86400",
        )?;
        require(
            (self.keys_fresh_s..=604_800).contains(&self.keys_usable_s),
            "keys_usable_s",
            "must be between keys_fresh_s and 604800",
        )?;
        let mut rules = self.rules.iter();
        require(
            !self.rules.is_empty() && rules.all(|rule| !rule.grants.is_empty()),
            "rule",
            "there must be one at least, each with grants = [{ domain = \"…\", role = \"…\" }]",
        )?;
        let mut grants = self.rules.iter().flat_map(|rule| &rule.grants);
        let trouble = grants.find_map(Grant::trouble);
        let text = trouble.as_deref().unwrap_or_default();
        require(trouble.is_none(), "rule", text)?;
        let mut claims = self.rules.iter().map(|rule| rule.claim.names());
        require(
            claims.all(|names| !names.is_empty()),
            "rule.claim",
            "must be a claim's name, or a list of names",
        )
    }
}

impl ClaimPath {
    /// The names on the way to the claim.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Name(name) => std::slice::from_ref(name),
            Self::Path(names) => names,
        }
    }
}

/// Whether keys that are read from this address can be believed.
pub(crate) fn is_safe(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| {
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        bare && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
    })
}

/// Whether the address is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}
