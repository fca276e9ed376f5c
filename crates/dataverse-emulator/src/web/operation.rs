//! Short names of what a request asks for, by which faults are aimed.
//!
//! `token`, `discovery`, `whoami`, `batch`, `metadata`, `service`, and for rows the table's logical name with a verb: `lead.list`,
//! `lead.changes`, `lead.get`, `lead.count`, `lead.create`, `lead.update`, `lead.delete`, `lead.create_multiple`, `lead.update_multiple`,
//! `lead.upsert_multiple`, `lead.qualify`, `opportunity.win`, `opportunity.lose`, `merge`.

use emulator::Request;

use super::split_version;
use crate::{
    headers::Preferences,
    odata::uri::{Options, segments},
    state::State,
};

impl State {
    pub(crate) fn operation_of(&self, request: &Request) -> String {
        let Some((_, rest)) = split_version(&request.path) else {
            let token = request.path.ends_with("/token");
            return if token { "token" } else { "discovery" }.to_owned();
        };
        let segments = segments(rest);
        let Some(first) = segments.first() else { return "service".to_owned() };
        let fixed = match first.name.as_str() {
            "$batch" => Some("batch"),
            "$metadata" => Some("metadata"),
            "WhoAmI" => Some("whoami"),
            "Merge" => Some("merge"),
            "WinOpportunity" => Some("opportunity.win"),
            "LoseOpportunity" => Some("opportunity.lose"),
            "RetrieveTotalRecordCount" => Some("total_count"),
            "CreateEntities" | "EntityDefinitions" | "RelationshipDefinitions" | "GlobalOptionSetDefinitions" => Some("metadata"),
            name if name.starts_with("RetrieveMetadata") => Some("metadata"),
            _ => None,
        };
        if let Some(fixed) = fixed {
            return fixed.to_owned();
        }
        let table = self.store.schema.find_set(&first.name).map_or(first.name.as_str(), |at| self.table_name(at));
        let last = segments.last().map_or("", |segment| segment.name.as_str());
        let verb = match (last.strip_prefix("Microsoft.Dynamics.CRM.").unwrap_or(last), request.method.as_str()) {
            ("CreateMultiple", _) => "create_multiple",
            ("UpdateMultiple", _) => "update_multiple",
            ("UpsertMultiple", _) => "upsert_multiple",
            ("QualifyLead", _) => "qualify",
            ("$count", _) => "count",
            (_, "GET") if first.arguments.is_some() => "get",
            (_, "GET") if tracked(request) => "changes",
            (_, "GET") => "list",
            (_, "POST") => "create",
            (_, "DELETE") => "delete",
            _ => "update",
        };
        format!("{table}.{verb}")
    }
}

fn tracked(request: &Request) -> bool {
    let options = Options::parse(&request.query);
    Preferences::of(request).track_changes
        || options.get("$deltatoken").is_some()
        || options.get("$skiptoken").is_some_and(|token| token.contains("istracking=\"True\""))
}
