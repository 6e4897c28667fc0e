//! Days and moments of the Gregorian calendar as text; no clock and no time zones but UTC.

/// Seconds of a day.
pub(crate) const DAY_SECONDS: u64 = 86_400;

/// The day on which all samples were made: 2026-06-30.
pub(crate) const TODAY: Day = Day(46_201);

/// Days since 1900-01-01. Nobody in the samples was born before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(crate) u64);

impl Day {
    /// This many days earlier, not before the first day.
    pub(crate) fn before(self, days: u64) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// Year, month (1 to 12) and day of the month, by the algorithm of Howard Hinnant's
    /// "chrono-Compatible Low-Level Date Algorithms": years begin in March, eras have 400 of them.
    fn parts(self) -> (u64, u64, u64) {
        let shifted = self.0 + 693_901;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        (year_of_era + era * 400 + u64::from(month <= 2), month, day)
    }

    /// `2026-06-30`.
    pub(crate) fn text(self) -> String {
        let (year, month, day) = self.parts();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `20260630`, as DICOM writes it (PS3.5 §6.2, DA).
    pub(crate) fn digits(self) -> String {
        self.text().replace('-', "")
    }

    /// The moment this many seconds after the day began.
    pub(crate) fn at(self, seconds: u64) -> Moment {
        Moment(self.0 * DAY_SECONDS + seconds)
    }
}

/// Seconds since 1900-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// This many seconds later.
    pub(crate) fn after(self, seconds: u64) -> Self {
        Self(self.0 + seconds)
    }

    /// The day of this moment.
    pub(crate) fn day(self) -> Day {
        Day(self.0 / DAY_SECONDS)
    }

    /// `2026-06-30T23:59:59Z` (RFC 3339; a FHIR `instant`).
    pub(crate) fn text(self) -> String {
        let second = self.0 % DAY_SECONDS;
        let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
        format!(
            "{}T{hours:02}:{minutes:02}:{seconds:02}Z",
            self.day().text()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        let check = |day, expected| assert_eq!(Day(day).text(), expected);
        check(0, "1900-01-01");
        check(25_567, "1970-01-01");
        check(36_583, "2000-02-29");
        check(36_584, "2000-03-01");
        check(45_289, "2023-12-31");
        check(TODAY.0, "2026-06-30");
        assert_eq!(Day(1).at(86_399).text(), "1900-01-02T23:59:59Z");
    }
}
