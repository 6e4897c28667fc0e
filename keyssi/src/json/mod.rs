//! JSON as JavaScript reads and writes it: `JSON.stringify(JSON.parse(text))`.
//!
//! Hints are part of what is signed and brick maps are named by their hash, so
//! both sides must agree on their text to the last character. Three things
//! differ from common libraries: numbers are doubles and print as JavaScript
//! prints them, keys that are array indices come first in ascending order, and
//! strings may hold lone surrogates.
//!
//! **Source:** keyssi specification §1.6; ECMA-262 `JSON.parse`,
//! `SerializeJSONProperty`, `QuoteJSONString`, `Number::toString`.

mod object;
mod read;
mod text;

pub use object::Object;
pub use read::DEPTH_MAX;
pub use text::JsText;

use read::Reader;

/// A JSON value in JavaScript's normal form.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Infinite if the text was beyond the doubles; JavaScript prints `null`.
    Number(f64),
    /// A string.
    Text(JsText),
    /// An array.
    List(Vec<Json>),
    /// An object, in the order of printing, no key twice.
    Object(Object),
}

impl Json {
    /// Reads a whole text. `None` if it is not JSON or nested deeper than
    /// [`DEPTH_MAX`] levels.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_nested(text, DEPTH_MAX)
    }

    /// Reads a whole text of at most `depth_max` levels. Reading, printing and
    /// dropping recurse once per level: the caller keeps it within its stack.
    #[must_use]
    pub fn parse_nested(text: &str, depth_max: usize) -> Option<Self> {
        Reader::new(text).whole(depth_max)
    }

    /// The text that `JSON.stringify` gives, without spaces.
    #[must_use]
    pub fn print(&self) -> String {
        let mut out = String::new();
        self.print_to(&mut out);
        out
    }

    /// The object, if the value is one.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object, if the value is one.
    pub const fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object that the value is; any other value becomes an empty one.
    pub fn make_object(&mut self) -> &mut Object {
        if self.as_object().is_none() {
            *self = Self::Object(Object::new());
        }
        match self {
            Self::Object(object) => object,
            _ => unreachable!("it was made an object"),
        }
    }

    /// The elements, if the value is an array.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The string, if the value is one and is valid Unicode.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => text.decoded(),
            _ => None,
        }
    }

    /// Appends the text that `JSON.stringify` gives.
    pub fn print_to(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => out.push_str(&print_number(*number)),
            Self::Text(text) => text.print_to(out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.print_to(out);
                }
                out.push(']');
            }
            Self::Object(members) => members.print_to(out),
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(JsText::new(text))
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

