//! Deleting companies, sales persons, opportunities and roles: never what is still in use.

use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::{Call, input, member},
    cell::View,
    log::kind,
    object_write::By,
    schema::Object,
    state::State,
    text::fold,
};

impl State {
    /// `POST {base}/delete`.
    pub(crate) fn delete_objects(&mut self, object: Object, call: &Call<'_>, now: i64) -> Answer {
        self.needs_no_native_crm(object, true)?;
        let mut body = call.json()?;
        let records = input(&mut body)?;
        let by = By::of(member(&body, "deleteBy"), "deleteBy")?;
        let mut result = Vec::with_capacity(records.len());
        for (seq, record) in records.iter().enumerate() {
            let mut entry = match self.delete_object(object, record, by, now) {
                Ok(id) => {
                    let mut entry = Map::new();
                    entry.insert(self.id_field(object).to_owned(), id);
                    entry.insert("status".into(), json!("deleted"));
                    entry
                }
                Err(reason) => reason.skipped(),
            };
            entry.insert("seq".into(), json!(seq));
            result.push(Value::Object(entry));
        }
        Ok(Reply::of(result).into())
    }

    fn delete_object(&mut self, object: Object, record: &Value, by: By, now: i64) -> Result<Value, Reason> {
        let record = record.as_object().ok_or_else(|| Reason::new("1001", "Each input must be an object"))?;
        let members = self.members(object, record)?;
        let number = match self.meant(object, &members, by)?.as_slice() {
            [] => return Err(Reason::of("1013")),
            [only] => *only,
            [_, _, ..] => return Err(Reason::new("1007", "Multiple objects match the key")),
        };
        if self.in_use(object, number) {
            return Err(Reason::of("1022"));
        }
        let id = self.id_value(object, number);
        self.remove_object(object, number, now);
        Ok(id)
    }

    /// Whether something refers to the record, so that Marketo refuses to delete it.
    fn in_use(&self, object: Object, number: u32) -> bool {
        let table = self.table(object);
        let key = table.key.first().and_then(|column| table.get(number)?.row.get(*column)).and_then(View::text);
        let Some(key) = key else { return false };
        let refers = |other: Object, name: &str| {
            let other = self.table(other);
            other.any(other.schema.find(name), key)
        };
        match object {
            Object::Leads | Object::Roles => false,
            Object::Opportunities => refers(Object::Roles, "externalOpportunityId"),
            Object::Companies => self.leads.any(Some(self.columns.company), key) || refers(Object::Opportunities, "externalCompanyId"),
            Object::SalesPersons => {
                self.leads.any(Some(self.columns.owner), key)
                    || refers(Object::Companies, "externalSalesPersonId")
                    || refers(Object::Opportunities, "externalSalesPersonId")
                    || self.departed_owners.contains(&*fold(key))
            }
        }
    }

    /// Takes a record out, whatever refers to it.
    pub(crate) fn remove_object(&mut self, object: Object, number: u32, now: i64) {
        if object == Object::Roles {
            self.log_role(number, kind::REMOVE_FROM_OPPORTUNITY, now, now);
        }
        let removed = self.table_mut(object).remove(number);
        if object == Object::Companies && self.options.deleted_company_holds_owner {
            let owner = removed
                .and_then(|record| Some(fold(record.row.get(self.companies.schema.find("externalSalesPersonId")?)?.text()?).into_owned()));
            self.departed_owners.extend(owner);
        }
    }
}
