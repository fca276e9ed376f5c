//! Merging leads: the winner keeps what it has and takes what it lacks.

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::Call,
    cell::{Cell, Change, View},
    log::{Detail, Facts, kind},
    options::MergeIds,
    schema::{Object, Place},
    state::State,
};

/// Losers in one call: Adobe's "leads" page.
const LOSERS_MAX: usize = 25;

impl State {
    /// `POST /rest/v1/leads/{id}/merge`: nothing is merged unless every lead is there. The answer has no result.
    pub(crate) fn merge_call(&mut self, winner: &str, call: &Call<'_>, now: i64) -> Answer {
        let mut ids = call.list("leadIds");
        ids.extend(call.list("leadId"));
        if ids.is_empty() {
            return Err(Reason::missing("leadId"));
        }
        if ids.len() > LOSERS_MAX {
            return Err(Reason::of("1080"));
        }
        let find = |id: &str| id.trim().parse().ok().and_then(|id| self.leads.by_id(id)).ok_or_else(|| Reason::no_lead(id));
        let winner = find(winner)?;
        let mut losers = ids.iter().map(|id| find(id)).collect::<Result<Vec<_>, _>>()?;
        losers.dedup();
        if losers.contains(&winner) {
            return Err(Reason::invalid("The winning lead cannot be among the losing leads"));
        }
        self.merge(winner, &losers, now);
        Ok(Reply::default().into())
    }

    /// Merges leads by number.
    pub(crate) fn merge(&mut self, winner: u32, losers: &[u32], now: i64) {
        let id = self.leads.id(winner);
        let mut gone = Vec::new();
        for loser in losers.iter().copied().filter(|loser| *loser != winner) {
            let loser_id = self.leads.id(loser);
            if self.leads.get(loser).is_none() || self.leads.get(winner).is_none() {
                continue;
            }
            let taken = self.lacking(winner, loser);
            self.change_lead(winner, &taken, "Merge Leads", now);
            self.hand_over_roles(loser_id, id, now);
            self.lists.hand_over(loser_id, id);
            if self.options.merge_losers_deleted {
                self.remove_lead(loser, now);
            } else {
                self.leads.remove(loser);
            }
            self.log.merge(loser_id, id);
            gone.push(loser_id);
        }
        let shape = match self.options.merge_ids {
            MergeIds::Array => json!(gone),
            MergeIds::Text => json!(format!("[{}]", joined(&gone))),
            MergeIds::Plain => json!(joined(&gone)),
        };
        let attributes = vec![
            ("Merge IDs", shape),
            ("Merge Source", json!("Web service API")),
            ("Master Updated", json!(true)),
            ("Merged in Sales", json!(false)),
        ];
        let facts = Facts { value_id: Some(id), value: self.lead_name(winner), attributes };
        self.log.push(id, kind::MERGE_LEADS, now, now, Detail::Facts(Box::new(facts)));
    }

    /// What the loser has and the winner doesn't. A winner with a company takes nothing from the loser's hidden one.
    fn lacking(&self, winner: u32, loser: u32) -> Vec<Change> {
        let (Some(winner), Some(loser)) = (self.leads.get(winner), self.leads.get(loser)) else { return Vec::new() };
        let linked = winner.row.get(self.columns.company).is_some() || loser.row.get(self.columns.company).is_some();
        let wanted = |column: u16| {
            let shared = self.field(Object::Leads, column).is_some_and(|field| matches!(field.place, Place::Company(_)));
            winner.row.get(column).is_none() && !(shared && linked)
        };
        loser.row.iter().filter(|(column, _)| wanted(*column)).map(|(column, view)| (column, Some(view.to_cell()))).collect()
    }

    /// Gives a lead's roles to another; those it has already are dropped.
    fn hand_over_roles(&mut self, from: i64, to: i64, now: i64) {
        let key = self.roles.key.clone();
        let [opportunity, lead, role] = key.as_slice() else { return };
        for number in self.roles_of_lead(from) {
            let Some(record) = self.roles.get(number) else { continue };
            let text = |column| record.row.get(column).and_then(View::text).unwrap_or_default().to_owned();
            let twin = [text(*opportunity), to.to_string(), text(*role)];
            if self.roles.by_key(&twin, false).is_empty() {
                let change = [(*lead, Some(Cell::Int(to)))];
                self.note_for_index(Object::Roles, number, &change, now);
                self.roles.write(number, &change);
            } else {
                self.roles.remove(number);
            }
        }
    }
}

fn joined(ids: &[i64]) -> String {
    ids.iter().map(|id| Value::from(*id).to_string()).collect::<Vec<_>>().join(",")
}