/// `Number::toString` of ECMA-262: the shortest digits that read back as the
/// same double, in fixed notation from 1e-6 up to 1e21.
pub(crate) fn print_number(number: f64) -> String {
    if !number.is_finite() {
        return "null".to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let sign = if number < 0.0 { "-" } else { "" };
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // The position of the decimal point, counted from before the first digit.
    let point = exponent + 1;
    let before = usize::try_from(point).unwrap_or(0);
    let text = if (1..=21).contains(&point) {
        match digits.split_at_checked(before) {
            Some((whole, "")) => whole.to_owned(),
            Some((whole, fraction)) => format!("{whole}.{fraction}"),
            None => format!("{digits:0<before$}"),
        }
    } else if (-5..=0).contains(&point) {
        let zeros = usize::try_from(-point).unwrap_or(0);
        format!("0.{:0<zeros$}{digits}", "")
    } else {
        let (first, fraction) = digits.split_at(1);
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{first}{point}{fraction}e{exponent:+}")
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(input: &str, expected: Option<&str>) {
        let printed = Json::parse(input).map(|value| value.print());
        assert_eq!(printed.as_deref(), expected, "{input}");
    }

    #[test]
    fn spaces_and_escapes_are_normalised() {
        check(" { \"a\" : [ 1 , 2 ] } \n", Some(r#"{"a":[1,2]}"#));
        check(r#""\/\u00e9\u0041""#, Some("\"/éA\""));
        check(
            r#""\u000A\u001F\u007f\u2028""#,
            Some("\"\\n\\u001f\u{7f}\u{2028}\""),
        );
        check(r#""\b\f\n\r\t\"\\""#, Some(r#""\b\f\n\r\t\"\\""#));
        check("[]", Some("[]"));
        check("{}", Some("{}"));
        check("null", Some("null"));
    }

    #[test]
    fn surrogates_pair_up_or_stay_escaped() {
        check(r#""\ud83d\ude00""#, Some("\"😀\""));
        check(r#""\uD800""#, Some(r#""\ud800""#));
        check(r#""\udc00\ud800""#, Some(r#""\udc00\ud800""#));
        check(r#""\ud83dA""#, Some(r#""\ud83dA""#));
        check(r#""\ud83d\u0041""#, Some(r#""\ud83dA""#));
    }

    #[test]
    fn keys_that_are_array_indices_come_first() {
        check(
            r#"{"b":1,"10":2,"2":3,"4294967294":4,"4294967295":5,"01":6,"-1":7}"#,
            Some(r#"{"2":3,"10":2,"4294967294":4,"b":1,"4294967295":5,"01":6,"-1":7}"#),
        );
        check(r#"{"a":1,"b":2,"\u0061":3}"#, Some(r#"{"a":3,"b":2}"#));
        check(r#"{"__proto__":1}"#, Some(r#"{"__proto__":1}"#));
    }

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        let cases = [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0e5", "0"),
            ("2.0", "2"),
            ("1e3", "1000"),
            ("-1.50", "-1.5"),
            ("12345678901234567890", "12345678901234567000"),
            ("1e20", "100000000000000000000"),
            ("123456789012345680000", "123456789012345680000"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.00000123", "0.00000123"),
            ("0.0000001", "1e-7"),
            ("1.23e-7", "1.23e-7"),
            ("5e-324", "5e-324"),
            ("1e-400", "0"),
            ("1e400", "null"),
            ("0.1", "0.1"),
            ("9007199254740993", "9007199254740992"),
            ("123.456", "123.456"),
        ];
        for (input, expected) in cases {
            check(input, Some(expected));
        }
    }

    #[test]
    fn what_javascript_refuses_is_refused() {
        let cases = [
            "",
            " ",
            "nul",
            "undefined",
            "NaN",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "--1",
            "0x1",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "\"a",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "[1 2]",
            "{\"a\" 1}",
            "1 2",
            "\u{feff}1",
            "1\u{a0}",
            "]",
            "tru e",
        ];
        for input in cases {
            check(input, None);
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(&nested(DEPTH_MAX)).is_some());
        assert!(Json::parse(&nested(DEPTH_MAX + 1)).is_none());
        assert!(Json::parse(&"[".repeat(1_000_000)).is_none());
    }

    #[test]
    fn texts_are_decoded_unless_they_hold_lone_surrogates() {
        let decoded = |input: &str| match Json::parse(input) {
            Some(Json::Text(text)) => text.decoded(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            decoded(r#""a\n\u0001\\\"é""#).as_deref(),
            Some("a\n\u{1}\\\"é")
        );
        assert_eq!(decoded(r#""\ud800""#), None);
    }

    proptest! {
        #[test]
        fn the_normal_form_is_stable(text in "[\\[\\]{}\",:0-9a-eE.+\\\\u -]{0,40}") {
            if let Some(value) = Json::parse(&text) {
                let normal = value.print();
                prop_assert_eq!(Json::parse(&normal).map(|again| again.print()), Some(normal));
            }
        }

        #[test]
        fn any_text_is_refused_or_read(text in "\\PC*") {
            let _ = Json::parse(&text).map(|value| value.print());
        }

        #[test]
        fn doubles_survive_printing(bits: u64) {
            let number = f64::from_bits(bits);
            if number.is_finite() {
                let read: f64 = print_number(number).parse().unwrap();
                prop_assert!((read - number).abs() == 0.0);
            }
        }
    }
}
