//! The keys of an issuer, as it publishes them (JWK set, RFC 7517).

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Keys that are taken of a set. Issuers have two or three.
const KEYS_MAX: usize = 64;
/// Fewest characters of an RSA modulus in base64url: 2048 bits.
const RSA_MODULUS_MIN: usize = 256 * 4 / 3;

/// The usable keys of an issuer.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    verifies: DecodingKey,
}

/// What a token says of the key that signed it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The key's id.
    pub(super) id: Option<String>,
    /// What it was used for.
    pub(super) algorithm: Algorithm,
}

/// What we read of a key. What else there is does not matter.
#[derive(Deserialize)]
struct Published {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// The keys of a set that can verify signatures. Others are passed over: issuers publish keys of
    /// all kinds. `None` when it is no set of keys.
    pub(super) fn parse(set: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(set).ok()?;
        let published = set.keys.into_iter().take(KEYS_MAX);
        let published = published.filter_map(|it| serde_json::from_value(it).ok());
        Some(Self(published.filter_map(Key::of).collect()))
    }

    /// The keys that may have signed the token: the one of its id, or all if it names none.
    pub(super) fn fitting(&self, wanted: &Wanted) -> Vec<&DecodingKey> {
        let fits = |key: &&Key| {
            let named = wanted.id.is_none() || wanted.id == key.id;
            named && key.algorithms.contains(&wanted.algorithm)
        };
        self.0.iter().filter(fits).map(|it| &it.verifies).collect()
    }
}

impl Key {
    fn of(published: Published) -> Option<Self> {
        if published.usage.is_some_and(|usage| usage != "sig") {
            return None;
        }
        let curve = published.crv.as_deref();
        let (mut algorithms, key) = match (published.kty.as_str(), curve) {
            ("RSA", _) => {
                let (n, e) = (published.n?, published.e?);
                if n.len() < RSA_MODULUS_MIN {
                    return None;
                }
                let key = DecodingKey::from_rsa_components(&n, &e);
                (
                    jsonwebtoken::AlgorithmFamily::Rsa.algorithms().to_vec(),
                    key,
                )
            }
            ("EC", Some("P-256")) => {
                let key = DecodingKey::from_ec_components(&published.x?, &published.y?);
                (vec![Algorithm::ES256], key)
            }
            ("EC", Some("P-384")) => {
                let key = DecodingKey::from_ec_components(&published.x?, &published.y?);
                (vec![Algorithm::ES384], key)
            }
            ("OKP", Some("Ed25519")) => {
                let key = DecodingKey::from_ed_components(&published.x?);
                (vec![Algorithm::EdDSA], key)
            }
            _ => return None,
        };
        if let Some(only) = published.alg {
            let only = only.parse().ok();
            algorithms.retain(|it| Some(*it) == only);
        }
        Some(Self {
            id: published.kid,
            algorithms,
            verifies: key.ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &str, wanted: (Option<&str>, Algorithm), expected: usize) {
        let keys = format!(r#"{{"keys": [{keys}]}}"#);
        let wanted = Wanted {
            id: wanted.0.map(str::to_owned),
            algorithm: wanted.1,
        };
        let found = Keys::parse(keys.as_bytes()).unwrap();
        assert_eq!(found.fitting(&wanted).len(), expected, "{keys} {wanted:?}");
    }

    #[test]
    fn keys_are_used_for_what_they_are_made_for() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let edwards = |rest: &str| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"{rest}}}"#);
        check(&edwards(""), (None, Algorithm::EdDSA), 1);
        check(&edwards(""), (Some("a"), Algorithm::EdDSA), 0);
        check(&edwards(r#","kid":"a""#), (Some("a"), Algorithm::EdDSA), 1);
        check(&edwards(r#","kid":"a""#), (None, Algorithm::EdDSA), 1);
        check(&edwards(r#","kid":"a""#), (Some("b"), Algorithm::EdDSA), 0);
        check(&edwards(r#","use":"enc""#), (None, Algorithm::EdDSA), 0);
        check(&edwards(r#","use":"sig""#), (None, Algorithm::EdDSA), 1);
        check(&edwards(r#","alg":"EdDSA""#), (None, Algorithm::EdDSA), 1);
        check(&edwards(r#","alg":"RS256""#), (None, Algorithm::EdDSA), 0);
        for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::HS256] {
            check(&edwards(""), (None, algorithm), 0);
        }
        let rsa = |length| format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, "A".repeat(length));
        check(&rsa(342), (None, Algorithm::RS256), 1);
        check(&rsa(342), (None, Algorithm::PS512), 1);
        check(&rsa(342), (None, Algorithm::HS256), 0);
        check(&rsa(171), (None, Algorithm::RS256), 0);
        let secret = r#"{"kty":"oct","k":"c2VjcmV0"}"#;
        check(secret, (None, Algorithm::HS256), 0);
        // What is not known does not keep the others from being used.
        let mixed = format!(r#"7, {{}}, {secret}, {{"kty":"new"}}, {}"#, edwards(""));
        check(&mixed, (None, Algorithm::EdDSA), 1);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys": {}}"#, "<html>"] {
            assert!(Keys::parse(text.as_bytes()).is_none(), "{text}");
        }
    }
}
