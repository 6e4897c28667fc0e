//! The certificate of the listener.

use prometheus::core::Collector;

use super::sampled::{Family, Kind, sampled};
use crate::tls::Tls;

const FAMILIES: &[Family] = &[
    Family {
        name: "kiln_tls_certificate_end_timestamp_seconds",
        help: "When the certificate in use ends, in seconds since the epoch.",
        kind: Kind::Gauge,
        labels: &[],
    },
    Family {
        name: "kiln_tls_certificate_loaded_timestamp_seconds",
        help: "When the certificate in use was loaded, in seconds since the epoch.",
        kind: Kind::Gauge,
        labels: &[],
    },
    Family {
        name: "kiln_tls_files_refused",
        help: "1 while the files of certificate and key cannot be used and the old ones are.",
        kind: Kind::Gauge,
        labels: &[],
    },
];

/// The collector.
pub(crate) fn collector(tls: &Tls) -> prometheus::Result<Box<dyn Collector>> {
    let tls = tls.clone();
    sampled(FAMILIES, move |samples| {
        let state = tls.state();
        let end = state.not_after_ms / 1000;
        samples.set("kiln_tls_certificate_end_timestamp_seconds", &[], end);
        let loaded = state.loaded_ms / 1000;
        samples.set("kiln_tls_certificate_loaded_timestamp_seconds", &[], loaded);
        let is_refused = u64::from(state.refused.is_some());
        samples.set("kiln_tls_files_refused", &[], is_refused);
    })
}
