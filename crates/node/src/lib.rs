//! What both services share: configuration, accept loop, limits, errors, CORS.
//!
//! A service is a [`Part`]; [`serve`] puts everything else in front of it.

mod access;
mod access_config;
mod admin;
mod admin_config;
mod allocator;
pub mod apihub;
mod body;
mod budget;
mod config;
mod config_origin;
mod connection;
mod control;
mod cors;
mod data_folder;
mod domain_config;
mod domains;
mod error;
mod folder;
mod freeze;
mod front;
mod guard;
mod key_file;
mod limits;
mod limits_config;
mod listener;
mod logging;
pub mod metrics;
mod observability_config;
mod observer;
mod oidc_config;
mod operation;
mod path;
mod peer;
mod process;
mod proxies;
mod rate;
mod read_only;
mod redact;
mod scrub_config;
mod service_entry;
mod service_manager;
mod setup;
mod socket_address;
mod system;
mod tls;
mod tls_config;
mod trace_context;
mod traces;

pub use access::{
    Access, AnonymousPolicy, Caller, Grant, GrantError, KeyFetchError, KeyId, KeyText,
    KeyTextError, Need, OidcError, OidcIssuers, OidcSubject, Principal, Right, Role, Scope,
    TokenFault,
};
pub use access_config::{AccessConfig, CertificateConfig};
pub use admin::{ScrubSwitch, admin_addresses, parse_request, record_act, scrub_routes};
pub use admin_config::AdminConfig;
pub use body::{BodyLimits, discard, hold, receive};
pub use budget::{BodyBudget, Exhausted, Share};
pub use config::{Config, ConfigError, CorsConfig, LogFormat, NodeConfig, RateLimitConfig};
pub use config_origin::{Origin, Origins, Setting};
pub use control::{
    ApiKey, AuditCheck, AuditRecord, Broken, Control, ControlError, Event, KeyRefusal, NewKey,
    check_control, control_format, copy_control, migrate_control,
};
pub use data_folder::{lock_store, note_made};
pub use domain_config::{
    AdapterConfig, AdapterKind, AnchoringKind, DomainConfig, EthAdapterConfig, EvmConfig, Fees,
    LogConfig, Openings,
};
pub use domains::{Anchoring, DomainTable, Domains};
pub use error::{ApiError, empty, json, message, raw};
pub use folder::create_folder;
pub use freeze::freeze_routes;
pub use front::{Readiness, typed_json};
pub use key_file::{
    KeyFileError, load as load_key_file, load_or_create as load_or_create_key_file,
    next as next_key_file, put_next_in_place as put_next_key_in_place,
};
pub use limits::{
    Allowance, CountingStored, Limits, Of, Quotas, Reserved, Source, StorageQuotas, Stored,
    StoredOf, UsedToday,
};
pub use limits_config::{BRICK_BYTES_FLOOR, LimitsConfig};
pub use logging::start_logging;
pub use metrics::{Metrics, Refusal};
pub use observability_config::{MetricsConfig, MetricsListen, OtlpConfig, RequestLogConfig};
pub use oidc_config::{ClaimPath, ClaimRule, OidcConfig, TokenAlgorithm};
pub use operation::{Operation, OperationOf};
pub use path::segments;
pub use peer::{ClientCertificate, Fingerprint, FingerprintError, Peer};
pub use process::{
    Callers, EXIT_FAILED, ExtraListener, Needs, OpenDomain, OpenPart, Opening, OpeningDomain, Part,
    exit_code, serve, serve_routes,
};
pub use scrub_config::ScrubConfig;
pub use service_entry::{ServiceEntry, ServiceWithHeaders};
pub use setup::{Logs, ServeArgs, Setup};
pub use system::clock_ms;
pub use tls::{RefusedFiles, Tls, TlsError, TlsState};
pub use tls_config::{ClientCertificates, TlsConfig};
