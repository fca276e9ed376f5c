//! Display texts of values, as an English (United States) user in UTC sees them. For people only: clients must not parse them.

use crate::{
    schema::{Column, Kind},
    state::State,
    value::{Value, date_of},
};

impl State {
    /// The formatted value; none for values that have none.
    pub(crate) fn formatted(&self, column: &Column, value: &Value<'_>) -> Option<String> {
        let text = match value {
            Value::Int(n) if matches!(column.kind, Kind::Choice | Kind::State | Kind::Status) => {
                column.options.iter().find(|option| i64::from(option.value) == *n).map(|option| option.label.clone())?
            }
            Value::Int(n) => format!("{}{}", if *n < 0 { "-" } else { "" }, grouped(n.unsigned_abs())),
            Value::Bool(b) => if *b { "Yes" } else { "No" }.to_owned(),
            Value::Money(n) => {
                let cents = (n.unsigned_abs() + 50) / 100;
                let amount = format!("${}.{:02}", grouped(cents / 100), cents % 100);
                if *n < 0 { format!("({amount})") } else { amount }
            }
            Value::Float(n) => format!("{n:.2}"),
            Value::Ref(table, id) => self.title_of(usize::from(*table), *id)?,
            Value::Time(at) => {
                let day = i32::try_from(at.div_euclid(86_400)).ok()?;
                let date = short_date(day)?;
                if column.format == "DateOnly" {
                    return Some(date);
                }
                let minute = at.rem_euclid(86_400) / 60;
                let (hour, half) = (minute / 60, if minute / 60 < 12 { "AM" } else { "PM" });
                format!("{date} {}:{:02} {half}", if hour % 12 == 0 { 12 } else { hour % 12 }, minute % 60)
            }
            Value::Day(day) => short_date(*day)?,
            Value::Null | Value::Text(_) | Value::Guid(_) => return None,
        };
        Some(text)
    }
}

fn short_date(day: i32) -> Option<String> {
    let date = date_of(day)?;
    Some(format!("{}/{}/{}", date.month(), date.day(), date.year()))
}

/// A number with a comma before every three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
