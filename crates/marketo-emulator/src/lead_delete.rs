//! Deleting leads, in the three forms that clients use.

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::{Call, few, input},
    log::{Detail, Facts, kind},
    state::State,
    value::whole,
};

impl State {
    /// `POST /rest/v1/leads/delete` with a body or with `?id=1,2`, and `DELETE /rest/v1/leads` with either. Always by Marketo id.
    pub(crate) fn delete_leads(&mut self, call: &Call<'_>, now: i64) -> Answer {
        let ids: Vec<Value> = if call.request.body.iter().all(u8::is_ascii_whitespace) {
            call.list("id").into_iter().map(Value::from).collect()
        } else {
            let mut body = call.json()?;
            let records = input(&mut body)?;
            records.iter().map(|record| record.get("id").cloned().unwrap_or_default()).collect()
        };
        if ids.is_empty() {
            return Err(Reason::missing("id"));
        }
        few(ids.len(), "leads")?;
        let result = ids.iter().map(|id| self.delete_lead_by(id, now)).collect();
        Ok(Reply::of(result).into())
    }

    fn delete_lead_by(&mut self, id: &Value, now: i64) -> Value {
        if id.is_null() {
            return Value::Object(Reason::missing("id").skipped());
        }
        let Some(number) = whole(id).and_then(|id| self.leads.by_id(id)) else {
            let mut result = Reason::of("1004").skipped();
            result.insert("id".into(), whole(id).map_or_else(|| id.clone(), Value::from));
            return Value::Object(result);
        };
        self.remove_lead(number, now);
        json!({"id": self.leads.id(number), "status": "deleted"})
    }

    /// Takes a lead and its roles out, and logs the deletion.
    pub(crate) fn remove_lead(&mut self, number: u32, now: i64) {
        let id = self.leads.id(number);
        let name = self.lead_name(number);
        for role in self.roles_of_lead(id) {
            self.roles.remove(role);
        }
        if self.leads.remove(number).is_some() {
            self.lists.forget(id);
            let facts = Facts { value_id: Some(id), value: name, attributes: Vec::new() };
            self.log.push(id, kind::DELETE_LEAD, now, now, Detail::Facts(Box::new(facts)));
        }
    }

    /// Roles of a lead, by number.
    pub(crate) fn roles_of_lead(&self, id: i64) -> Vec<u32> {
        self.roles.schema.find("leadId").map(|column| self.roles.by_value(column, &id.to_string(), false)).unwrap_or_default()
    }
}
