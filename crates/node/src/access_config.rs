//! `[access]`: who may do what, as far as the configuration says it.

use serde::{Deserialize, Serialize};

use crate::access::AnonymousPolicy;

/// `[access]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// What callers without a credential may do in domains that do not say it themselves.
    pub anonymous: AnonymousPolicy,
}
