//! Reading JSON by the grammar of `JSON.parse`.

use super::{JsText, Json, Object};

/// Deepest nesting that [`Json::parse`] accepts; reading recurses once per
/// level.
pub const DEPTH_MAX: usize = 64;

/// Takes values from the front of a text.
pub(super) struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// The one value that the text holds.
    pub(super) fn whole(mut self, depth_max: usize) -> Option<Json> {
        let value = self.value(depth_max)?;
        self.skip_space();
        self.rest.is_empty().then_some(value)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes `token` if it comes next, after white space.
    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        let depth = depth.checked_sub(1)?;
        self.skip_space();
        match self.rest.bytes().next()? {
            b'n' => self.take("null").then_some(Json::Null),
            b't' => self.take("true").then_some(Json::Bool(true)),
            b'f' => self.take("false").then_some(Json::Bool(false)),
            b'"' => self.text().map(Json::Text),
            b'[' => self.list(depth),
            b'{' => self.object(depth),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.take("[");
        let mut items = Vec::new();
        if self.take("]") {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.take("]") {
                return Some(Json::List(items));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.take("{");
        let mut members = Object::new();
        if self.take("}") {
            return Some(Json::Object(members));
        }
        loop {
            self.skip_space();
            let key = self.text()?;
            if !self.take(":") {
                return None;
            }
            let value = self.value(depth)?;
            members.push_read(key, value);
            if self.take("}") {
                members.finish_reading();
                return Some(Json::Object(members));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn text(&mut self) -> Option<JsText> {
        self.rest = self.rest.strip_prefix('"')?;
        let mut text = JsText::empty();
        loop {
            let mut characters = self.rest.chars();
            let character = characters.next()?;
            self.rest = characters.as_str();
            match character {
                '"' => return Some(text),
                '\\' => self.escape(&mut text)?,
                control if control < ' ' => return None,
                literal => text.push(literal),
            }
        }
    }

    /// Takes what follows a backslash.
    fn escape(&mut self, text: &mut JsText) -> Option<()> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        match character {
            literal @ ('"' | '\\' | '/') => text.push(literal),
            'b' => text.push('\u{8}'),
            't' => text.push('\t'),
            'n' => text.push('\n'),
            'f' => text.push('\u{c}'),
            'r' => text.push('\r'),
            'u' => {
                let unit = self.code_unit()?;
                match char::from_u32(unit).or_else(|| self.second_half(unit)) {
                    Some(character) => text.push(character),
                    None => text.push_unit(unit),
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Takes four hexadecimal digits.
    fn code_unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).ok()
    }

    /// Takes the escape of the low surrogate that completes `high`, if `high`
    /// is a high surrogate and such an escape follows.
    fn second_half(&mut self, high: u32) -> Option<char> {
        let (digits, rest) = self.rest.strip_prefix("\\u")?.split_at_checked(4)?;
        let low = u32::from_str_radix(digits, 16).ok()?;
        if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
            return None;
        }
        self.rest = rest;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn number(&mut self) -> Option<Json> {
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (literal, rest) = self.rest.split_at_checked(end)?;
        if !is_number(literal) {
            return None;
        }
        self.rest = rest;
        literal.parse().ok().map(Json::Number)
    }
}

/// True for the number grammar of JSON, which is narrower than Rust's.
fn is_number(literal: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = literal.strip_prefix('-').unwrap_or(literal);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}
