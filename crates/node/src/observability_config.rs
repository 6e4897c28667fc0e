//! What an operator can see of a node: `[metrics]`, `[log]` and `[otlp]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// `[metrics]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Where `/metrics` is served: nowhere (empty), on the admin listener (`admin`), or on a
    /// listener of its own (address and port; port 0 takes a free one). Never where wallets ask.
    pub listen: MetricsListen,
    /// Allows an address beyond loopback: whoever reaches it reads how much is stored in which
    /// domain, without a credential and without TLS.
    pub plaintext_beyond_loopback: bool,
}

/// Where `/metrics` is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MetricsListen {
    /// Nowhere.
    #[default]
    Off,
    /// On the admin listener, to those whom it lets in.
    Admin,
    /// On a listener of its own, which takes nothing else.
    At(SocketAddr),
}

/// `[log]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestLogConfig {
    /// One line per request at INFO; else it is there at DEBUG.
    pub requests: bool,
}

/// `[otlp]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpConfig {
    /// Where traces are sent, by OTLP over HTTP (`http://127.0.0.1:4318/v1/traces`); empty sends
    /// none.
    pub endpoint: String,
    /// Which part of the requests that bring no trace of their own is traced: 0.0 to 1.0. A request
    /// that brings one is traced if its sender traces it.
    pub sample_ratio: f64,
    /// File with headers for the collector, `name: value`, one on a line; mode 0600, it may hold a
    /// token. Empty sends none.
    pub headers_file: PathBuf,
    /// Longest time for one sending, in milliseconds; a stop waits a second at most for the last.
    pub timeout_ms: u64,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            sample_ratio: 1.0,
            headers_file: PathBuf::new(),
            timeout_ms: 2_000,
        }
    }
}

impl MetricsConfig {
    /// `has_admin` tells that there is an admin listener.
    pub(crate) fn validate(&self, has_admin: bool) -> Result<(), ConfigError> {
        match self.listen {
            MetricsListen::Admin if !has_admin => Err(ConfigError::Invalid(
                "metrics.listen is \"admin\" and there is no admin listener; set admin.listen, or \
                 give metrics.listen an address of its own"
                    .to_owned(),
            )),
            MetricsListen::At(address)
                if !address.ip().is_loopback() && !self.plaintext_beyond_loopback =>
            {
                Err(ConfigError::Invalid(format!(
                    "metrics.listen {address} is reachable from other machines and asks nobody who \
                     they are; listen on 127.0.0.1, or set metrics.plaintext_beyond_loopback = true \
                     if only those reach it who may know how much is stored in which domain"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl OtlpConfig {
    /// Whether traces are sent anywhere.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.endpoint.is_empty()
    }

    /// See [`OtlpConfig::timeout_ms`].
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |text: String| Err(ConfigError::Invalid(text));
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return invalid(format!(
                "otlp.sample_ratio {} must be between 0.0 and 1.0",
                self.sample_ratio
            ));
        }
        if !(1..=60_000).contains(&self.timeout_ms) {
            return invalid(format!(
                "otlp.timeout_ms {} must be between 1 and 60000",
                self.timeout_ms
            ));
        }
        if !self.is_on() {
            return Ok(());
        }
        match reqwest::Url::parse(&self.endpoint) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                invalid("otlp.endpoint must begin with http:// or https://".to_owned())
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => invalid(
                "otlp.endpoint must not hold a password; put an authorization header into \
                 otlp.headers_file"
                    .to_owned(),
            ),
            Ok(_) => Ok(()),
            // The text is not repeated: it may hold a token.
            Err(error) => invalid(format!(
                "otlp.endpoint is no URL ({error}); an example: http://127.0.0.1:4318/v1/traces"
            )),
        }
    }
}

impl TryFrom<String> for MetricsListen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "" => Ok(Self::Off),
            "admin" => Ok(Self::Admin),
            address => address.parse().map(Self::At).map_err(|_| {
                format!(
                    "metrics.listen \"{address}\" must be empty, \"admin\", or an IP address with a \
                     port, such as 127.0.0.1:9090"
                )
            }),
        }
    }
}

impl From<MetricsListen> for String {
    fn from(listen: MetricsListen) -> Self {
        match listen {
            MetricsListen::Off => Self::new(),
            MetricsListen::Admin => "admin".to_owned(),
            MetricsListen::At(address) => address.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_metrics_are_served_is_read_and_written_alike() {
        for text in ["", "admin", "127.0.0.1:9090", "[::1]:0"] {
            let listen = MetricsListen::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(listen), text);
        }
        let refused = MetricsListen::try_from("localhost".to_owned()).unwrap_err();
        assert!(refused.contains("localhost") && refused.contains("admin"));
    }

    #[test]
    fn metrics_beyond_loopback_must_be_meant() {
        let mut config = MetricsConfig {
            listen: MetricsListen::At(([0, 0, 0, 0], 9090).into()),
            ..MetricsConfig::default()
        };
        let refused = config.validate(true).unwrap_err().to_string();
        assert!(
            refused.contains("metrics.plaintext_beyond_loopback"),
            "{refused}"
        );
        config.plaintext_beyond_loopback = true;
        config.validate(false).unwrap();
        config.listen = MetricsListen::Admin;
        assert!(config.validate(false).is_err());
        config.validate(true).unwrap();
    }

    #[test]
    fn what_cannot_be_sent_to_is_refused_and_not_repeated() {
        let check = |endpoint: &str, part: &str| {
            let config = OtlpConfig {
                endpoint: endpoint.to_owned(),
                ..OtlpConfig::default()
            };
            let refused = config.validate().unwrap_err().to_string();
            assert!(refused.contains(part), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        };
        check("ftp://secret.example", "http://");
        check("http://me:secret@collector.example", "headers_file");
        check("secret", "otlp.endpoint");
        OtlpConfig::default().validate().unwrap();
        let config = OtlpConfig {
            sample_ratio: f64::NAN,
            ..OtlpConfig::default()
        };
        assert!(config.validate().is_err());
    }
}
