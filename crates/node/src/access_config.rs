//! `[access]`: who may do what, as far as the configuration says it.

use serde::{Deserialize, Serialize};

use crate::access::{AnonymousPolicy, Grant};
use crate::config::ConfigError;
use crate::oidc_config::OidcConfig;
use crate::peer::{ClientCertificate, Fingerprint};

/// `[access]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// What callers without a credential may do in domains that do not say it themselves.
    pub anonymous: AnonymousPolicy,
    /// Clients by their certificates; the first that fits counts.
    #[serde(rename = "certificate")]
    pub certificates: Vec<CertificateConfig>,
    /// Issuers whose tokens are credentials.
    pub oidc: Vec<OidcConfig>,
}

/// `[[access.certificate]]`: a client that shows a certificate of an authority in `tls.client_ca`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// How the client is called in the audit log.
    pub name: String,
    /// One of its alternative names, with its kind: `dns:…`, `uri:…`, `email:…` or `ip:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san: Option<String>,
    /// The SHA-256 of the certificate in hex, with or without colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// What it may do.
    pub grants: Vec<Grant>,
}

impl AccessConfig {
    /// Refuses settings that do not go together.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        for certificate in &self.certificates {
            certificate.validate()?;
        }
        for (index, issuer) in self.oidc.iter().enumerate() {
            issuer.validate()?;
            let mut before = self.oidc.iter().take(index);
            if before.any(|it| it.issuer == issuer.issuer) {
                let text = format!("access.oidc.issuer {:?} stands twice", issuer.issuer);
                return Err(ConfigError::Invalid(text));
            }
        }
        Ok(())
    }
}

impl CertificateConfig {
    /// Whether the certificate is the one that is meant.
    #[must_use]
    pub fn means(&self, shown: &ClientCertificate) -> bool {
        match (&self.san, &self.fingerprint) {
            (Some(san), None) => shown.names.contains(san),
            (None, Some(fingerprint)) => shown.fingerprint == *fingerprint,
            _ => false,
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, text: &str| {
            let text = format!("access.certificate.{key} (name {:?}): {text}", self.name);
            Err(ConfigError::Invalid(text))
        };
        if self.name.is_empty() || self.name.contains(char::is_control) {
            return refuse("name", "must be a name for the audit log");
        }
        if self.san.is_some() == self.fingerprint.is_some() {
            return refuse("san", "set either san or fingerprint");
        }
        let kinds = ["dns:", "uri:", "email:", "ip:"];
        if let Some(san) = &self.san
            && !kinds.iter().any(|kind| san.starts_with(kind))
        {
            return refuse("san", "must begin with dns:, uri:, email: or ip:");
        }
        if self.grants.is_empty() {
            return refuse(
                "grants",
                "must hold one { domain = \"…\", role = \"…\" } at least",
            );
        }
        Ok(())
    }
}
