//! Objects: members in the order in which JavaScript prints them.

use std::hash::{Hash, Hasher};

use indexmap::{Equivalent, IndexMap};

use super::text::quoted;
use super::{JsText, Json};

/// A JSON object. Keys that are array indices come first, ascending; all
/// others stand as they were inserted. Finding a member takes constant time.
#[derive(Debug, Clone, Default)]
pub struct Object(Box<IndexMap<JsText, Json>>);

impl Object {
    /// An object without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the member `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(&Name(&quoted(name)))
    }

    /// The value of the member `name`.
    #[must_use]
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        self.0.get_mut(&Name(&quoted(name)))
    }

    /// True if there is a member `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(&Name(&quoted(name)))
    }

    /// Sets the member `name`. One that is there keeps its place, a new one
    /// takes the place that JavaScript gives it.
    pub fn set(&mut self, name: &str, value: impl Into<Json>) {
        self.insert(JsText::new(name), value.into());
    }

    /// As [`Object::set`].
    pub fn insert(&mut self, key: JsText, value: Json) {
        match key.array_index() {
            Some(index) if !self.0.contains_key(&key) => {
                let is_less = |key: &JsText, _: &Json| key.array_index().is_some_and(|i| i < index);
                let place = self.0.as_slice().partition_point(is_less);
                self.0.shift_insert(place, key, value);
            }
            _ => {
                self.0.insert(key, value);
            }
        }
    }

    /// The value of the member `name`; one that is not there is set first.
    pub fn get_or_set(&mut self, name: &str, make: impl FnOnce() -> Json) -> &mut Json {
        let key = JsText::new(name);
        if key.array_index().is_some() && !self.0.contains_key(&key) {
            self.insert(key.clone(), make());
            return self.0.entry(key).or_insert(Json::Null);
        }
        self.0.entry(key).or_insert_with(make)
    }

    /// Removes the member `name`; the others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        self.0.shift_remove(&Name(&quoted(name)))
    }

    /// Keeps only the members for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&JsText) -> bool) {
        self.0.retain(|key, _| keep(key));
    }

    /// All members, in the order of printing.
    #[must_use]
    pub fn iter(&self) -> indexmap::map::Iter<'_, JsText, Json> {
        self.0.iter()
    }

    /// Adds members that were read one after the other: a repeated key keeps
    /// the place of its first and the value of its last.
    pub(super) fn push_read(&mut self, key: JsText, value: Json) {
        self.0.insert(key, value);
    }

    /// Puts the array indices first, once all members were read.
    pub(super) fn finish_reading(&mut self) {
        let rank = |key: &JsText, _: &Json| key.array_index().unwrap_or(u32::MAX);
        if self.0.keys().any(|key| key.array_index().is_some()) {
            self.0.sort_by_cached_key(rank);
        }
    }

    /// The text that `JSON.stringify` gives, without spaces.
    #[must_use]
    pub fn print(&self) -> String {
        let mut out = String::new();
        self.print_to(&mut out);
        out
    }

    pub(super) fn print_to(&self, out: &mut String) {
        out.push('{');
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            key.print_to(out);
            out.push(':');
            value.print_to(out);
        }
        out.push('}');
    }
}

/// Equal if they print the same: the order counts.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().eq(other.0.iter())
    }
}

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a JsText, &'a Json);
    type IntoIter = indexmap::map::Iter<'a, JsText, Json>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<(JsText, Json)> for Object {
    fn from_iter<T: IntoIterator<Item = (JsText, Json)>>(members: T) -> Self {
        let mut object = Self(Box::new(members.into_iter().collect()));
        object.finish_reading();
        object
    }
}

/// A key by its printed form, to look one up without making a [`JsText`].
struct Name<'a>(&'a str);

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As the derived hash of `JsText`, which is that of its `String`.
        self.0.hash(state);
    }
}

impl Equivalent<JsText> for Name<'_> {
    fn equivalent(&self, key: &JsText) -> bool {
        self.0 == key.printed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(text: &str) -> Object {
        match Json::parse(text) {
            Some(Json::Object(object)) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn members_are_found_whatever_their_name() {
        let mut members = Object::new();
        for name in ["", "a", "\"", "\\", "\n", "\u{1}", "é", "7", "__proto__"] {
            members.set(name, name);
            assert_eq!(members.get(name), Some(&Json::from(name)), "{name:?}");
            assert!(members.has(name));
        }
        assert_eq!(members.len(), 9);
        assert_eq!(members.get("\\n"), None);
        let again = object(&Json::Object(members.clone()).print());
        assert_eq!(again, members);
    }

    #[test]
    fn the_order_is_part_of_equality() {
        assert_ne!(object(r#"{"a":1,"b":2}"#), object(r#"{"b":2,"a":1}"#));
        assert_eq!(object(r#"{"2":1,"1":2}"#), object(r#"{"1":2,"2":1}"#));
    }

    #[test]
    fn a_hundred_thousand_members_are_read_in_one_pass() {
        let members: Vec<String> = (0..100_000).rev().map(|n| format!("\"{n}\":{n}")).collect();
        let read = object(&format!("{{{}}}", members.join(",")));
        assert_eq!(read.len(), 100_000);
        assert!(read.iter().next().unwrap().0.is("0"));
        assert_eq!(read.get("99999"), Some(&Json::Number(99_999.0)));
    }

    proptest! {
        #[test]
        fn setting_one_by_one_is_reading_at_once(
            names in proptest::collection::vec("[0-9]{1,2}|[a-c]", 0..12),
        ) {
            let mut built = Object::new();
            let mut text = Vec::new();
            for (place, name) in names.iter().enumerate() {
                let value = f64::from(u32::try_from(place).unwrap());
                if place % 2 == 0 {
                    built.set(name, Json::Number(value));
                } else {
                    *built.get_or_set(name, || Json::Null) = Json::Number(value);
                }
                text.push(format!("\"{name}\":{place}"));
            }
            prop_assert_eq!(built, object(&format!("{{{}}}", text.join(","))));
        }
    }
}
