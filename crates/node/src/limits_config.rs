//! `[limits]`: bounds on what clients may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::body::BodyLimits;
use crate::config::ConfigError;
use crate::limits::{CallerInConfig, Of, Quotas};

/// Smallest allowed limit for a brick: the SDK's default chunk and its envelope, in bytes.
pub const BRICK_BYTES_FLOOR: u64 = 10_000_064;

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Largest brick, in bytes.
    pub brick_bytes_max: u64,
    /// Largest batch of bricks in one request, in bytes; see [`LimitsConfig::batch_bytes`].
    pub batch_bytes_max: u64,
    /// Largest versionless DSU document, in bytes.
    pub document_bytes_max: u64,
    /// Largest JSON request body, in bytes.
    pub json_bytes_max: u64,
    /// Body bytes that the node holds at a time, requests and responses together.
    pub body_bytes_in_flight_max: u64,
    /// Bytes per second that a request body must reach after ten seconds.
    pub body_bytes_per_second_min: u64,
    /// Longest pause within a request body, in milliseconds.
    pub body_idle_ms_max: u64,
    /// Time for a request's header, and idle time between two requests, in milliseconds.
    pub header_ms_max: u64,
    /// Time without progress after which a response that is not read is given up, in milliseconds.
    pub write_stall_ms_max: u64,
    /// Connections open at a time; more are answered 503 and closed.
    pub connections_max: usize,
    /// Time that a stop waits for requests in flight, in milliseconds; at most 8000.
    pub stop_ms_max: u64,
    /// Bytes that stay free on the volume; a write that would go below is answered 507.
    pub free_bytes_min: u64,
    /// What callers without a credential may use: each address, and in storage all of them together.
    #[serde(with = "CallerInConfig", skip_serializing_if = "Quotas::is_unlimited")]
    pub anonymous: Quotas,
    /// What each credential may use that has no quotas of its own.
    #[serde(with = "CallerInConfig", skip_serializing_if = "Quotas::is_unlimited")]
    pub credential: Quotas,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            brick_bytes_max: 16 << 20,
            batch_bytes_max: 64 << 20,
            document_bytes_max: 4 << 20,
            json_bytes_max: 1 << 20,
            body_bytes_in_flight_max: 128 << 20,
            body_bytes_per_second_min: 1 << 10,
            body_idle_ms_max: 20_000,
            header_ms_max: 30_000,
            write_stall_ms_max: 30_000,
            connections_max: 10_000,
            stop_ms_max: 8_000,
            free_bytes_min: 64 << 20,
            anonymous: Quotas::default(),
            credential: Quotas::default(),
        }
    }
}

impl LimitsConfig {
    /// Limits of a body of at most `bytes_max` bytes.
    #[must_use]
    pub fn body(&self, bytes_max: u64) -> BodyLimits {
        BodyLimits {
            bytes_max,
            bytes_per_second_min: self.body_bytes_per_second_min,
            idle_max: Duration::from_millis(self.body_idle_ms_max),
        }
    }

    /// Largest batch of bricks that is taken: the configured limit, or half of the bytes that the
    /// node may hold where that is less, so that one batch does not stop everything else.
    #[must_use]
    pub fn batch_bytes(&self) -> u64 {
        self.batch_bytes_max.min(self.body_bytes_in_flight_max / 2)
    }

    /// Refuses values that would break a promise.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the key and the range.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let require = |holds: bool, text: String| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError::Invalid(text))
            }
        };
        require(
            self.brick_bytes_max >= BRICK_BYTES_FLOOR,
            format!(
                "limits.brick_bytes_max must be at least {BRICK_BYTES_FLOOR}: wallets send chunks of that size"
            ),
        )?;
        let largest = self.brick_bytes_max.max(self.document_bytes_max);
        require(
            self.body_bytes_in_flight_max >= largest.saturating_mul(2),
            format!(
                "limits.body_bytes_in_flight_max must hold two of the largest bodies, {largest} \
                 bytes each (limits.brick_bytes_max, limits.document_bytes_max)"
            ),
        )?;
        require(
            (1..=8_000).contains(&self.stop_ms_max),
            "limits.stop_ms_max must be between 1 and 8000: a stop ends within ten seconds"
                .to_owned(),
        )?;
        require(
            (1..=1_000_000).contains(&self.connections_max),
            "limits.connections_max must be between 1 and 1000000".to_owned(),
        )?;
        for (key, time) in [
            ("header_ms_max", self.header_ms_max),
            ("body_idle_ms_max", self.body_idle_ms_max),
            ("write_stall_ms_max", self.write_stall_ms_max),
        ] {
            require(
                (1..=3_600_000).contains(&time),
                format!("limits.{key} must be between 1 and 3600000"),
            )?;
        }
        let anonymous = self.anonymous.validate(Of::Address);
        anonymous.map_err(|error| ConfigError::Invalid(format!("limits.anonymous: {error}")))?;
        let credential = self.credential.validate(Of::Credential);
        credential.map_err(|error| ConfigError::Invalid(format!("limits.credential: {error}")))
    }
}
