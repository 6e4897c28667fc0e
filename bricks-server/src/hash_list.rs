//! The request body of `have-bricks` and `get-bricks`: a JSON array of hashes.

use std::fmt;

use keyssi::BrickHash;
use node::ApiError;
use serde::Deserializer as _;
use serde::de::{self, SeqAccess, Visitor};

/// Reads an array of at most `hashes_max` hashes. Nothing is kept of one that is longer, so that a
/// short text cannot take much memory.
///
/// # Errors
/// 400 with the place of what is not a hash.
pub(crate) fn parse(json: &[u8], hashes_max: usize) -> Result<Vec<BrickHash>, ApiError> {
    let mut input = serde_json::Deserializer::from_slice(json);
    let hashes = (&mut input).deserialize_seq(HashList { hashes_max });
    let whole = hashes.and_then(|hashes| input.end().map(|()| hashes));
    whole.map_err(|error| {
        ApiError::bad_request(format!(
            "the body is not a JSON array of at most {hashes_max} brick hashes in base58: {error}"
        ))
    })
}

struct HashList {
    hashes_max: usize,
}

impl<'de> Visitor<'de> for HashList {
    type Value = Vec<BrickHash>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an array of brick hashes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut hashes = Vec::new();
        while let Some(text) = array.next_element::<String>()? {
            let index = hashes.len();
            if index == self.hashes_max {
                return Err(de::Error::custom("there are more"));
            }
            let hash = text.parse::<BrickHash>();
            hashes.push(hash.map_err(|error| de::Error::custom(format!("item {index}: {error}")))?);
        }
        Ok(hashes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "GKot5hBsd81kMupNCXHaqbhv3huEbxAFMLnpcX2hniwn";

    #[test]
    fn arrays_of_hashes_are_read_up_to_the_limit() {
        let check = |json: &str, expected: usize| {
            let found = parse(json.as_bytes(), 2).unwrap();
            assert_eq!(found, vec![ONE.parse().unwrap(); expected], "{json}");
        };
        check("[]", 0);
        check(&format!("[\"{ONE}\"]"), 1);
        check(&format!(" [ \"{ONE}\" ,\n\"\\u0047{}\" ] ", &ONE[1..]), 2);
    }

    #[test]
    fn what_is_no_such_array_is_refused_with_a_reason() {
        let check = |json: &str, part: &str| {
            let text = format!("{:?}", parse(json.as_bytes(), 2).unwrap_err());
            assert!(text.contains(part), "{json}: {text}");
        };
        check(
            &format!("[\"{ONE}\",\"{ONE}\",\"{ONE}\"]"),
            "there are more",
        );
        check(&format!("[\"{ONE}\",\"{ONE}1\"]"), "item 1: ");
        check("[\"..\"]", "item 0: ");
        for other in ["", "{}", "7", "[7]", "[null]", "[", "[]x", "[[]]", "\"x\""] {
            check(other, "not a JSON array");
        }
        check(&format!("[\"{ONE}\"],"), "not a JSON array");
    }
}
