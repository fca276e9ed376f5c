//! From a path and a method to the one thing that was asked for.

use base::Guid;
use emulator::Response;
use http::Method;

use super::Call;
use crate::{
    error::{Outcome, Refusal},
    odata::{
        query::{Link, link},
        uri::{Key, Segment, key},
    },
    row::Record,
    schema::Across,
    state::State,
};

/// Whether the row behind a key is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Located {
    Row(Guid),
    /// No row with this id.
    NoId(Guid),
    /// No row with these values of an alternate key.
    NoKey(Record),
}

/// Prefix of everything qualified.
pub(crate) const NAMESPACE: &str = "Microsoft.Dynamics.CRM.";

impl State {
    pub(crate) fn route(&mut self, call: &Call<'_>) -> Outcome<Response> {
        let Some(first) = call.segments.first() else { return Ok(self.service_document(call)) };
        if let Some(answer) = self.unbound(call, first) {
            return answer;
        }
        let set = first.name.as_str();
        let table = self.store.schema.find_set(set).ok_or_else(|| Refusal::no_segment(set))?;
        match (&first.arguments, call.segments.get(1), call.segments.get(2)) {
            (None, None, _) => self.collection(call, table),
            (None, Some(second), None) => self.collection_child(call, table, second),
            (Some(arguments), None, _) => {
                let located = self.locate(table, &key(arguments)?)?;
                self.row(call, table, &located, arguments)
            }
            (Some(arguments), Some(second), third) if call.segments.len() <= 3 => {
                let located = self.locate(table, &key(arguments)?)?;
                self.row_child(call, table, &located, second, third)
            }
            (_, Some(second), _) => Err(Refusal::no_segment(&second.name)),
        }
    }

    /// Functions, actions and metadata that belong to no row.
    fn unbound(&mut self, call: &Call<'_>, first: &Segment) -> Option<Outcome<Response>> {
        let name = first.name.strip_prefix(NAMESPACE).unwrap_or(&first.name);
        let get = call.request.method == Method::GET;
        let post = call.request.method == Method::POST;
        Some(match name {
            "$metadata" if get => Ok(self.csdl()),
            "WhoAmI" if get => Ok(self.who_am_i(call)),
            "RetrieveVersion" if get => Ok(self.version_answer(call)),
            "RetrieveTotalRecordCount" if get => self.total_record_count(call, first),
            "RetrieveMetadataChanges" if get => self.metadata_changes(call, first),
            "EntityDefinitions" => self.metadata(call),
            "GlobalOptionSetDefinitions" => self.option_sets(call, first),
            "RelationshipDefinitions" => self.relationships(call, first),
            "CreateEntities" if post => self.create_entities(call),
            "Merge" if post => self.merge_action(call),
            "WinOpportunity" if post => self.close_action(call, 1),
            "LoseOpportunity" if post => self.close_action(call, 2),
            "BulkDelete" if post => self.bulk_delete(call),
            "PublishXml" if post => self.publish(call),
            "PublishAllXml" if post => self.publish_all(),
            "$metadata"
            | "WhoAmI"
            | "RetrieveVersion"
            | "RetrieveTotalRecordCount"
            | "RetrieveMetadataChanges"
            | "CreateEntities"
            | "Merge"
            | "WinOpportunity"
            | "LoseOpportunity"
            | "BulkDelete"
            | "PublishXml"
            | "PublishAllXml" => {
                Err(Refusal::method(format!("The requested resource does not support http method '{}'.", call.request.method)))
            }
            _ => return None,
        })
    }

    fn collection(&mut self, call: &Call<'_>, table: usize) -> Outcome<Response> {
        match call.request.method {
            Method::GET => self.list(call, table, None),
            Method::POST => self.post(call, table),
            _ => Err(Refusal::method(format!("The requested resource does not support http method '{}'.", call.request.method))),
        }
    }

    fn collection_child(&mut self, call: &Call<'_>, table: usize, second: &Segment) -> Outcome<Response> {
        let name = second.name.as_str();
        let action = name.strip_prefix(NAMESPACE).unwrap_or(name);
        match (action, call.request.method == Method::POST) {
            ("$count", _) if call.request.method != Method::GET => {
                Err(Refusal::method(format!("The requested resource does not support http method '{}'.", call.request.method)))
            }
            ("$count", _) => self.count_only(call, table, None),
            ("CreateMultiple" | "UpdateMultiple" | "UpsertMultiple" | "DeleteMultiple", true) => self.bulk(call, table, action),
            _ => Err(Refusal::no_segment(name)),
        }
    }

