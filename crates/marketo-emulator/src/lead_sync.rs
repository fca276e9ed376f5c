//! Sync Leads, and Push Lead, which here is the same.

use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::{Call, input, member},
    lead_write::{Action, How},
    mark::fingerprint,
    schema::{Column, Object},
    state::State,
    value::Source,
};

impl State {
    /// `POST /rest/v1/leads`: up to 300 leads, answered in the order sent.
    pub(crate) fn sync_leads(&mut self, call: &Call<'_>, now: i64) -> Answer {
        let mut body = call.json()?;
        let records = input(&mut body)?;
        let how = self.how(&body, call)?;
        Ok(Reply::of(self.upsert_leads(&records, &how, now)).into())
    }

    /// `POST /rest/v1/leads/push`: the program it names is not looked at, there are none.
    pub(crate) fn push_leads(&mut self, call: &Call<'_>, now: i64) -> Answer {
        let mut body = call.json()?;
        let records = input(&mut body)?;
        if member(&body, "programName").is_none() {
            return Err(Reason::missing("programName"));
        }
        body.remove("action");
        let how = self.how(&body, call)?;
        Ok(Reply::of(self.upsert_leads(&records, &how, now)).into())
    }

    /// `POST /rest/v1/leads/{id}/associate`: links a cookie with a lead; there are no visits, so nothing follows.
    pub(crate) fn associate_lead(&self, id: &str, call: &Call<'_>) -> Answer {
        call.required("cookie")?;
        match id.parse().ok().and_then(|id| self.leads.by_id(id)) {
            Some(_) => Ok(Reply::default().into()),
            None => Err(Reason::no_lead(id)),
        }
    }

    fn upsert_leads(&mut self, records: &[Value], how: &How, now: i64) -> Vec<Value> {
        let mut result = Vec::with_capacity(records.len());
        for record in records {
            let done = match record.as_object() {
                Some(record) => self.upsert_lead(record, how, now),
                None => Err(Reason::new("1001", "Each input must be an object")),
            };
            result.push(match done {
                Ok((number, status)) => json!({"id": self.leads.id(number), "status": status.name()}),
                Err(reason) => Value::Object(reason.skipped()),
            });
        }
        result
    }

    fn how(&mut self, body: &Map<String, Value>, call: &Call<'_>) -> Result<How, Reason> {
        let action = Action::of(member(body, "action"))?;
        let lookup = self.lookup(member(body, "lookupField").unwrap_or("email"))?;
        let partition = member(body, "partitionName").map(|name| self.partition(name)).transpose()?;
        if partition.is_some() && action == Action::UpdateOnly {
            return Err(Reason::invalid("'partitionName' is only allowed with actions that create"));
        }
        let first = self.leads.next();
        let unseen = match self.options.upsert_race {
            true => (self.race_start(call).unwrap_or(first), first),
            false => (first, first),
        };
        Ok(How { action, lookup, partition, source: Source::Json, unseen })
    }

    /// The number the next lead had when this request came in.
    fn race_start(&mut self, call: &Call<'_>) -> Option<u32> {
        let key = fingerprint(&call.request.body[..]);
        let starts = self.races.get_mut(&key)?;
        let start = starts.pop();
        if starts.is_empty() {
            self.races.remove(&key);
        }
        start
    }

    /// The column of a lookup field: 1006 when there is none of that name, 1011 when it can't be one.
    pub(crate) fn lookup(&self, name: &str) -> Result<Column, Reason> {
        let column = self.column(Object::Leads, name).ok_or_else(|| Reason::new("1006", format!("Lookup field '{name}' not found")))?;
        let searchable = self.field(Object::Leads, column).is_some_and(|field| field.searchable);
        let allowed = column != self.columns.person || self.options.external_person_id_lookup;
        if searchable && allowed { Ok(column) } else { Err(Reason::unsupported(name)) }
    }
}
