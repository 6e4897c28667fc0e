//! What somebody may use: a credential, an address, a domain.

use serde::{Deserialize, Serialize};

/// What somebody may use; `None` is no limit. A day is one of the calendar, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Quotas {
    /// Requests per second in the long run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
    /// Requests at once; without it as many as per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_burst: Option<u32>,
    /// Bytes of request bodies per day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_up_per_day: Option<u64>,
    /// Bytes of answers per day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_down_per_day: Option<u64>,
    /// New bricks per day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bricks_per_day: Option<u64>,
    /// New anchors and new versions of anchors per day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors_per_day: Option<u64>,
    /// Bytes of bricks stored, in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<u64>,
    /// Bricks stored, in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_bricks: Option<u64>,
    /// Anchors, in all; of a domain only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<u64>,
    /// Versions of all anchors, in all; of a domain only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<u64>,
}

impl Quotas {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses what cannot be kept.
    ///
    /// # Errors
    /// The key, its value and what is allowed.
    pub fn validate(&self, of: Of) -> Result<(), String> {
        for (key, value) in [
            ("requests_per_second", self.requests_per_second),
            ("requests_burst", self.requests_burst),
        ] {
            if value == Some(0) {
                return Err(format!(
                    "{key} is 0, at least 1 is needed; leave it out for no limit"
                ));
            }
        }
        if self.requests_burst.is_some() && self.requests_per_second.is_none() {
            return Err("requests_burst needs requests_per_second beside it".to_owned());
        }
        if of != Of::Domain && (self.anchors.is_some() || self.versions.is_some()) {
            return Err(
                "anchors and versions are quotas of domains; for others there is anchors_per_day"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Requests at once and per second, if they are limited.
    pub(super) fn rate(&self) -> Option<(u32, u32)> {
        let per_second = self.requests_per_second?;
        Some((self.requests_burst.unwrap_or(per_second).max(1), per_second))
    }
}

/// Whose quotas they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A credential's.
    Credential,
    /// An address'.
    Address,
    /// A domain's.
    Domain,
}

/// What a store holds of a domain, of what it counts; the names are those of the quotas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// Bytes of bricks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<u64>,
    /// Bricks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_bricks: Option<u64>,
    /// Anchors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<u64>,
    /// Versions of all anchors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<u64>,
}

/// Quotas of a domain as a configuration file writes them: `requests_per_second` and not
/// `requestsPerSecond`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Quotas", deny_unknown_fields)]
pub(crate) struct DomainInConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_per_second: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_burst: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes_up_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes_down_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bricks_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchors_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_bricks: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchors: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    versions: Option<u64>,
}

/// Quotas of callers, likewise. What counts by domain only is no key of theirs.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Quotas", deny_unknown_fields)]
pub(crate) struct CallerInConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_per_second: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_burst: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes_up_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes_down_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bricks_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchors_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_bricks: Option<u64>,
    #[serde(skip)]
    anchors: Option<u64>,
    #[serde(skip)]
    versions: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_writes_them_with_underscores_and_the_api_without() {
        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        struct File {
            #[serde(with = "DomainInConfig")]
            quota: Quotas,
        }
        #[derive(Deserialize)]
        struct Callers {
            #[serde(with = "CallerInConfig")]
            quota: Quotas,
        }
        let quota = Quotas {
            requests_per_second: Some(5),
            storage_bytes: Some(1 << 40),
            versions: Some(7),
            ..Quotas::default()
        };
        let text = toml::to_string(&File { quota }).unwrap();
        assert!(text.contains("requests_per_second = 5"), "{text}");
        assert_eq!(toml::from_str::<File>(&text).unwrap().quota, quota);
        assert!(toml::from_str::<File>("[quota]\nrequest = 1").is_err());
        let callers = toml::from_str::<Callers>("[quota]\nrequests_per_second = 5").unwrap();
        assert_eq!(callers.quota.requests_per_second, Some(5));
        assert!(toml::from_str::<Callers>("[quota]\nanchors = 1").is_err());
        let json = serde_json::to_string(&quota).unwrap();
        assert_eq!(
            json,
            r#"{"requestsPerSecond":5,"storageBytes":1099511627776,"versions":7}"#
        );
        assert_eq!(serde_json::from_str::<Quotas>(&json).unwrap(), quota);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let check = |json: &str, of: Of, expected: &str| {
            let quotas: Quotas = serde_json::from_str(json).unwrap();
            let said = quotas.validate(of).err().unwrap_or_default();
            assert!(said.starts_with(expected), "{json}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{json}: {said}");
        };
        check("{}", Of::Address, "");
        check(
            r#"{"requestsPerSecond":0}"#,
            Of::Domain,
            "requests_per_second is 0",
        );
        check(r#"{"requestsBurst":9}"#, Of::Domain, "requests_burst needs");
        check(r#"{"anchors":9}"#, Of::Domain, "");
        check(r#"{"anchors":9}"#, Of::Credential, "anchors and versions");
        check(r#"{"storageBytes":0}"#, Of::Credential, "");
    }
}
