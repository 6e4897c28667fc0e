//! Arguments that many commands on DSUs share.

use clap::Args;
use client::dsus::At;
use dsu::DsuPath;

use crate::exit::{Exit, Failure};
use crate::secret_input::is_stdin;
use crate::utc;

/// Which version is read.
#[derive(Args)]
pub(crate) struct AtOption {
    /// The version to read: its number, counted from 0, or the time at which it was the newest (RFC
    /// 3339; a date means its end in UTC)
    #[arg(long, value_name = "VERSION|TIME", value_parser = parse_at, allow_hyphen_values = true)]
    at: Option<At>,
}

impl AtOption {
    /// The version; the newest if none is named.
    pub(crate) fn version(&self) -> At {
        self.at.unwrap_or_default()
    }
}

/// Reads a version number or a time.
pub(crate) fn parse_at(text: &str) -> Result<At, String> {
    if let Ok(version) = text.parse() {
        return Ok(At::Version(version));
    }
    utc::parse(text).map(At::Time).ok_or_else(|| {
        "give a version number, a date as in 2026-11-21 or a time as in 2026-11-21T09:30:00Z"
            .to_owned()
    })
}

/// Reads a path in a DSU.
pub(crate) fn parse_path(text: &str) -> Result<DsuPath, String> {
    DsuPath::parse(text).map_err(|error| error.to_string())
}

/// Refuses a second thing from stdin.
///
/// # Errors
/// [`Exit::Usage`] if more than one of the arguments says stdin.
pub(crate) fn refuse_two_from_stdin<'a>(
    given: impl IntoIterator<Item = &'a str>,
) -> Result<(), Failure> {
    if given.into_iter().filter(|it| is_stdin(it)).count() < 2 {
        return Ok(());
    }
    Err(
        Failure::new(Exit::Usage, "two things cannot both come from stdin")
            .next("give the key as @NAME, file:PATH or env:NAME"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsu::Moment;

    #[test]
    fn a_number_is_a_version_and_the_rest_are_times() {
        assert_eq!(parse_at("0"), Ok(At::Version(0)));
        assert_eq!(parse_at("2026"), Ok(At::Version(2026)));
        let time = Moment::from_millis(1_795_190_196_000);
        assert_eq!(parse_at("2026-11-20T15:56:36Z"), Ok(At::Time(time)));
        for bad in ["", "-1", "latest", "2026-1-1"] {
            assert!(parse_at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_one_thing_comes_from_stdin() {
        assert!(refuse_two_from_stdin(["-", "a", "file:x"]).is_ok());
        assert!(refuse_two_from_stdin(["-", "file:-"]).is_err());
    }
}
