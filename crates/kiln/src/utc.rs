//! Times as people write them: RFC 3339 in UTC, and dates.
//!
//! **Source:** RFC 3339 §5.6; the calendar after H. Hinnant, "chrono-Compatible Low-Level Date
//! Algorithms".

use dsu::Moment;

const SECOND_MS: u64 = 1000;
const DAY_SECONDS: i64 = 86_400;
/// Days from the first of March of the year 0 to the epoch.
const EPOCH_DAYS: i64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;
/// The last millisecond that has a date: the end of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;

/// `2026-11-21T09:30:00.125Z`; without the fraction where it is none. Times after the year 9999
/// give its last millisecond.
pub(crate) fn format(moment: Moment) -> String {
    let millis = moment.millis().min(LAST_MS);
    let seconds = i64::try_from(millis / SECOND_MS).unwrap_or_default();
    let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
    let of_day = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match millis % SECOND_MS {
        0 => format!("{date}Z"),
        fraction => format!("{date}.{fraction:03}Z"),
    }
}

/// Reads an RFC 3339 time, or a date, which stands for its last millisecond in UTC. `None` for
/// everything else, and for times before 1970.
pub(crate) fn parse(text: &str) -> Option<Moment> {
    let Some((date, time)) = text.split_once(['T', 't', ' ']) else {
        let end = (days(text)? + 1) * DAY_SECONDS * 1000 - 1;
        return u64::try_from(end).ok().map(Moment::from_millis);
    };
    let offset_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, offset) = time.split_at_checked(offset_at)?;
    let local_ms = days(date)? * DAY_SECONDS * 1000 + clock_ms(clock)?;
    let millis = local_ms - offset_ms(offset)?;
    u64::try_from(millis).ok().map(Moment::from_millis)
}

/// Days since the epoch of `YYYY-MM-DD`.
fn days(date: &str) -> Option<i64> {
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let found = days_of(year, month, day);
    // A day that is not in the calendar comes back as another one.
    (civil(found) == (year, month, day)).then_some(found)
}

/// Milliseconds since midnight of `HH:MM:SS` with an optional fraction.
fn clock_ms(clock: &str) -> Option<i64> {
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(whole, ':', [2, 2, 2])?;
    let is_digits = !fraction.is_empty() && fraction.bytes().all(|it| it.is_ascii_digit());
    // A leap second is the last one of its minute.
    if !is_digits || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some((hour * 3600 + minute * 60 + second.min(59)) * 1000 + millis)
}

fn offset_ms(offset: &str) -> Option<i64> {
    if matches!(offset, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match offset.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let [hours, minutes] = numbers(rest, ':', [2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// Numbers of so many digits each.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for (place, width) in found.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        *place = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Days since the epoch. Years begin in March, so that the leap day is the last one.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS
}

/// Year, month and day of a number of days since the epoch.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + EPOCH_DAYS;
    let era = shifted.div_euclid(ERA_DAYS);
    let day = shifted.rem_euclid(ERA_DAYS);
    let of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = (shifted_month + 2) % 12 + 1;
    let year = of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        let check = |text: &str, millis: u64, written: &str| {
            assert_eq!(parse(text).map(Moment::millis), Some(millis), "{text}");
            assert_eq!(format(Moment::from_millis(millis)), written);
        };
        check("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z");
        check(
            "2026-11-20T15:56:36.999Z",
            1_795_190_196_999,
            "2026-11-20T15:56:36.999Z",
        );
        check(
            "2026-11-20t17:56:36+02:00",
            1_795_190_196_000,
            "2026-11-20T15:56:36Z",
        );
        check(
            "2026-11-20 10:26:36-05:30",
            1_795_190_196_000,
            "2026-11-20T15:56:36Z",
        );
        check("2024-02-29", 1_709_251_199_999, "2024-02-29T23:59:59.999Z");
        check(
            "2000-03-01T00:00:00.5Z",
            951_868_800_500,
            "2000-03-01T00:00:00.500Z",
        );
        let last = Moment::from_millis(u64::MAX);
        assert_eq!(format(last), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026",
            "2026-13-01",
            "2025-02-29",
            "2026-11-31",
            "26-11-20",
            "2026-11-20T15:56:36",
            "2026-11-20T24:00:00Z",
            "2026-11-20T15:56Z",
            "2026-11-20T15:56:36.Z",
            "2026-11-20T15:56:36+2:00",
            "1969-12-31T23:59:59Z",
            "2026-11-20T15:56:36Zx",
            "+026-11-20",
            "1969-12-30",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_itself_again() {
        for day in 0..ERA_DAYS {
            let (year, month, of_month) = civil(day);
            assert_eq!(days_of(year, month, of_month), day);
        }
    }
}
