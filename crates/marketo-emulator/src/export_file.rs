//! The content of an extract: one line per lead or activity, `null` where there is nothing.

use serde_json::{Map, Value};

use crate::{
    delimited::Sheet,
    export::{Job, Source},
    log::{Entry, kind},
    route::Extract,
    state::State,
    value::time,
};

impl State {
    /// A job's file and the number of its records.
    pub(crate) fn extracted(&self, job: &Job) -> (Vec<u8>, usize) {
        let mut sheet = Sheet::new(job.format);
        sheet.line(job.columns.iter().map(|(title, _)| title));
        let records = match job.extract {
            Extract::Leads => self.extract_leads(job, &mut sheet),
            Extract::Activities => self.extract_activities(job, &mut sheet),
            Extract::ProgramMembers => 0,
        };
        (sheet.into_bytes(), records)
    }

    fn extract_leads(&self, job: &Job, sheet: &mut Sheet) -> usize {
        let columns: Vec<_> =
            job.columns.iter().filter_map(|(_, source)| if let Source::Field(column) = source { Some(*column) } else { None }).collect();
        let mut count = 0;
        for (number, record) in self.leads.iter() {
            let at = if job.filter.by_change { record.changed } else { record.created };
            let member = |list: i64| self.lists.rows.get(&list).is_some_and(|list| list.members.contains(&self.leads.id(number)));
            if at < job.filter.from || at > job.filter.to || !job.filter.list.is_none_or(member) {
                continue;
            }
            let shown = self.show_lead(number, &columns, &[], false);
            let cells = columns.iter().map(|column| {
                let name = self.leads.schema.field(*column).map_or("", |field| field.name.as_str());
                shown.get(name).map_or_else(|| "null".to_owned(), text)
            });
            sheet.line(cells);
            count += 1;
        }
        count
    }

    fn extract_activities(&self, job: &Job, sheet: &mut Sheet) -> usize {
        let mut count = 0;
        for entry in self.log.since(job.filter.from) {
            let kind_wanted = job.filter.kinds.is_empty() || job.filter.kinds.contains(&entry.kind);
            if entry.at < job.filter.from || entry.at > job.filter.to || !kind_wanted || entry.kind == kind::DELETE_LEAD {
                continue;
            }
            for at in 0..entry.width() {
                let cells = self.activity_cells(entry, at);
                let cell = |source: &Source| match source {
                    Source::Activity(name) => cells.get(*name).map_or_else(|| "null".to_owned(), text),
                    Source::Field(_) | Source::Nothing => "null".to_owned(),
                };
                sheet.line(job.columns.iter().map(|(_, source)| cell(source)));
                count += 1;
            }
        }
        count
    }

    fn activity_cells(&self, entry: &Entry, at: u64) -> Map<String, Value> {
        let (value_id, value, facts) = self.facts(entry, usize::try_from(at).unwrap_or(0));
        let attributes: Map<String, Value> = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut cells = Map::new();
        cells.insert("marketoGUID".into(), (entry.first + at).to_string().into());
        cells.insert("leadId".into(), self.log.owner(entry.lead).into());
        cells.insert("activityDate".into(), time(entry.at, &self.options).into());
        cells.insert("activityTypeId".into(), entry.kind.into());
        cells.insert("attributes".into(), Value::Object(attributes).to_string().into());
        if let Some(value_id) = value_id {
            cells.insert("primaryAttributeValueId".into(), value_id.into());
        }
        if let Some(value) = value {
            cells.insert("primaryAttributeValue".into(), value.into());
        }
        cells
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
