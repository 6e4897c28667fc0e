//! `kiln admin status`.

use serde_json::{Map, Value};

use super::AdminNode;
use crate::exit::{Exit, Outcome};
use crate::output::{self, Form, Output, count, printable};

pub(super) const HELP: &str = "\
Examples:
  kiln admin status --data /srv/kiln
  kiln admin status --json

Ends with 1 when a part of the node cannot serve.";

pub(super) async fn run(node: &AdminNode, output: Output) -> Outcome {
    let mut status = node.get("status").await?;
    let parts = status.get("parts").and_then(Value::as_object).cloned();
    let parts = parts.unwrap_or_default();
    let mut of_parts = Map::new();
    for name in parts.keys() {
        let part = node.get(&format!("{name}/status")).await?;
        of_parts.insert(name.clone(), part);
    }
    let ready = status.get("ready").and_then(Value::as_bool) == Some(true);
    if let Some(status) = status.as_object_mut() {
        status.insert("of".to_owned(), Value::Object(of_parts.clone()));
    }
    match output.form {
        Form::Json => output::json(&status)?,
        Form::Text => {
            for (word, text) in rows(&status, &of_parts) {
                output::line(&format!("{word:12}{}", printable(&text)))?;
            }
        }
    }
    Ok(if ready { Exit::Done } else { Exit::Negative })
}

fn rows(status: &Value, of_parts: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |key: &str| shown(status.get(key));
    let mut rows = vec![
        ("version".to_owned(), text("version")),
        ("serves".to_owned(), text("address")),
        (
            "up".to_owned(),
            duration(status.get("uptimeS").and_then(Value::as_u64).unwrap_or(0)),
        ),
    ];
    let parts = status.get("parts").and_then(Value::as_object);
    for (name, state) in parts.into_iter().flatten() {
        rows.push((name.clone(), shown(Some(state))));
    }
    rows.push(("writes".to_owned(), super::read_only::words(status)));
    for domain in status
        .get("domains")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = shown(domain.get("name"));
        let is_disabled = domain.get("disabled").and_then(Value::as_bool) == Some(true);
        let mut words = Vec::new();
        if is_disabled {
            words.push("disabled".to_owned());
        }
        if let Some(bricks) = of(of_parts, "bricks", &name) {
            let number = |key: &str| bricks.get(key).and_then(Value::as_u64).unwrap_or(0);
            words.push(format!(
                "{}, {}",
                count(number("bricks"), "brick"),
                bytes(number("bytes"))
            ));
        }
        if let Some(anchors) = of(of_parts, "anchors", &name) {
            words.extend(anchors_words(anchors));
        }
        rows.push(("domain".to_owned(), format!("{name}: {}", words.join("; "))));
    }
    rows
}

fn of<'a>(of_parts: &'a Map<String, Value>, part: &str, domain: &str) -> Option<&'a Value> {
    of_parts.get(part)?.get("domains")?.get(domain)
}

fn anchors_words(anchors: &Value) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(total) = anchors.get("anchors").and_then(Value::as_u64) {
        words.push(count(total, "anchor"));
    }
    let number = |of: &Value, key: &str| of.get(key).and_then(Value::as_u64);
    if let Some(log) = anchors.get("log").filter(|log| !log.is_null()) {
        let (entries, signed) = (number(log, "entries"), number(log, "signed"));
        let (entries, signed) = (entries.unwrap_or(0), signed.unwrap_or(0));
        let origin = shown(log.get("origin"));
        words.push(format!(
            "log {origin}, {signed} of {entries} entries signed"
        ));
        for (key, what) in [("trouble", "log not signed"), ("publisherTrouble", "chain")] {
            if let Some(told) = log.get(key).and_then(Value::as_str) {
                words.push(format!("{what}: {told}"));
            }
        }
    }
    if let Some(outbox) = anchors.get("outbox").filter(|outbox| !outbox.is_null()) {
        let waiting = number(outbox, "entries").unwrap_or(0);
        let age = number(outbox, "oldestAgeS").map(duration);
        let age = age.map_or_else(String::new, |age| format!(" for {age}"));
        words.push(format!("outbox: {waiting} waiting{age}"));
    }
    words
}

/// A value without the quotes of a text.
pub(super) fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

/// A number of bytes as people read it.
pub(super) fn bytes(bytes: u64) -> String {
    let mut unit = 0;
    let mut shown = bytes;
    while shown >= 10 << 10 && unit < 4 {
        shown >>= 10;
        unit += 1;
    }
    let unit = ["bytes", "KiB", "MiB", "GiB", "TiB"]
        .get(unit)
        .unwrap_or(&"");
    format!("{shown} {unit}")
}

fn duration(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (rest / 3600, rest % 3600 / 60, rest % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_in_units_that_people_read() {
        for (number, expected) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 KiB"),
            (5 << 30, "5120 MiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(bytes(number), expected);
        }
        for (number, expected) in [
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3_600, "1 h 0 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(number), expected);
        }
    }
}
