//! Which form of a block a request to the gateway asks for.
//!
//! **Source:** <https://specs.ipfs.tech/http-gateways/trustless-gateway/>, Request Headers and
//! Request Query Parameters.

use http::{HeaderMap, StatusCode, header};
use node::ApiError;

/// A form in which a block can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// The bytes of the block.
    Raw,
    /// An archive of the block.
    Car,
}

/// The form asked for: by the parameter `format`, else by `Accept`.
///
/// # Errors
/// 406 for another form, 400 when none is asked for.
pub(crate) fn asked_for(query: &str, headers: &HeaderMap) -> Result<Format, ApiError> {
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    };
    let format = match parameter("format") {
        Some(text) => {
            let format = [Format::Raw, Format::Car]
                .into_iter()
                .find(|format| format.parameter() == text);
            format.ok_or_else(not_acceptable)?
        }
        None => accepted(headers)?,
    };
    let version = parameter("car-version").is_none_or(|version| version == "1");
    let order = parameter("car-order").is_none_or(is_our_order);
    if format == Format::Car && !(version && order) {
        return Err(not_acceptable());
    }
    Ok(format)
}

impl Format {
    /// Its value of the parameter `format`.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Car => "car",
        }
    }

    /// The form of a media range that we can give: `None` for others and for wildcards, which ask
    /// for no form that could be verified.
    fn of_range(range: &str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next()?;
        if kind.eq_ignore_ascii_case(car::RAW_MEDIA_TYPE) {
            return Some(Self::Raw);
        }
        let is_ours = kind.eq_ignore_ascii_case(car::MEDIA_TYPE)
            && parts.all(|part| match part.split_once('=') {
                Some(("version", version)) => version == "1",
                Some(("order", order)) => is_our_order(order),
                _ => true,
            });
        is_ours.then_some(Self::Car)
    }
}

/// One block is in every order.
fn is_our_order(order: &str) -> bool {
    matches!(order, "dfs" | "unk" | "")
}

/// The accepted form of the highest weight, the first of equal ones.
fn accepted(headers: &HeaderMap) -> Result<Format, ApiError> {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return Err(ApiError::bad_request(format!(
            "say in which form the block is wanted: {FORMS}"
        )));
    }
    let ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    let mut best: Option<(u16, Format)> = None;
    for range in ranges {
        let weight = weight(range);
        let Some(format) = Format::of_range(range).filter(|_| weight > 0) else {
            continue;
        };
        if best.is_none_or(|(highest, _)| weight > highest) {
            best = Some((weight, format));
        }
    }
    best.map(|(_, format)| format).ok_or_else(not_acceptable)
}

/// The weight of a media range (RFC 9110 §12.4.2) in thousandths.
fn weight(range: &str) -> u16 {
    let mut parts = range.split(';').skip(1).map(str::trim);
    let Some(text) = parts.find_map(|part| part.strip_prefix("q=")) else {
        return 1000;
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let thousandths: u16 = format!("{fraction:0<3.3}").parse().unwrap_or(0);
    match whole {
        "0" => thousandths.min(999),
        "1" => 1000,
        _ => 0,
    }
}

const FORMS: &str = "?format=raw or ?format=car, or Accept: application/vnd.ipld.raw or \
    application/vnd.ipld.car";

fn not_acceptable() -> ApiError {
    ApiError::new(
        StatusCode::NOT_ACCEPTABLE,
        format!("a brick is given as {FORMS} (version 1), and in no other form"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "application/vnd.ipld.raw";
    const CAR: &str = "application/vnd.ipld.car";

    fn ask(query: &str, accept: &[&str]) -> Option<Format> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        asked_for(query, &headers).ok()
    }

    #[test]
    fn the_parameter_goes_before_the_header() {
        for accept in [&[][..], &["*/*"], &[RAW], &[CAR], &["text/html"]] {
            assert_eq!(ask("format=raw", accept), Some(Format::Raw));
            assert_eq!(ask("a=b&format=car&c", accept), Some(Format::Car));
            assert_eq!(ask("format=tar", accept), None);
            assert_eq!(ask("format=", accept), None);
        }
    }

    #[test]
    fn the_header_of_the_highest_weight_counts() {
        let check = |accept: &[&str], expected| assert_eq!(ask("", accept), expected, "{accept:?}");
        check(&[RAW], Some(Format::Raw));
        check(&["Application/Vnd.IPLD.Raw"], Some(Format::Raw));
        check(&["text/html, application/vnd.ipld.car"], Some(Format::Car));
        check(&["text/html", CAR], Some(Format::Car));
        let both = format!("{RAW};q=0.5, {CAR}; version=1; q=0.9");
        check(&[&both], Some(Format::Car));
        check(&[RAW, CAR], Some(Format::Raw));
        check(&[&format!("{RAW};q=0")], None);
        check(&["*/*"], None);
        check(&["application/*"], None);
        check(&[], None);
    }

    #[test]
    fn archives_of_another_kind_are_not_given() {
        let check = |parameters: &str, expected| {
            let accept = format!("{CAR}{parameters}");
            assert_eq!(ask("", &[&accept]), expected, "{accept}");
        };
        check("; version=1; order=dfs; dups=y", Some(Format::Car));
        check(";order=unk;dups=n", Some(Format::Car));
        check("; version=2", None);
        check("; order=bfs", None);
        assert_eq!(ask("format=car&car-version=1", &[]), Some(Format::Car));
        assert_eq!(ask("format=car&car-version=2", &[]), None);
        assert_eq!(ask("format=car&car-order=bfs", &[]), None);
        assert_eq!(ask("format=raw&car-version=2", &[]), Some(Format::Raw));
    }

    #[test]
    fn weights() {
        let check = |text: &str, expected| assert_eq!(weight(text), expected, "{text}");
        check("a/b", 1000);
        check("a/b;q=1", 1000);
        check("a/b; q=1.000", 1000);
        check("a/b;v=1;q=0.25", 250);
        check("a/b;q=0.001", 1);
        check("a/b;q=0", 0);
        check("a/b;q=0.0", 0);
        check("a/b;q=x", 0);
        check("a/b;q=0.x", 0);
    }
}
