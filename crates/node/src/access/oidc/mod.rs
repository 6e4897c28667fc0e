//! OpenID Connect: tokens of configured issuers as credentials.
//!
//! A token is a credential if it is signed by a key that its issuer publishes, with an algorithm
//! that is listed for the issuer, is meant for this node and is valid now. What it is worth follows
//! from its claims.
//!
//! **Source:** RFC 7519 (claims), RFC 7515 (signatures), RFC 8725 (what goes wrong), OpenID Connect
//! Discovery 1.0.

mod claims;
mod keys;
mod source;

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::Grant;
use crate::oidc_config::{OidcConfig, TokenAlgorithm};
use keys::Wanted;
use source::KeySource;

pub use source::KeyFetchError;

/// The longest token that is looked at, in bytes. A header has 16 KiB in all.
const TOKEN_BYTES_MAX: usize = 12 << 10;

/// The issuers whose tokens are credentials here. Cheap to clone.
#[derive(Clone)]
pub struct OidcIssuers(Arc<Vec<Issuer>>);

struct Issuer {
    config: OidcConfig,
    keys: Arc<KeySource>,
}

/// Whom a token stands for, and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSubject {
    /// The issuer (`iss`).
    pub issuer: String,
    /// The subject (`sub`), which is unique at the issuer.
    pub subject: String,
    /// What its claims give; may be empty.
    pub grants: Vec<Grant>,
}

/// Why a token is no credential. No part of the token is in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OidcError {
    /// It is not, and will not be.
    #[error("the token is not valid: {0}")]
    Invalid(TokenFault),
    /// Nobody knows: the issuer's keys cannot be had. Good to try again.
    #[error("the keys of {issuer} cannot be fetched")]
    Unavailable {
        /// The issuer.
        issuer: String,
        /// Why.
        #[source]
        cause: KeyFetchError,
    },
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// It is no signed token (JWS in compact form).
    #[error("it is not a signed JWT")]
    Form,
    /// Its issuer is none of ours.
    #[error("its issuer is not known here")]
    Issuer,
    /// Its algorithm is not listed for the issuer.
    #[error("its algorithm is not accepted from this issuer")]
    Algorithm,
    /// Its header asks for extensions that must be understood (`crit`).
    #[error("it needs extensions that are not known here")]
    Extensions,
    /// It names a key that its issuer does not have, or the key is for another algorithm.
    #[error("its key is none of its issuer's")]
    UnknownKey,
    /// No key of the issuer made its signature.
    #[error("its signature is not by a key of its issuer")]
    Signature,
    /// It is for somebody else.
    #[error("it is not meant for this node (aud)")]
    Audience,
    /// Its time is over (`exp`).
    #[error("it has expired")]
    Expired,
    /// Its time has not come (`nbf`, `iat`).
    #[error("it is not valid yet")]
    Early,
    /// `exp` or `sub` is missing, or a claim has a wrong type.
    #[error("its claims are incomplete or malformed (exp, nbf, iat, sub)")]
    Claims,
}

impl OidcIssuers {
    /// The configured issuers. Nothing is fetched before the first token.
    ///
    /// # Errors
    /// When no HTTP client can be set up.
    pub fn new(configured: &[OidcConfig]) -> Result<Self, reqwest::Error> {
        let issuer = |config: &OidcConfig| {
            Ok(Issuer {
                keys: Arc::new(KeySource::new(config)?),
                config: config.clone(),
            })
        };
        let issuers: Result<_, reqwest::Error> = configured.iter().map(issuer).collect();
        Ok(Self(Arc::new(issuers?)))
    }

