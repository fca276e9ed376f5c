//! Usage statistics: calls and errors per day of US Central Time, by user and by code.

use base::Timestamp;
use serde_json::{Value, json};

use crate::{
    answer::{Outcome, Reply},
    limits::Day,
    state::State,
    text::central_day,
};

/// Under this name the calls of other integrations are listed.
const OTHERS: &str = "other-integrations@example.com";

impl State {
    /// `GET /rest/v1/stats/usage` and `…/last7days`. The call itself isn't in its own answer.
    pub(crate) fn usage(&self, week: bool, now: Timestamp) -> Outcome {
        self.days(week, now, |date, day| {
            let mut users: Vec<_> = day.users.iter().map(|(user, count)| json!({"userId": user, "count": count})).collect();
            if day.others > 0 {
                users.push(json!({"userId": OTHERS, "count": day.others}));
            }
            json!({"date": date, "total": day.total(), "users": users})
        })
    }

    /// `GET /rest/v1/stats/errors` and `…/last7days`.
    pub(crate) fn errors(&self, week: bool, now: Timestamp) -> Outcome {
        self.days(week, now, |date, day| {
            let errors: Vec<_> = day.errors.iter().map(|(code, count)| json!({"errorCode": code, "count": count})).collect();
            json!({"date": date, "total": day.errors.values().sum::<u64>(), "errors": errors})
        })
    }

    /// Today, or today and the six days before, also those without any call.
    fn days(&self, week: bool, now: Timestamp, show: impl Fn(String, &Day) -> Value) -> Outcome {
        let today = central_day(now);
        let none = Day::default();
        let days = std::iter::successors(Some(today), |day| day.yesterday().ok()).take(if week { 7 } else { 1 });
        Reply::of(days.map(|date| show(date.to_string(), self.gate.days.get(&date).unwrap_or(&none))).collect()).into()
    }
}
