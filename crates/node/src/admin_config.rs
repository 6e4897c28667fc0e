//! `[admin]`: the listener of the operator.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address and port; port 0 takes a free one, which `kiln admin` finds in the data folder; empty
    /// for no such listener.
    #[serde(with = "address_text")]
    pub listen: Option<SocketAddr>,
    /// Further names under which operators reach the listener (`Host` header), without ports.
    pub hosts: Vec<String>,
}

impl Default for AdminConfig {
    /// Loopback and a free port, so that any number of nodes starts on one machine.
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            hosts: Vec::new(),
        }
    }
}

impl AdminConfig {
    /// Refuses an address where the token would cross a network in clear.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        match self.listen {
            Some(listen) if !listen.ip().is_loopback() => Err(ConfigError::Invalid(format!(
                "admin.listen {listen} is reachable from other machines, and the token would cross \
                 the network in clear; listen on 127.0.0.1 and reach it through ssh -L or kubectl \
                 port-forward"
            ))),
            _ => Ok(()),
        }
    }
}

mod address_text {
    //! An address as text, empty for none.

    use std::net::SocketAddr;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        address: &Option<SocketAddr>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => to.collect_str(address),
            None => to.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| {
            serde::de::Error::custom(format!(
                "{text:?} is no socket address; give an IP address and a port, such as \
                 \"127.0.0.1:8081\", port 0 for a free one, \"\" for no admin listener"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AdminConfig, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn the_listener_is_on_loopback_unless_told_and_empty_means_none() {
        let default = parse("").unwrap();
        assert!(default.listen.is_some_and(|it| it.ip().is_loopback()));
        assert_eq!(parse("listen = \"\"").unwrap().listen, None);
        let fixed = parse("listen = \"[::1]:8081\"").unwrap();
        fixed.validate().unwrap();
        assert_eq!(parse(&toml::to_string(&fixed).unwrap()).unwrap(), fixed);
        let none = AdminConfig {
            listen: None,
            ..default
        };
        assert_eq!(parse(&toml::to_string(&none).unwrap()).unwrap(), none);
    }

    #[test]
    fn mistakes_are_named_with_what_is_allowed() {
        let error = parse("listen = \"8081\"").unwrap_err().to_string();
        assert!(error.contains("127.0.0.1:8081"), "{error}");
        let open = parse("listen = \"0.0.0.0:8081\"").unwrap();
        let error = open.validate().unwrap_err().to_string();
        assert!(error.contains("admin.listen 0.0.0.0:8081"), "{error}");
    }
}