    /// Whether the text has the form of a token, and not that of any other credential.
    #[must_use]
    pub fn is_token(text: &str) -> bool {
        text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Whom a token stands for at the time `now_s` (seconds since the epoch). May ask the issuer for
    /// its keys, which takes some seconds at worst; may be cancelled at any time.
    ///
    /// # Errors
    /// [`OidcError`]
    pub async fn authenticate(&self, token: &str, now_s: u64) -> Result<OidcSubject, OidcError> {
        let invalid = OidcError::Invalid;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid(TokenFault::Form));
        }
        // `none` is no algorithm that the library knows, so such a header is not even read.
        let header = decode_header(token).map_err(|_| invalid(TokenFault::Form))?;
        if header.crit.is_some() {
            return Err(invalid(TokenFault::Extensions));
        }
        // Not believed: it only says whose keys are to be tried, and is looked at again with them.
        let claimed: ClaimedIssuer = jsonwebtoken::dangerous::insecure_decode(token)
            .map_err(|_| invalid(TokenFault::Form))?
            .claims;
        let mut issuers = self.0.iter();
        let issuer = issuers
            .find(|it| it.config.issuer == claimed.iss)
            .ok_or(invalid(TokenFault::Issuer))?;
        if !issuer.accepts(header.alg) {
            return Err(invalid(TokenFault::Algorithm));
        }
        let wanted = Wanted {
            id: header.kid,
            algorithm: header.alg,
        };
        let keys = issuer.keys.keys(&wanted).await;
        let keys = keys.map_err(|cause| OidcError::Unavailable {
            issuer: issuer.config.issuer.clone(),
            cause,
        })?;
        if keys.fitting(&wanted).is_empty() {
            return Err(invalid(TokenFault::UnknownKey));
        }
        let (config, token) = (issuer.config.clone(), token.to_owned());
        // A signature is checked in some hundred microseconds, which is too long for a reactor.
        let judged = tokio::task::spawn_blocking(move || {
            let claims = verified(&config, &keys.fitting(&wanted), &token, wanted.algorithm)?;
            claims::judge(&config, &claims, now_s)
        });
        let judged = judged.await.unwrap_or(Err(TokenFault::Form));
        judged.map_err(invalid)
    }
}

impl fmt::Debug for OidcIssuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers = self.0.iter().map(|it| &it.config.issuer);
        f.debug_list().entries(issuers).finish()
    }
}

#[derive(Deserialize)]
struct ClaimedIssuer {
    iss: String,
}

impl Issuer {
    fn accepts(&self, algorithm: Algorithm) -> bool {
        let mut listed = self.config.algorithms.iter();
        listed.any(|it| algorithm_of(*it) == algorithm)
    }
}

/// The claims of a token, if one of the keys signed it for this node.
fn verified(
    config: &OidcConfig,
    keys: &[&jsonwebtoken::DecodingKey],
    token: &str,
    algorithm: Algorithm,
) -> Result<Map<String, Value>, TokenFault> {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    // Times are judged in `claims`, by the clock that is passed in.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let mut fault = TokenFault::Signature;
    for key in keys {
        match decode(token, key, &validation) {
            Ok(decoded) => return Ok(decoded.claims),
            Err(error) => match fault_of(&error) {
                TokenFault::Signature => {}
                other => fault = other,
            },
        }
    }
    Err(fault)
}

fn fault_of(error: &jsonwebtoken::errors::Error) -> TokenFault {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::InvalidIssuer => TokenFault::Issuer,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => TokenFault::Audience,
        ErrorKind::MissingRequiredClaim(_)
        | ErrorKind::InvalidClaimFormat(_)
        | ErrorKind::Json(_)
        | ErrorKind::Utf8(_) => TokenFault::Claims,
        _ => TokenFault::Signature,
    }
}

fn algorithm_of(listed: TokenAlgorithm) -> Algorithm {
    match listed {
        TokenAlgorithm::RS256 => Algorithm::RS256,
        TokenAlgorithm::RS384 => Algorithm::RS384,
        TokenAlgorithm::RS512 => Algorithm::RS512,
        TokenAlgorithm::PS256 => Algorithm::PS256,
        TokenAlgorithm::PS384 => Algorithm::PS384,
        TokenAlgorithm::PS512 => Algorithm::PS512,
        TokenAlgorithm::ES256 => Algorithm::ES256,
        TokenAlgorithm::ES384 => Algorithm::ES384,
        TokenAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}
