//! An error and what caused it, in one line.

use std::error::Error;
use std::iter;

/// An error and its causes, outermost first, with `: ` between them. A cause that the text of the
/// error above it tells already is left out.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut above = text.clone();
    for cause in iter::successors(error.source(), |cause| (*cause).source()) {
        let own = cause.to_string();
        if !above.contains(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
        above = own;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &dyn Error)
        }
    }

    fn line(layers: &[&'static str]) -> String {
        let wrap =
            |below: Option<Box<Layer>>, text: &&'static str| Some(Box::new(Layer(text, below)));
        with_causes(&*layers.iter().rev().fold(None, wrap).unwrap())
    }

    #[test]
    fn says_each_thing_once() {
        for (layers, expected) in [
            (vec!["the disk"], "the disk"),
            (
                vec!["the store", "the disk", "is full"],
                "the store: the disk: is full",
            ),
            // As clients of HTTP do it: each layer repeats those below it.
            (
                vec![
                    "GET: sending: connecting",
                    "sending: connecting",
                    "connecting",
                    "refused",
                ],
                "GET: sending: connecting: refused",
            ),
            (vec!["the disk", "the disk"], "the disk"),
        ] {
            assert_eq!(line(&layers), expected);
        }
    }
}
