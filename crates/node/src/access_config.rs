//! `[access]`: who may do what, as far as the configuration says it.

use serde::{Deserialize, Serialize};

use crate::access::{AnonymousPolicy, Grant, Scope};
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
    /// What is to be said of grants in domains that the node does not have: mistyped ones, as often as
    /// not, but a domain can be added while the node runs.
    pub(crate) fn strange_grants(&self, has_domain: impl Fn(&str) -> bool) -> Vec<String> {
        let certificates = self.certificates.iter().map(|certificate| {
            let place = format!("access.certificate.grants (name {:?})", certificate.name);
            (place, &certificate.grants)
        });
        let tokens = self.oidc.iter().flat_map(|issuer| {
            let place = format!("access.oidc.rule (issuer {:?})", issuer.issuer);
            let rules = issuer.rules.iter();
            rules.map(move |rule| (place.clone(), &rule.grants))
        });
        let mut lines = Vec::new();
        for (place, grants) in certificates.chain(tokens) {
            for grant in grants {
                if let Scope::Domain(domain) = &grant.domain
                    && !has_domain(domain.as_str())
                {
                    lines.push(format!(
                        "{place}: {grant} gives nothing, because this node has no domain {domain}, \
                         unless one is added with `kiln admin domains add`"
                    ));
                }
            }
        }
        lines
    }

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
        match self.grants.iter().find_map(Grant::trouble) {
            Some(trouble) => refuse("grants", &trouble),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_in_domains_that_are_not_there_are_told() {
        let text = r#"
            [[certificate]]
            name = "lab"
            san = "dns:lab.example"
            grants = [{ domain = "here", role = "read" }, { domain = "nosuch", role = "write" }]
            [[oidc]]
            issuer = "https://id.example"
            audience = "kiln"
            [[oidc.rule]]
            claim = "groups"
            value = "writers"
            grants = [{ domain = "*", role = "read" }]
            [[oidc.rule]]
            claim = "groups"
            value = "others"
            grants = [{ domain = "neither", role = "read" }]
        "#;
        let config: AccessConfig = toml::from_str(text).unwrap();
        config.validate().unwrap();
        let lines = config.strange_grants(|name| name == "here");
        let [certificate, token] = &lines[..] else {
            panic!("{lines:?}");
        };
        for part in ["access.certificate", "\"lab\"", "nosuch:write"] {
            assert!(certificate.contains(part), "{certificate}");
        }
        for part in ["access.oidc.rule", "https://id.example", "neither:read"] {
            assert!(token.contains(part), "{token}");
        }
    }
}
