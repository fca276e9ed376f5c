//! `statecode` and `statuscode`: a reason belongs to a state, and a state brings its first reason along.

use crate::{
    error::{Outcome, Refusal},
    row::Record,
    state::State,
    value::Value,
};

impl State {
    /// Makes the two columns of `record` agree after `changes`.
    pub(crate) fn settle_state(&self, table: usize, before: Option<&Record>, changes: &Record, record: &mut Record) -> Outcome<()> {
        let (Some(state_at), Some(status_at)) = (self.column(table, "statecode"), self.column(table, "statuscode")) else { return Ok(()) };
        let old = before.and_then(|before| before.get(&state_at)).and_then(Value::as_int).unwrap_or_default();
        let wanted = changes.get(&state_at).and_then(Value::as_int);
        let state = wanted.unwrap_or(old);
        let Some(status_column) = self.store.schema.get(table).and_then(|table| table.column(status_at)) else { return Ok(()) };
        let reason = changes.get(&status_at).and_then(Value::as_int);
        let status = match reason {
            Some(reason) => {
                let belongs =
                    status_column.options.iter().any(|option| i64::from(option.value) == reason && i64::from(option.state) == state);
                if !belongs {
                    return Err(Refusal::new(
                        400,
                        "0x80048408",
                        format!("{reason} is not a valid status code for state code {state} on {}.", self.table_name(table)),
                    ));
                }
                Some(reason)
            }
            None if before.is_some() && state == old => before.and_then(|before| before.get(&status_at)).and_then(Value::as_int),
            None => None,
        };
        let first = || status_column.options.iter().find(|option| i64::from(option.state) == state).map(|option| i64::from(option.value));
        record.insert(state_at, Value::Int(state));
        if let Some(status) = status.or_else(first) {
            record.insert(status_at, Value::Int(status));
        }
        Ok(())
    }
}