    fn row_child(
        &mut self,
        call: &Call<'_>,
        table: usize,
        located: &Located,
        second: &Segment,
        third: Option<&Segment>,
    ) -> Outcome<Response> {
        let id = self.present(table, located)?;
        let name = second.name.as_str();
        let definition = self.store.schema.get(table).ok_or_else(|| Refusal::no_segment(name))?;
        let action = name.strip_prefix(NAMESPACE).unwrap_or(name);
        if call.request.method == Method::POST && third.is_none() && action == "QualifyLead" && definition.name == "lead" {
            return self.qualify_action(call, id);
        }
        if let Some(at) = definition.find_property(name) {
            return match third.map(|third| third.name.as_str()) {
                None => self.property(call, table, id, at),
                Some("$value") => self.property_value(table, id, at),
                Some(other) => Err(Refusal::no_segment(other)),
            };
        }
        let link = link(&self.store, definition, name).map_err(|_| Refusal::no_segment(name))?;
        match third.map(|third| third.name.as_str()) {
            Some("$ref") => self.refer(call, table, id, name, link, second),
            Some("$count") => match link {
                Link::Many(other, _) | Link::Across(Across { table: other, .. }) => {
                    self.count_only(call, other, Some(&link.rows(&self.store, id).into_iter().collect()))
                }
                Link::One(..) | Link::Principal(_) => Err(Refusal::no_segment("$count")),
            },
            Some(other) => Err(Refusal::no_segment(other)),
            None if call.request.method != Method::GET => Err(Refusal::method("Use $ref to change a relationship.")),
            None => self.neighbour(call, table, id, link),
        }
    }

    /// `GET /leads(id)/parentaccountid` or `GET /accounts(id)/contact_customer_accounts`.
    fn neighbour(&self, call: &Call<'_>, table: usize, id: Guid, link: Link) -> Outcome<Response> {
        let target = |column: u16| self.store.row(table, id).and_then(|row| row.get(column).as_ref());
        match link {
            Link::Many(other, _) | Link::Across(Across { table: other, .. }) => {
                self.list(call, other, Some(link.rows(&self.store, id).into_iter().collect()))
            }
            Link::One(column, to) => match target(column).filter(|(at, _)| *at == to) {
                Some((to, id)) => self.get_row(call, to, id),
                None => Ok(crate::headers::no_content()),
            },
            Link::Principal(column) => match target(column) {
                Some((to, id)) => self.get_row(call, to, id),
                None => Ok(crate::headers::no_content()),
            },
        }
    }

    /// The id behind a key, when the row is there.
    pub(crate) fn present(&self, table: usize, located: &Located) -> Outcome<Guid> {
        match located {
            Located::Row(id) => Ok(*id),
            Located::NoId(id) => Err(Refusal::no_row(self.table_name(table), id)),
            Located::NoKey(_) => {
                Err(Refusal::new(404, "0x80060891", "A record with the specified key values does not exist in the entity."))
            }
        }
    }

    /// Finds a row by its key.
    pub(crate) fn locate(&self, table: usize, key: &Key) -> Outcome<Located> {
        let definition = self.store.schema.get(table).ok_or_else(|| Refusal::no_segment("table"))?;
        let by_id = |id: Guid| if self.store.row(table, id).is_some() { Located::Row(id) } else { Located::NoId(id) };
        let named = match key {
            Key::Id(id) => return Ok(by_id(*id)),
            Key::Named(named) => named,
        };
        let principal = matches!(definition.name.as_str(), "systemuser" | "team");
        if let [(name, literal)] = named.as_slice() {
            let own = if principal { "ownerid" } else { definition.key_name() };
            if let (true, crate::odata::syntax::Literal::Guid(id)) = (name == own, literal) {
                return Ok(by_id(*id));
            }
        }
        let wrong = || {
            let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
            Refusal::query(format!(
                "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.{}'. Ensure that the names and number of key properties match the declared or alternate key properties for the resource '{}'. (sent: {})",
                definition.name,
                definition.name,
                names.join(",")
            ))
        };
        let mut cells = Record::new();
        for (name, literal) in named {
            let at = definition.find_property(name).ok_or_else(wrong)?;
            let column = definition.column(at).ok_or_else(wrong)?;
            let value = crate::odata::fit::fit_key(literal, column.kind)?;
            let value = match (value.as_guid(), column.targets.first()) {
                (Some(id), Some(to)) => self.reference(&to.table, id).unwrap_or(value),
                (Some(_) | None, _) => value,
            };
            cells.insert(at, value);
        }
        let found =
            definition.keys.iter().position(|key| key.columns.len() == cells.len() && key.columns.iter().all(|at| cells.contains_key(at)));
        let at = found.ok_or_else(wrong)?;
        let columns = definition.keys.get(at).map(|key| key.columns.as_slice()).unwrap_or_default();
        let values: Vec<_> = columns.iter().filter_map(|at| cells.get(at).cloned()).collect();
        Ok(match self.store.find_key(table, at, &values) {
            Some(id) => Located::Row(id),
            None => Located::NoKey(cells),
        })
    }
}
