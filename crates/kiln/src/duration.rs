//! Durations as options take them.

/// The seconds of a number and a unit: `s`, `m`, `h` or `d`.
///
/// # Errors
/// What is wrong with the text, for whoever typed it.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "a time is a number and s, m, h or d, as in 90d".to_owned();
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        for (text, expected) in [
            ("90d", Some(7_776_000)),
            ("12h", Some(43_200)),
            ("5m", Some(300)),
            ("1s", Some(1)),
            ("90", None),
            ("d", None),
            ("", None),
            ("-1d", None),
            ("1ä", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
    }
}
