//! The rules of anchoring, told a second time: which status a write must get.

use crate::ssi::Ssi;
use crate::write::Write;

/// The status of writing the wrapped `value` to the wrapped `id`, whose domain
/// is served, given the versions that the node holds, oldest first (keyssi
/// §6.2, §6.4 and §6.5; http-api §3, what ours answers).
pub(crate) fn write_status(write: Write, id: &str, value: &str, history: &[String]) -> u16 {
    let (Some(id), Some(value)) = (Ssi::unwrap(id), Ssi::unwrap(value)) else {
        return 400;
    };
    if !id.is_anchor_id() || !id.takes(&value) {
        return 400;
    }
    let last = history.last().and_then(|it| Ssi::unwrap(it));
    match (write, last) {
        (Write::Create, None) if value.time().is_some_and(is_odd_creation_time) => 400,
        (Write::Create, Some(_)) => 409,
        (Write::Create, None) if !id.is_constant() && !id.signed(history, &value) => 400,
        (Write::Append, _) if id.is_constant() => 400,
        (Write::Append, None) => 404,
        (Write::Append, Some(last)) if value.is_older_than(&last) => 409,
        (Write::Append, Some(_)) if !id.signed(history, &value) => 428,
        _ => 201,
    }
}

/// Whether a time is not 13 decimal digits, as the first value's must be.
pub(crate) fn is_odd_creation_time(time: &str) -> bool {
    time.len() != 13 || !time.bytes().all(|it| it.is_ascii_digit())
}
