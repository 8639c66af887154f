//! Keeps the errors of a previous run, which would otherwise be lost when the mark file is taken over.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::service::error_log::ErrorObservation;

/// Writes `errors` to `CONTAINER-<date>-error.log` next to the mark file, and emits an event. If that fails, the errors
/// go into the event: a full disk must not prevent the start. Mirrors `CommonContext.saveExistingErrors`, but with dates in
/// UTC instead of the local time zone.
pub(crate) fn save(mark_file: &Path, errors: &[ErrorObservation], now_ms: i64) -> Option<PathBuf> {
    if errors.is_empty() {
        return None;
    }
    let date = Date::from_epoch_ms(now_ms);
    let name = format!("CONTAINER-{}-error.log", date.for_file_name());
    let path = mark_file.parent().unwrap_or(Path::new("")).join(name);
    let text = report(errors);
    match std::fs::write(&path, &text) {
        Ok(()) => {
            tracing::warn!(path = %path.display(), "existing errors saved");
            Some(path)
        }
        Err(error) => {
            tracing::error!(path = %path.display(), %error, errors = %text, "failed to save existing errors");
            None
        }
    }
}

fn report(errors: &[ErrorObservation]) -> String {
    let mut text = String::new();
    for error in errors {
        let first = Date::from_epoch_ms(error.first_timestamp);
        let last = Date::from_epoch_ms(error.last_timestamp);
        let _infallible = writeln!(
            text,
            "\n{} observations from {} to {} for:\n{}",
            error.count,
            first.for_text(),
            last.for_text(),
            error.text
        );
    }
    let _infallible = writeln!(text, "\n{} distinct errors observed.", errors.len());
    text
}

/// A moment in UTC.
struct Date {
    year: i64,
    month: i64,
    day: i64,
    ms_of_day: i64,
}

impl Date {
    fn from_epoch_ms(ms: i64) -> Date {
        const MS_PER_DAY: i64 = 86_400_000;
        // The calendar repeats every 400 years of 146,097 days. Years begin in March here, so that the leap day is the last.
        let days_since_march_0000 = ms.div_euclid(MS_PER_DAY) + 719_468;
        let era = days_since_march_0000.div_euclid(146_097);
        let day_of_era = days_since_march_0000.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Date {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            ms_of_day: ms.rem_euclid(MS_PER_DAY),
        }
    }

    fn time(&self) -> (i64, i64, i64, i64) {
        let seconds = self.ms_of_day / 1_000;
        (seconds / 3_600, seconds / 60 % 60, seconds % 60, self.ms_of_day % 1_000 * 1_000)
    }

    fn for_file_name(&self) -> String {
        let (hour, minute, second, micros) = self.time();
        let Date { year, month, day, .. } = self;
        format!("{year:04}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}-{micros:06}+0000")
    }

    fn for_text(&self) -> String {
        let (hour, minute, second, micros) = self.time();
        let Date { year, month, day, .. } = self;
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}+0000")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01 00:00:00.000000+0000"),
            (951_782_400_000, "2000-02-29 00:00:00.000000+0000"),
            (1_709_210_096_789, "2024-02-29 12:34:56.789000+0000"),
            (4_107_542_399_999, "2100-02-28 23:59:59.999000+0000"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000000+0000"),
            (-1, "1969-12-31 23:59:59.999000+0000"),
        ];
        for (ms, text) in cases {
            assert_eq!(Date::from_epoch_ms(ms).for_text(), text);
        }
        assert_eq!(Date::from_epoch_ms(951_782_400_001).for_file_name(), "2000-02-29-00-00-00-001000+0000");
    }

    #[test]
    fn every_moment_has_a_date() {
        for ms in [i64::MIN, i64::MIN + 1, -62_135_596_800_000, i64::MAX] {
            assert!(Date::from_epoch_ms(ms).for_text().ends_with("+0000"));
        }
    }
}
