//! Lead partitions: their names, and moving leads between them.

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Outcome, Reason, Reply},
    call::{Call, input, member},
    cell::{Cell, View},
    lead_write::WEB_SERVICE,
    log::{Detail, Facts, kind},
    state::State,
    value::whole,
};

impl State {
    /// `GET /rest/v1/leads/partitions`.
    pub(crate) fn list_partitions(&self) -> Outcome {
        let listed = self
            .options
            .partitions
            .iter()
            .enumerate()
            .map(|(at, name)| json!({"id": at + 1, "name": name, "description": "Lead partition"}));
        Reply::of(listed.collect()).into()
    }

    /// `POST /rest/v1/leads/partitions`: answered like a sync.
    pub(crate) fn move_leads(&mut self, call: &Call<'_>, now: i64) -> Answer {
        let mut body = call.json()?;
        let records = input(&mut body)?;
        // Unlike a sync, no partition is nobody's default here.
        let named = |record: &Value| record.as_object().is_none_or(|record| member(record, "partitionName").is_some());
        if !records.iter().all(named) {
            return Err(Reason::of("1009"));
        }
        let result = records.iter().map(|record| match self.move_lead(record, now) {
            Ok(id) => json!({"id": id, "status": "updated"}),
            Err(reason) => Value::Object(reason.skipped()),
        });
        Ok(Reply::of(result.collect()).into())
    }

    fn move_lead(&mut self, record: &Value, now: i64) -> Result<i64, Reason> {
        let record = record.as_object().ok_or_else(|| Reason::new("1001", "Each input must be an object"))?;
        let id = record.get("id").ok_or_else(|| Reason::missing("id"))?;
        let partition = self.partition(member(record, "partitionName").ok_or_else(|| Reason::missing("partitionName"))?)?;
        let number = whole(id).and_then(|id| self.leads.by_id(id)).ok_or_else(|| Reason::no_lead(id))?;
        let id = self.leads.id(number);
        let old = self.leads.get(number).and_then(|lead| lead.row.get(self.columns.partition)).and_then(View::int);
        if old == Some(partition) {
            return Ok(id);
        }
        self.change_lead(number, &[(self.columns.partition, Some(Cell::Int(partition)))], WEB_SERVICE, now);
        let mut attributes = vec![("Source", json!(WEB_SERVICE))];
        attributes.extend(old.map(|old| ("Old Partition ID", json!(old))));
        let facts = Facts { value_id: Some(partition), value: None, attributes };
        self.log.push(id, kind::CHANGE_PARTITION, now, now, Detail::Facts(Box::new(facts)));
        Ok(id)
    }

    /// The id of a partition: 1008 for a name that isn't one.
    pub(crate) fn partition(&self, name: &str) -> Result<i64, Reason> {
        let at = self.options.partitions.iter().position(|known| known.eq_ignore_ascii_case(name));
        let id = at.and_then(|at| i64::try_from(at + 1).ok());
        id.ok_or_else(|| Reason::new("1008", format!("Lead partition '{name}' access not allowed")))
    }
}
