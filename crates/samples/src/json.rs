//! JSON text in the order in which it was put together.
//!
//! Written here because the bytes must not depend on the features that some other crate switches on
//! in `serde_json` (order of members), and because decimals are integers with a scale, never floats.

/// A JSON value.
#[derive(Debug, Clone)]
pub(crate) enum Json {
    Text(String),
    /// The text of a number.
    Number(String),
    Flag(bool),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

/// An object with these members.
pub(crate) fn object<const N: usize>(members: [(&'static str, Json); N]) -> Json {
    Json::Object(members.into())
}

/// A list of these values.
pub(crate) fn list<const N: usize>(values: [Json; N]) -> Json {
    Json::List(values.into())
}

/// `scaled` divided by ten to the power of `places`.
pub(crate) fn decimal(scaled: u64, places: u32) -> Json {
    Json::Number(decimal_text(scaled, places))
}

/// The text of `scaled` divided by ten to the power of `places`.
pub(crate) fn decimal_text(scaled: u64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    match usize::try_from(places) {
        Ok(width) if width > 0 => format!("{}.{:0width$}", scaled / unit, scaled % unit),
        _ => scaled.to_string(),
    }
}

impl Json {
    /// Adds a member to an object; anything else stays as it is.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        if let Json::Object(members) = &mut self {
            members.push((name, value.into()));
        }
        self
    }

    /// Appends the JSON text, without spaces.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Json::Text(text) => write_text(text, out),
            Json::Number(text) => out.push_str(text),
            Json::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Json::List(values) => write_list(values, out),
            Json::Object(members) => write_object(members, out),
        }
    }

    /// The JSON text, without spaces.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::Text(text)
    }
}

impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Json::Flag(flag)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Json::Number(number.to_string())
    }
}

impl From<Vec<Json>> for Json {
    fn from(values: Vec<Json>) -> Self {
        Json::List(values)
    }
}

fn write_list(values: &[Json], out: &mut String) {
    out.push('[');
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        value.write(out);
    }
    out.push(']');
}

fn write_object(members: &[(&'static str, Json)], out: &mut String) {
    out.push('{');
    for (place, (name, value)) in members.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_text(name, out);
        out.push(':');
        value.write(out);
    }
    out.push('}');
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => {
                let code = format!("\\u{:04x}", u32::from(control));
                out.push_str(&code);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back_with_another_parser() {
        let odd = "a \"quote\", a \\, a \n, a \u{1} and Łódź";
        let value = object([
            ("odd", odd.into()),
            ("list", list([true.into(), decimal(1005, 2), decimal(7, 0)])),
        ]);
        let read: serde_json::Value = serde_json::from_str(&value.text()).unwrap();
        assert_eq!(
            read,
            serde_json::json!({"odd": odd, "list": [true, 10.05, 7]})
        );
        assert_eq!(decimal_text(5, 1), "0.5");
    }
}
