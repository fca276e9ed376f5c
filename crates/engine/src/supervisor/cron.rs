//! Times by the calendar, as cron writes them: minute, hour, day of the month, month, day of the week, in a time zone.
//!
//! When clocks are set on, a time that doesn't come is made up for as much later; when they are set back, a time that comes twice counts
//! once. Where every hour is meant, each hour that really comes counts, and no other.

use std::{fmt, ops::RangeInclusive};

use base::Timestamp;
use jiff::{
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};

/// So many days are looked at: the 29th of February can be eight years away.
const DAYS_MAX: usize = 366 * 8 + 2;

/// All hours of a day, as bits, however they are written.
const EACH_HOUR: u64 = (1 << 24) - 1;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When something is due by the calendar.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    zone: TimeZone,
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
}

/// Which numbers of a field are meant, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set {
    bits: u64,
    /// It is written as `*`: of two fields of days, this one says nothing.
    star: bool,
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({} {})", self.text, self.zone.iana_name().unwrap_or("fixed"))
    }
}

impl Cron {
    /// Reads five fields, in UTC: whether they are right doesn't depend on the zone.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!(
                "{text:?} has {} fields and not five: minute, hour, day of the month, month, day of the week",
                fields.len()
            ));
        };
        let cron = Self {
            text: fields.join(" "),
            zone: TimeZone::UTC,
            minutes: Set::parse("minute", minutes, 0..=59, &[], 0)?,
            hours: Set::parse("hour", hours, 0..=23, &[], 0)?,
            days: Set::parse("day of the month", days, 1..=31, &[], 0)?,
            months: Set::parse("month", months, 1..=12, &MONTHS, 1)?,
            // Sunday is 0, and 7.
            weekdays: Set::parse("day of the week", weekdays, 0..=7, &WEEKDAYS, 0)?.also(7, 0),
        };
        match cron.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err(format!("{text:?} never comes")),
        }
    }

    /// Once a day, at this hour and minute in UTC, which are taken modulo 24 and 60.
    #[must_use]
    pub fn daily(hour: u8, minute: u8) -> Self {
        let (hour, minute) = (hour % 24, minute % 60);
        let one = |number: u8| Set { bits: 1 << number, star: false };
        let all = Set { bits: u64::MAX, star: true };
        let text = format!("{minute} {hour} * * *");
        Self { text, zone: TimeZone::UTC, minutes: one(minute), hours: one(hour), days: all, months: all, weekdays: all }
    }

    /// The same times of day elsewhere.
    #[must_use]
    pub fn in_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    /// The next time after this one.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        // A time may be made up for on the next day, and a day may be earlier elsewhere.
        let mut date = self.zone.to_datetime(after).date().yesterday().ok()?;
        let mut found: Option<Timestamp> = None;
        for _ in 0..DAYS_MAX {
            let next = self.comes_on(date).then(|| self.times(date).filter(|at| *at > after).min()).flatten();
            match (found, next) {
                (Some(found), Some(next)) => return Some(found.min(next)),
                (Some(found), None) => return Some(found),
                (None, next) => found = next,
            }
            date = date.tomorrow().ok()?;
        }
        found
    }

    fn comes_on(&self, date: Date) -> bool {
        let day = self.days.has(date.day());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset());
        // As cron has it: where both are said, one of them is enough.
        let fits = if self.days.star || self.weekdays.star { day && weekday } else { day || weekday };
        fits && self.months.has(date.month())
    }

    /// All its times on a date, in no order.
    fn times(&self, date: Date) -> impl Iterator<Item = Timestamp> + '_ {
        let hours = (0..24).filter(move |hour| self.hours.has(*hour));
        let minutes = hours
            .flat_map(move |hour| (0..60).filter(move |minute| self.minutes.has(*minute)).map(move |minute| date.at(hour, minute, 0, 0)));
        minutes.flat_map(move |at| self.really(at)).flatten()
    }

    /// When that really is, in this zone.
    fn really(&self, at: DateTime) -> [Option<Timestamp>; 2] {
        let each_hour = self.hours.bits == EACH_HOUR;
        match self.zone.to_ambiguous_timestamp(at).offset() {
            AmbiguousOffset::Unambiguous { offset } => [offset.to_timestamp(at).ok(), None],
            AmbiguousOffset::Gap { .. } if each_hour => [None, None],
            AmbiguousOffset::Gap { before, .. } => [before.to_timestamp(at).ok(), None],
            AmbiguousOffset::Fold { before, after } => [before.to_timestamp(at).ok(), after.to_timestamp(at).ok().filter(|_| each_hour)],
        }
    }
}

