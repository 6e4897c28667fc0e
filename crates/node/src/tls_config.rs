//! `[tls]`: certificates of the listener, and of clients.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// `[tls]`; without a certificate the node speaks plain HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM file with the node's certificate, then those between it and a well-known authority.
    pub certificate: PathBuf,
    /// PEM file with its private key. Not trusted if others than owner and group may read it.
    pub key: PathBuf,
    /// PEM file with the authorities that vouch for clients.
    pub client_ca: PathBuf,
    /// Whether clients show a certificate.
    pub client: ClientCertificates,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    None,
    /// They are asked; one that is shown must be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

impl TlsConfig {
    /// Whether the node speaks TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !is_empty(&self.certificate)
    }

    /// Refuses settings that do not go together.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let require = |holds: bool, text: &str| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError::Invalid(text.to_owned()))
            }
        };
        require(
            is_empty(&self.certificate) == is_empty(&self.key),
            "tls.certificate and tls.key go together: set both, or neither for plain HTTP",
        )?;
        require(
            self.is_on() || is_empty(&self.client_ca),
            "tls.client_ca needs tls.certificate and tls.key",
        )?;
        require(
            is_empty(&self.client_ca) == (self.client == ClientCertificates::None),
            "tls.client_ca and tls.client go together: name the authorities that vouch for \
             clients, and set client = \"optional\" or \"required\"",
        )
    }
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}
