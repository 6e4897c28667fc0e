//! One recorded vector, and the comparison of all that it holds.

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// A vector whose fields are noted as they are read, so that none is passed
/// over.
#[derive(Debug)]
pub(crate) struct Vector {
    fields: Map<String, Value>,
    read: RefCell<BTreeSet<String>>,
}

impl Vector {
    pub(crate) fn new(value: &Value) -> Result<Self> {
        let fields = value.as_object().context("a vector is an object")?.clone();
        let read = RefCell::new(BTreeSet::from(["name".to_owned()]));
        Ok(Self { fields, read })
    }

    pub(crate) fn name(&self) -> &str {
        self.fields
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A field that may be missing.
    pub(crate) fn find(&self, field: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(field.to_owned());
        self.fields.get(field)
    }

    pub(crate) fn value(&self, field: &str) -> Result<&Value> {
        self.find(field)
            .with_context(|| format!("no field {field:?}"))
    }

    /// The text of a field that may be missing or `null`.
    pub(crate) fn find_text(&self, field: &str) -> Option<&str> {
        self.find(field).and_then(Value::as_str)
    }

    pub(crate) fn text(&self, field: &str) -> Result<&str> {
        self.value(field)?
            .as_str()
            .with_context(|| format!("field {field:?} is no text"))
    }

    pub(crate) fn number(&self, field: &str) -> Result<u64> {
        self.value(field)?
            .as_u64()
            .with_context(|| format!("field {field:?} is no number"))
    }

    pub(crate) fn flag(&self, field: &str) -> Result<bool> {
        self.value(field)?
            .as_bool()
            .with_context(|| format!("field {field:?} is no boolean"))
    }

    pub(crate) fn hex(&self, field: &str) -> Result<Vec<u8>> {
        from_hex(self.text(field)?)
    }

    pub(crate) fn base64(&self, field: &str) -> Result<Vec<u8>> {
        Ok(STANDARD.decode(self.text(field)?)?)
    }

    pub(crate) fn texts(&self, field: &str) -> Result<Vec<&str>> {
        let list = self.value(field)?.as_array().context("not a list")?;
        list.iter()
            .map(|text| text.as_str().context("not a text"))
            .collect()
    }

    /// Environment variables that were set when the vector was made.
    pub(crate) fn environment(&self) -> impl Fn(&str) -> Option<String> + '_ {
        let variables = self.find("env");
        move |name| variables?.get(name)?.as_str().map(str::to_owned)
    }

    /// Fields that no comparison has read.
    pub(crate) fn unread(&self) -> Vec<String> {
        let read = self.read.borrow();
        let unread = self.fields.keys().filter(|field| !read.contains(*field));
        unread.cloned().collect()
    }

    /// Marks explanations as read: `note`, `reference_bug`, `corrected`. What
    /// they ask for is asserted by the rules.
    pub(crate) fn read_remarks(&self) {
        for field in ["note", "reference_bug", "corrected"] {
            self.find(field);
        }
    }
}

/// What was recorded beside what we answer, field by field.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) recorded: Map<String, Value>,
    pub(crate) ours: Map<String, Value>,
}

impl Case {
    pub(crate) fn compare(
        &mut self,
        field: &str,
        recorded: impl Into<Value>,
        ours: impl Into<Value>,
    ) {
        let mut name = field.to_owned();
        // A second comparison of one field does not replace the first.
        while self.recorded.contains_key(&name) {
            name.push_str(", again");
        }
        self.recorded.insert(name.clone(), recorded.into());
        self.ours.insert(name, ours.into());
    }

    /// Compares a field of the vector with our text.
    pub(crate) fn text(&mut self, vector: &Vector, field: &str, ours: &str) -> Result<()> {
        let recorded = vector.text(field)?;
        self.compare(field, recorded, ours);
        Ok(())
    }

    /// Compares a field of the vector, if it is there.
    pub(crate) fn optional(&mut self, vector: &Vector, field: &str, ours: impl Into<Value>) {
        if let Some(recorded) = vector.find(field) {
            self.compare(field, recorded.clone(), ours);
        }
    }
}

pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        bail!("not hexadecimal");
    }
    (0..text.len())
        .step_by(2)
        .map(|at| {
            let pair = text.get(at..at + 2).unwrap_or_default();
            u8::from_str_radix(pair, 16).map_err(|error| anyhow!("{pair:?}: {error}"))
        })
        .collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    halves
        .filter_map(|half| char::from_digit(u32::from(half), 16))
        .collect()
}