impl Set {
    /// Reads a field: `*`, `*/5`, `3`, `1-5`, `1-23/2`, names, and several of these with commas between. `first` is the number of the first name.
    fn parse(what: &str, text: &str, range: RangeInclusive<u8>, names: &[&str], first: u8) -> Result<Self, String> {
        let wrong =
            |part: &str| format!("{part:?} is no {what}: write {} to {}, *, a range as 1-5, or a step as */5", range.start(), range.end());
        let number = |text: &str| {
            let named = names.iter().zip(first..).find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| number);
            named.or_else(|| text.parse().ok()).filter(|number| range.contains(number))
        };
        let mut bits = 0;
        for part in text.split(',') {
            let (span, step) = match part.split_once('/') {
                Some((span, step)) => (span, step.parse().ok().filter(|step| *step > 0).ok_or_else(|| wrong(part))?),
                None => (part, 1),
            };
            let (from, to) = match span.split_once('-') {
                _ if span == "*" => (*range.start(), *range.end()),
                Some((from, to)) => number(from).zip(number(to)).filter(|(from, to)| from <= to).ok_or_else(|| wrong(part))?,
                // From there on, where there is a step.
                None => number(span).map(|from| (from, if step == 1 { from } else { *range.end() })).ok_or_else(|| wrong(part))?,
            };
            (from..=to).step_by(step).for_each(|number| bits |= 1_u64 << number);
        }
        Ok(Self { bits, star: text == "*" })
    }

    /// What holds for one number holds for the other, too.
    fn also(self, one: u8, other: u8) -> Self {
        Self { bits: if self.bits >> one & 1 == 1 { self.bits | 1 << other } else { self.bits }, ..self }
    }

    fn has(self, number: i8) -> bool {
        u8::try_from(number).is_ok_and(|number| self.bits >> number & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str, zone: &str) -> Cron {
        Cron::parse(text).unwrap().in_zone(TimeZone::get(zone).unwrap())
    }

    /// The next times after one, as they are written in UTC.
    fn check(text: &str, zone: &str, after: &str, expected: &[&str]) {
        let (cron, mut at) = (cron(text, zone), after.parse::<Timestamp>().unwrap());
        for expected in expected {
            at = cron.next(at).unwrap();
            assert_eq!(at.to_string(), format!("2026-{expected}:00Z"), "{text} in {zone} after {after}");
        }
    }

    #[test]
    fn fields_say_when() {
        check("*/20 * * * *", "UTC", "2026-03-01T10:05:30Z", &["03-01T10:20", "03-01T10:40", "03-01T11:00"]);
        check("30 3 * * *", "UTC", "2026-03-01T03:30:00Z", &["03-02T03:30", "03-03T03:30"]);
        check("0 9-17/4 * * MON-FRI", "UTC", "2026-03-06T13:00:00Z", &["03-06T17:00", "03-09T09:00"]);
        check("0 0 1,15 feb *", "UTC", "2026-01-01T00:00:00Z", &["02-01T00:00", "02-15T00:00"]);
        check("0 12 * * 7", "UTC", "2026-03-02T00:00:00Z", &["03-08T12:00", "03-15T12:00"]);
        // Where both days are said, one of them is enough.
        check("0 0 13 * fri", "UTC", "2026-04-01T00:00:00Z", &["04-03T00:00", "04-10T00:00", "04-13T00:00"]);
        check("0 8 * * *", "Asia/Kolkata", "2026-03-01T00:00:00Z", &["03-01T02:30", "03-02T02:30"]);
        assert_eq!(cron("0 0 29 2 *", "UTC").next("2026-03-01T00:00:00Z".parse().unwrap()).unwrap().to_string(), "2028-02-29T00:00:00Z");
    }

    #[test]
    fn clocks_that_are_set_lose_nothing_and_do_nothing_twice() {
        // New York's clocks go from 2:00 to 3:00 on 8 March, and from 2:00 back to 1:00 on 1 November.
        check("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", &["03-08T07:30", "03-09T06:30"]);
        check("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", &["11-01T05:30", "11-02T06:30"]);
        let daily = [Cron::daily(9, 30), Cron::parse("30 9 * * *").unwrap()]
            .map(|cron| cron.next("2026-03-08T09:30:00Z".parse().unwrap()).unwrap());
        assert_eq!(daily.map(|at| at.to_string()), ["2026-03-09T09:30:00Z"; 2]);
        for every in ["*", "0-23", "*/1", "0-11,12-23"] {
            check(&format!("0 {every} * * *"), "America/New_York", "2026-03-08T06:30:00Z", &["03-08T07:00", "03-08T08:00"]);
            let twice = ["11-01T05:30", "11-01T06:00", "11-01T06:30", "11-01T07:00"];
            check(&format!("*/30 {every} * * *"), "America/New_York", "2026-11-01T05:00:00Z", &twice);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("* * * *", "has 4 fields"),
            ("60 * * * *", "\"60\" is no minute: write 0 to 59"),
            ("* 5-3 * * *", "is no hour"),
            ("*/0 * * * *", "\"*/0\" is no minute"),
            ("* * * foo *", "is no month"),
            ("0 0 31 2 *", "never comes"),
            ("", "has 0 fields"),
        ] {
            let told = Cron::parse(text).unwrap_err();
            assert!(told.contains(part), "{told}");
        }
    }
}
