//! `$metadata`: the tables as CSDL, with the functions and actions served here.

use std::fmt::Write as _;

use emulator::Response;

use crate::{
    odata::fit::edm,
    schema::{Column, Kind, Table},
    state::State,
};

const HEAD: &str = r#"<?xml version="1.0" encoding="utf-8"?><edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices><Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm"><EntityType Name="crmbaseentity" Abstract="true" /><EntityType Name="principal" BaseType="mscrm.crmbaseentity"><Key><PropertyRef Name="ownerid" /></Key><Property Name="ownerid" Type="Edm.Guid" /></EntityType>"#;

const OPERATIONS: &str = r#"<ComplexType Name="WhoAmIResponse"><Property Name="BusinessUnitId" Type="Edm.Guid" Nullable="false" /><Property Name="UserId" Type="Edm.Guid" Nullable="false" /><Property Name="OrganizationId" Type="Edm.Guid" Nullable="false" /></ComplexType><Function Name="WhoAmI"><ReturnType Type="mscrm.WhoAmIResponse" Nullable="false" /></Function><Action Name="QualifyLead" IsBound="true"><Parameter Name="entity" Type="mscrm.lead" Nullable="false" /><Parameter Name="CreateAccount" Type="Edm.Boolean" Nullable="false" /><Parameter Name="CreateContact" Type="Edm.Boolean" Nullable="false" /><Parameter Name="CreateOpportunity" Type="Edm.Boolean" Nullable="false" /><Parameter Name="Status" Type="Edm.Int32" Nullable="false" /><ReturnType Type="Collection(mscrm.crmbaseentity)" Nullable="false" /></Action><Action Name="Merge"><Parameter Name="Target" Type="mscrm.crmbaseentity" Nullable="false" /><Parameter Name="Subordinate" Type="mscrm.crmbaseentity" Nullable="false" /><Parameter Name="UpdateContent" Type="mscrm.crmbaseentity" /><Parameter Name="PerformParentingChecks" Type="Edm.Boolean" Nullable="false" /></Action><Action Name="WinOpportunity"><Parameter Name="OpportunityClose" Type="mscrm.opportunityclose" Nullable="false" /><Parameter Name="Status" Type="Edm.Int32" Nullable="false" /></Action><Action Name="LoseOpportunity"><Parameter Name="OpportunityClose" Type="mscrm.opportunityclose" Nullable="false" /><Parameter Name="Status" Type="Edm.Int32" Nullable="false" /></Action>"#;

impl State {
    /// `GET /$metadata`.
    pub(crate) fn csdl(&self) -> Response {
        let mut out = String::from(HEAD);
        for (_, table) in self.store.schema.tables() {
            self.entity_type(&mut out, table);
        }
        out.push_str(OPERATIONS);
        out.push_str("<EntityContainer Name=\"System\">");
        for (_, table) in self.store.schema.tables() {
            let _ = write!(out, "<EntitySet Name=\"{}\" EntityType=\"Microsoft.Dynamics.CRM.{}\">", table.set, table.name);
            for (_, column) in table.columns().filter(|(_, column)| column.kind != Kind::Owner && !column.internal) {
                for to in &column.targets {
                    let set =
                        self.store.schema.find(&to.table).and_then(|at| self.store.schema.get(at)).map_or("", |table| table.set.as_str());
                    let _ = write!(out, "<NavigationPropertyBinding Path=\"{}\" Target=\"{set}\" />", to.nav);
                }
            }
            let _ = write!(
                out,
                "<Annotation Term=\"Org.OData.Capabilities.V1.ChangeTracking\"><Record><PropertyValue Property=\"Supported\" Bool=\"{}\" /></Record></Annotation>",
                table.tracked
            );
            out.push_str("</EntitySet>");
        }
        out.push_str("<FunctionImport Name=\"WhoAmI\" Function=\"Microsoft.Dynamics.CRM.WhoAmI\" />");
        for action in ["Merge", "WinOpportunity", "LoseOpportunity"] {
            let _ = write!(out, "<ActionImport Name=\"{action}\" Action=\"Microsoft.Dynamics.CRM.{action}\" />");
        }
        out.push_str("</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>");
        Response::new(200, "application/xml", out).with("odata-version", "4.0")
    }

    fn entity_type(&self, out: &mut String, table: &Table) {
        let principal = matches!(table.name.as_str(), "systemuser" | "team");
        let parent = if principal { "principal" } else { "crmbaseentity" };
        let _ = write!(out, "<EntityType Name=\"{}\" BaseType=\"mscrm.{parent}\">", table.name);
        if !principal {
            let _ = write!(out, "<Key><PropertyRef Name=\"{}\" /></Key>", table.key_name());
        }
        for (_, column) in table.columns().filter(|(_, column)| column.readable) {
            property(out, column);
        }
        for (_, column) in table.columns().filter(|(_, column)| !column.internal) {
            for to in column.targets.iter().take(if column.kind == Kind::Owner { 1 } else { usize::MAX }) {
                let kind = if column.kind == Kind::Owner { "principal" } else { to.table.as_str() };
                let _ = write!(out, "<NavigationProperty Name=\"{}\" Type=\"mscrm.{kind}\" Nullable=\"false\">", to.nav);
                let key = self.store.schema.find(&to.table).and_then(|at| self.store.schema.get(at)).map_or("", Table::key_name);
                let key = if column.kind == Kind::Owner { "ownerid" } else { key };
                let _ = write!(
                    out,
                    "<ReferentialConstraint Property=\"{}\" ReferencedProperty=\"{key}\" /></NavigationProperty>",
                    column.property()
                );
            }
        }
        for (many, other, _) in self.store.schema.collections(&table.name) {
            let _ = write!(out, "<NavigationProperty Name=\"{many}\" Type=\"Collection(mscrm.{})\" />", self.table_name(other));
        }
        for (_, (near, far)) in self.store.schema.directions(&table.name) {
            let _ = write!(out, "<NavigationProperty Name=\"{}\" Type=\"Collection(mscrm.{})\" />", near.nav, far.table);
        }
        out.push_str("</EntityType>");
    }
}

fn property(out: &mut String, column: &Column) {
    let _ = write!(out, "<Property Name=\"{}\" Type=\"{}\"", column.property(), edm(column.kind));
    match column.kind {
        Kind::Text(max) | Kind::Memo(max) => {
            let _ = write!(out, " Unicode=\"true\" MaxLength=\"{max}\"");
        }
        Kind::Money(..) => out.push_str(" Scale=\"Variable\""),
        Kind::Integer(..)
        | Kind::BigInt
        | Kind::Double(_)
        | Kind::Decimal(_)
        | Kind::Boolean
        | Kind::Choice
        | Kind::State
        | Kind::Status
        | Kind::DateTime
        | Kind::DateOnly
        | Kind::Guid
        | Kind::Key
        | Kind::Lookup
        | Kind::Customer
        | Kind::Owner
        | Kind::EntityName => {}
    }
    out.push_str(" />");
}
