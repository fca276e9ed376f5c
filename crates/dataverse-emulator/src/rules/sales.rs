//! Winning and losing an opportunity: an `opportunityclose` activity and a closed, read-only row.

use base::{Guid, Timestamp};

use super::{Actor, By};
use crate::{
    error::{Outcome, Refusal},
    row::Record,
    state::State,
    value::Value,
};

impl State {
    /// Closes an opportunity as won (status 3) as the `WinOpportunity` action does.
    ///
    /// # Errors
    /// In words, when there is none or it isn't open.
    pub fn win_opportunity(&mut self, opportunity: Guid, now: Timestamp) -> Result<(), String> {
        let actor = self.seeder(now);
        self.transact(|state| state.close_opportunity(opportunity, 1, 3, Record::new(), actor)).map_err(|refusal| refusal.message)
    }

    /// Closes an opportunity as lost (status 4 or 5) as the `LoseOpportunity` action does.
    ///
    /// # Errors
    /// In words, when there is none or it isn't open.
    pub fn lose_opportunity(&mut self, opportunity: Guid, status: i64, now: Timestamp) -> Result<(), String> {
        let actor = self.seeder(now);
        self.transact(|state| state.close_opportunity(opportunity, 2, status, Record::new(), actor)).map_err(|refusal| refusal.message)
    }

    /// `close` holds further cells of the `opportunityclose` row.
    pub(crate) fn close_opportunity(&mut self, id: Guid, state: i64, status: i64, mut close: Record, actor: Actor) -> Outcome<()> {
        let (table, closes) = (self.at("opportunity")?, self.at("opportunityclose")?);
        let record = self.store.row(table, id).ok_or_else(|| Refusal::no_row("opportunity", id))?.unpack();
        if self.get_cell(table, &record, "statecode").and_then(Value::as_int) != Some(0) {
            return Err(Refusal::new(400, "0x80040203", format!("The opportunity with Id = {id} is already closed.")));
        }
        // -1 stands for the state's own default reason.
        let status = match status {
            -1 if state == 1 => 3,
            -1 => 4,
            other => other,
        };
        let revenue = self.column(closes, "actualrevenue").and_then(|at| close.get(&at).cloned());
        let estimate = self.get_cell(table, &record, "estimatedvalue").cloned();
        let day = i32::try_from(actor.now.div_euclid(86_400)).unwrap_or_default();
        let changes = [
            ("statecode", Some(Value::Int(state))),
            ("statuscode", Some(Value::Int(status))),
            ("actualclosedate", Some(Value::Day(day))),
            ("actualvalue", revenue.or(estimate).filter(|_| state == 1)),
        ];
        let changes = changes.into_iter().filter_map(|(name, value)| Some((self.column(table, name)?, value?))).collect();
        self.modify(table, id, changes, actor, By::Seed)?;
        let more = [
            ("opportunityid", self.reference("opportunity", id)),
            ("opportunitystatuscode", Some(Value::Int(status))),
            ("actualend", Some(Value::Time(actor.now))),
            ("statecode", Some(Value::Int(1))),
            ("statuscode", Some(Value::Int(2))),
        ];
        for (name, value) in more {
            if let (Some(at), Some(value)) = (self.column(closes, name), value) {
                close.insert(at, value);
            }
        }
        self.create(closes, None, close, actor, By::Service).map(|_| ())
    }
}
