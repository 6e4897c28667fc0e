//! Strings as JavaScript prints them.

use std::borrow::Cow;

/// A JavaScript string, held as JavaScript would print it between quotes. That
/// form is unique, can name lone surrogates, and compares like the string.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsText(String);

impl JsText {
    /// The string `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(quoted(text).into_owned())
    }

    /// The string itself, if it is valid Unicode.
    #[must_use]
    pub fn decoded(&self) -> Option<String> {
        let mut text = String::with_capacity(self.0.len());
        let mut rest = self.0.chars();
        while let Some(character) = rest.next() {
            text.push(if character == '\\' {
                match rest.next()? {
                    'b' => '\u{8}',
                    't' => '\t',
                    'n' => '\n',
                    'f' => '\u{c}',
                    'r' => '\r',
                    'u' => {
                        let digits: String = rest.by_ref().take(4).collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                    }
                    literal => literal,
                }
            } else {
                character
            });
        }
        Some(text)
    }

    /// True if the string is `name`, which needs no escapes.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.0 == name
    }

    pub(super) const fn empty() -> Self {
        Self(String::new())
    }

    /// What JavaScript prints between the quotes.
    #[must_use]
    pub fn printed(&self) -> &str {
        &self.0
    }

    pub(super) fn print_to(&self, out: &mut String) {
        out.push('"');
        out.push_str(&self.0);
        out.push('"');
    }

    pub(super) fn push(&mut self, character: char) {
        match character {
            '"' => self.0.push_str("\\\""),
            '\\' => self.0.push_str("\\\\"),
            '\u{8}' => self.0.push_str("\\b"),
            '\t' => self.0.push_str("\\t"),
            '\n' => self.0.push_str("\\n"),
            '\u{c}' => self.0.push_str("\\f"),
            '\r' => self.0.push_str("\\r"),
            control if control < ' ' => self.push_unit(u32::from(control)),
            literal => self.0.push(literal),
        }
    }

    /// Writes one code unit as an escape.
    pub(super) fn push_unit(&mut self, unit: u32) {
        let digits = [12, 8, 4, 0].map(|shift| (unit >> shift) & 0xf);
        self.0.push_str("\\u");
        let digits = digits.into_iter();
        self.0
            .extend(digits.filter_map(|digit| char::from_digit(digit, 16)));
    }

    /// The number of an array index (`0` to `4294967294` in canonical form).
    pub(super) fn array_index(&self) -> Option<u32> {
        let canonical = self.0 == "0" || self.0.starts_with(|c: char| ('1'..='9').contains(&c));
        let index: u32 = canonical.then(|| self.0.parse().ok()).flatten()?;
        (index < u32::MAX).then_some(index)
    }
}

/// `text` as JavaScript prints it between quotes.
pub(super) fn quoted(text: &str) -> Cow<'_, str> {
    let needs_escape = |c: char| c < ' ' || c == '"' || c == '\\';
    if !text.contains(needs_escape) {
        return Cow::Borrowed(text);
    }
    let mut escaped = JsText::empty();
    for character in text.chars() {
        escaped.push(character);
    }
    Cow::Owned(escaped.0)
}
