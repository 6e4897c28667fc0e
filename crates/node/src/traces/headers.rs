//! The headers that a collector asks for, from a file: one may be a token.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use http::{HeaderName, HeaderValue};

/// The headers of a file; none if no file is named. The environment's `OTEL_EXPORTER_OTLP_HEADERS`
/// goes over them.
///
/// # Errors
/// When it cannot be read, is open to others, or a line is no header. No value is in any of them.
pub(super) fn read(file: &Path) -> anyhow::Result<HashMap<String, String>> {
    if file.as_os_str().is_empty() {
        return Ok(HashMap::new());
    }
    let text = crate::load_key_file(file).context("otlp.headers_file")?;
    parse(&text).with_context(|| format!("otlp.headers_file {}", file.display()))
}

fn parse(text: &str) -> anyhow::Result<HashMap<String, String>> {
    let mut headers = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let header = line.split_once(':').and_then(|(name, value)| {
            let (name, value) = (name.trim(), value.trim());
            HeaderName::try_from(name).ok()?;
            HeaderValue::try_from(value).ok()?;
            Some((name.to_owned(), value.to_owned()))
        });
        let Some((name, value)) = header else {
            anyhow::bail!("line {number} must read \"name: value\"");
        };
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_line_by_line_and_a_bad_one_is_not_repeated() {
        let headers =
            parse("# for the collector\nauthorization: Bearer a:b\n\nX-Scope: 1").unwrap();
        assert_eq!(headers["authorization"], "Bearer a:b");
        assert_eq!(headers["X-Scope"], "1");
        let error = parse("a: b\nsecret").unwrap_err().to_string();
        assert!(
            error.contains("line 2") && !error.contains("secret"),
            "{error}"
        );
    }
}
