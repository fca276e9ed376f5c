//! The field map of one table: written by people, compiled once and checked against both sides' metadata.

use std::collections::{BTreeMap, BTreeSet};

use base::{Object, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Row,
    convert::{Converted, convert},
    defaults::defaults,
    expression::Compiler,
    fingerprint::Slots,
    known::{Before, KnownFields, SchemaNews},
    known_map::Build,
    schema::{Column, Columns, TargetField, TargetSchema, nearest},
    source::Source,
};

/// Fields that the bridge itself writes; no map may name them.
pub const LINK_FIELDS: [&str; 4] = ["externalSalesPersonId", "externalCompanyId", "externalOpportunityId", "externalPersonId"];

// Rule R5.
/// Who decides about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// Dynamics: every change there is sent. An edit in Marketo stays until the next change in Dynamics.
    #[default]
    Crm,
    /// Marketo: sent when the record is created, and never again.
    Marketo,
    /// Whoever comes first: sent only where Marketo has nothing.
    Fill,
}

/// Where the value of a Marketo field comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write a column's name, false, or one source and perhaps an owner, as { cel = \"…\", owner = \"fill\" }")]
#[schemars(rename = "FieldSource")]
pub enum FieldSpec {
    /// This field is not sent, although it is a default.
    Off(#[schemars(extend("const" = false))] bool),
    /// A column by its logical name. A choice is sent as its number.
    Column(String),
    /// Another source, or another owner.
    Detailed(DetailedSpec),
}

/// A source by its kind, and who decides. Exactly one of `column`, `label`, `constant` and `cel` must be given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "DetailedFieldSource",
    extend("oneOf" = [{ "required": ["column"] }, { "required": ["label"] }, { "required": ["constant"] }, { "required": ["cel"] }])
)]
pub struct DetailedSpec {
    /// A column by its logical name. A choice is sent as its number.
    pub column: Option<String>,
    /// A choice column, sent as its label; several choices are joined with `;`.
    pub label: Option<String>,
    /// A fixed value: a text, number or boolean.
    #[schemars(extend("type" = ["string", "number", "boolean"]))]
    pub constant: Option<Value>,
    /// An expression in CEL, the Common Expression Language. Every column is a variable of its name; `<column>_label` is a choice's label.
    pub cel: Option<String>,
    /// Who decides about the field.
    #[serde(default)]
    pub owner: Owner,
}

/// Fields that say what somebody doesn't want. Consent goes one way: we send only true, and never clear it (rule R5).
const CONSENT_FIELDS: [&str; 2] = ["unsubscribed", "doNotCall"];

/// Something in a map that doesn't fit the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MapProblem {
    /// The table.
    pub table: Table,
    /// The Marketo field of the entry.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// One field of a compiled map.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The Marketo field.
    pub target: TargetField,
    /// Where its value comes from.
    pub source: Source,
    /// Who decides.
    pub owner: Owner,
    /// Where its fingerprint is kept.
    pub slot: u8,
    /// Greater lengths of the field under which values may have been confirmed.
    pub lengths: Vec<u32>,
}

impl Rule {
    /// Whether the field is about consent, wherever its value comes from.
    #[must_use]
    pub fn is_consent(&self) -> bool {
        CONSENT_FIELDS.iter().any(|field| self.target.name.eq_ignore_ascii_case(field))
    }
}

/// A compiled map: every column exists and can be read, every field exists and can be written.
#[derive(Debug, Clone)]
pub struct FieldMap {
    /// The table.
    pub table: Table,
    /// What its rows become.
    pub object: Object,
    /// The fields, by name.
    pub rules: Vec<Rule>,
    /// The slot of the owner link.
    pub owner_slot: u8,
    /// The slot of the company link.
    pub company_slot: u8,
    pub(crate) columns: Columns,
    /// Columns of fields that are stopped and can be read all the same: a listing that names them goes on.
    also: BTreeSet<String>,
    text: String,
}

/// What a map is compiled against.
#[derive(Debug, Clone, Copy)]
pub struct MapContext<'a> {
    /// The table's columns.
    pub columns: &'a Columns,
    /// Secured columns that the operator says can be read.
    pub readable_secured: &'a BTreeSet<String>,
    /// The object's fields.
    pub target: &'a TargetSchema,
    /// The fields of Marketo's company, which must not be sent with a person (rule R7).
    pub company: &'a TargetSchema,
    /// What is known from before; none where nothing may be told from that.
    pub before: Option<Before<'a>>,
}

/// A compiled map with what was noticed on the way.
#[derive(Debug)]
pub struct Compiled {
    /// The map.
    pub map: FieldMap,
    /// Defaults that were left out, and why.
    pub notes: Vec<MapProblem>,
    /// Its fields as they last fitted, those that are stopped among them.
    pub known: KnownFields,
    /// What has changed since the map was last compiled: the Marketo field, and what became of it or of its column.
    pub news: Vec<(String, SchemaNews)>,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapped {
    /// Each field's value; a field whose value was lost is absent, which changes nothing.
    pub fields: BTreeMap<String, Value>,
    /// Fields that were cut to the target's length.
    pub cut: Vec<String>,
    /// Fields whose value has no form in the target's type, and why.
    pub lost: Vec<(String, String)>,
}

impl FieldMap {
    /// Compiles a table's map: the defaults, changed by `specs`.
    ///
    /// # Errors
    /// Every entry of the configuration that doesn't fit, and every mapped column that is secured.
    pub fn compile(
        table: Table,
        object: Object,
        specs: &BTreeMap<String, FieldSpec>,
        context: MapContext<'_>,
        slots: &mut Slots,
    ) -> Result<Compiled, Vec<MapProblem>> {
        let mut build = Build::new(table, object, context);
        for (field, source) in defaults(table) {
            if !specs.keys().any(|name| name.eq_ignore_ascii_case(field)) {
                let mark = build.mark();
                build.default_rule(field, &source, slots);
                build.settle(field, None, mark);
            }
        }
        let compiler = Compiler::default();
        for (field, spec) in specs {
            let mark = build.mark();
            build.configured_rule(field, spec, &compiler, slots);
            build.settle(field, Some(spec), mark);
        }
        let mut slot = |name| slots.slot(name).unwrap_or(u8::MAX);
        let (owner_slot, company_slot) = (slot("externalSalesPersonId"), slot("externalCompanyId"));
        if !build.problems.is_empty() {
            return Err(build.problems);
        }
        let Build { rules, notes, also, texts, known, news, .. } = build;
        let (columns, text) = (context.columns.clone(), texts.join("\n"));
        Ok(Compiled { map: Self { table, object, rules, owner_slot, company_slot, columns, also, text }, notes, known, news })
    }

    /// The columns that the map reads.
    #[must_use]
    pub fn select(&self) -> BTreeSet<String> {
        self.rules.iter().flat_map(|rule| rule.source.columns()).chain(self.also.iter().cloned()).collect()
    }

    /// A row's fields in Marketo's types.
    #[must_use]
    pub fn map(&self, row: Row<'_>) -> Mapped {
        let mut mapped = Mapped::default();
        for rule in &self.rules {
            let name = &rule.target.name;
            let value = match rule.source.value(row, &self.columns) {
                Ok(value) => value,
                Err(why) => {
                    mapped.lost.push((name.clone(), why));
                    continue;
                }
            };
            match convert(&value, &rule.target) {
                Converted::Whole(value) => {
                    let value = if rule.is_consent() && value != Value::Bool(true) { Value::Null } else { value };
                    mapped.fields.insert(name.clone(), value);
                }
                Converted::Cut(value) => {
                    mapped.fields.insert(name.clone(), value);
                    mapped.cut.push(name.clone());
                }
                Converted::Lost(why) => mapped.lost.push((name.clone(), why.to_owned())),
            }
        }
        self.synthesise_name(row, &mut mapped);
        mapped
    }

    /// An opportunity's name must not be null in Marketo: a blank one is made of its id.
    fn synthesise_name(&self, row: Row<'_>, mapped: &mut Mapped) {
        if self.object == Object::Opportunity
            && mapped.fields.get("name").is_some_and(|name| name.as_str().is_none_or(|name| name.trim().is_empty()))
            && let Some(id) = row.guid("opportunityid")
        {
            mapped.fields.insert("name".into(), Value::String(format!("Opportunity {:.8}", id.to_string())));
        }
    }

    /// What changes when the map does, or a label that it sends: equal maps make equal texts. That a field is stopped or shorter changes nothing yet;
    /// that it is back, or longer again, does.
    #[must_use]
    pub fn describe(&self) -> &str {
        &self.text
    }
}

impl Build<'_> {
    fn default_rule(&mut self, field: &str, source: &Source, slots: &mut Slots) {
        let there = |column: &str| self.context.columns.get(column).is_some_and(|column| column.readable);
        let Some(target) = self.context.target.field(field).filter(|target| self.writable_here(target)) else {
            return self
                .note(field, format!("not sent by default: Marketo's {} has no such field that can be written", self.object.name()));
        };
        let Some(source) = source.limited_to(&there) else {
            return self.note(field, format!("not sent by default: Dynamics has no column {}", source.columns().join(", ")));
        };
        let target = target.clone();
        self.rule(field, target, source, Owner::Crm, slots);
    }

    fn configured_rule(&mut self, field: &str, spec: &FieldSpec, compiler: &Compiler, slots: &mut Slots) {
        let (source, owner) = match spec {
            FieldSpec::Off(false) => return,
            FieldSpec::Off(true) => {
                return self.problem(field, "true is not a source; write a column's name, or false to leave the field out".into());
            }
            FieldSpec::Column(column) => (Source::Column(column.clone()), Owner::Crm),
            FieldSpec::Detailed(spec) => match self.detailed(field, spec, compiler) {
                Some(source) => (source, spec.owner),
                None => return,
            },
        };
        let Some(target) = self.target(field) else { return };
        if source.columns().iter().filter(|column| !self.column_is_usable(field, column)).count() == 0 {
            self.rule(field, target, source, owner, slots);
        }
    }

    fn detailed(&mut self, field: &str, spec: &DetailedSpec, compiler: &Compiler) -> Option<Source> {
        let DetailedSpec { column, label, constant, cel, .. } = spec;
        let source = match (column, label, constant, cel) {
            (Some(column), None, None, None) => Source::Column(column.clone()),
            (None, Some(column), None, None) => Source::Label(column.clone()),
            (None, None, Some(value), None) => Source::Constant(value.clone()),
            (None, None, None, Some(text)) => match compiler.compile(text, self.context.columns) {
                Ok(expression) => Source::Expression(Box::new(expression)),
                Err(why) => {
                    self.problem(field, format!("its expression {why}"));
                    return None;
                }
            },
            (_, _, _, _) => {
                self.problem(field, "exactly one of column, label, constant and cel must be given".into());
                return None;
            }
        };
        Some(source)
    }

    fn target(&mut self, field: &str) -> Option<TargetField> {
        let object = self.object.name();
        if LINK_FIELDS.iter().any(|link| link.eq_ignore_ascii_case(field)) {
            self.problem(field, "the bridge itself writes this key; remove the entry".into());
            return None;
        }
        let Some(target) = self.context.target.field(field) else {
            let known = self.context.target.fields().filter(|target| self.writable_here(target)).map(|target| target.name.as_str());
            let hint = nearest(field, known).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            self.problem(field, format!("Marketo's {object} has no field of this name{hint}"));
            return None;
        };
        if !target.updateable && !self.is_sent_all_the_same(target) {
            self.problem(field, format!("Marketo doesn't let this field of its {object} be written; remove the entry"));
            return None;
        }
        if !self.writable_here(target) {
            self.problem(
                field,
                "belongs to Marketo's company, which every person of that company shares; map it under [fields.account]".into(),
            );
            return None;
        }
        Some(target.clone())
    }

    /// Company-type fields never go in lead records (rule R7).
    pub(crate) fn writable_here(&self, target: &TargetField) -> bool {
        let of_company = self.object == Object::Lead && self.context.company.field(&target.name).is_some();
        (target.updateable || self.is_sent_all_the_same(target)) && !of_company && !LINK_FIELDS.contains(&target.name.as_str())
    }

    /// Adobe's sample describe calls a sales person's e-mail not updateable, and its own upsert sample sends it: MSI joins on it, so that
    /// it is always sent, and a refusal to change it is told by Marketo itself (rule R6).
    pub(crate) fn is_sent_all_the_same(&self, target: &TargetField) -> bool {
        self.object == Object::SalesPerson && target.name.eq_ignore_ascii_case("email")
    }

    fn column_is_usable(&mut self, field: &str, name: &str) -> bool {
        let table = self.table;
        let message = match self.context.columns.get(name) {
            None => {
                let hint = nearest(name, self.context.columns.keys().map(String::as_str));
                let hint = hint.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                format!("Dynamics' table {table} has no column {name}{hint}")
            }
            Some(Column { readable: false, .. }) => format!("column {name} of {table} can't be read through the Web API; map another one"),
            Some(_) => return true,
        };
        self.problem(field, message);
        false
    }

    fn rule(&mut self, field: &str, target: TargetField, source: Source, owner: Owner, slots: &mut Slots) {
        let secured = source.columns().into_iter().find(|column| {
            self.context.columns.get(column).is_some_and(|column| column.secured) && !self.context.readable_secured.contains(column)
        });
        if let Some(column) = secured {
            return self.problem(
                field,
                format!(
                    "column {column} of {table} is under field security, and would read as empty without permission; give the application \
                     user a field security profile that reads it and list \"{table}.{column}\" in dynamics.readable_secured_columns, or \
                     turn the field off with {field} = false",
                    table = self.table
                ),
            );
        }
        match slots.slot(&target.name) {
            Ok(slot) => self.rules.push(Rule { target, source, owner, slot, lengths: Vec::new() }),
            Err(error) => self.problem(field, error.to_string()),
        }
    }

    fn note(&mut self, field: &str, message: String) {
        self.notes.push(MapProblem { table: self.table, field: field.to_owned(), message });
    }

    fn problem(&mut self, field: &str, message: String) {
        self.problems.push(MapProblem { table: self.table, field: field.to_owned(), message });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{ColumnKind, DataKind};

    fn columns(secured: &str) -> Columns {
        ["firstname", "emailaddress1", "jobtitle", "donotemail"]
            .map(|name| {
                let kind = if name == "donotemail" { ColumnKind::Boolean } else { ColumnKind::Text };
                let column = Column {
                    name: name.into(),
                    labels: vec![],
                    kind,
                    max_length: Some(100),
                    options: vec![],
                    readable: true,
                    updatable: true,
                    secured: name == secured,
                };
                (name.to_owned(), column)
            })
            .into()
    }

    fn schema(names: &[(&str, DataKind)]) -> TargetSchema {
        TargetSchema::new(names.iter().map(|(name, kind)| TargetField {
            name: (*name).into(),
            kind: *kind,
            label: None,
            length: Some(10),
            updateable: *name != "leadScore",
        }))
    }

    fn compile(specs: &str, secured: &str) -> Result<Compiled, Vec<String>> {
        let specs: BTreeMap<String, FieldSpec> = serde_json::from_str(specs).unwrap();
        let lead = schema(&[
            ("email", DataKind::Email),
            ("firstName", DataKind::String),
            ("title", DataKind::String),
            ("company", DataKind::String),
            ("leadScore", DataKind::Integer),
            ("unsubscribed", DataKind::Boolean),
        ]);
        let company = schema(&[("company", DataKind::String)]);
        let context =
            MapContext { columns: &columns(secured), readable_secured: &BTreeSet::new(), target: &lead, company: &company, before: None };
        FieldMap::compile(Table::Contact, Object::Lead, &specs, context, &mut Slots::default())
            .map_err(|problems| problems.into_iter().map(|p| format!("{}: {}", p.field, p.message)).collect())
    }

    #[test]
    fn defaults_apply_and_rows_are_mapped() {
        let map = compile(r#"{"title": {"cel": "upper(jobtitle)"}}"#, "").unwrap().map;
        let row = json!({"firstname": "Jacqueline-Marie", "emailaddress1": "j@x.test", "jobtitle": "cto", "donotemail": true});
        let mapped = map.map(Row(&row.as_object().unwrap().clone().into()));
        let expected = json!({"email": "j@x.test", "firstName": "Jacqueline", "title": "CTO", "unsubscribed": true});
        assert_eq!(json!(mapped.fields), expected);
        assert_eq!(mapped.cut, ["firstName"]);
    }

    #[test]
    fn a_sales_persons_email_is_sent_whatever_describe_says() {
        let email = TargetField { name: "email".into(), kind: DataKind::Email, label: None, length: Some(255), updateable: false };
        let mut columns = columns("");
        let mut column = columns["emailaddress1"].clone();
        column.name = "internalemailaddress".into();
        columns.insert(column.name.clone(), column);
        let (target, none) = (TargetSchema::new([email]), TargetSchema::default());
        let context = MapContext { columns: &columns, readable_secured: &BTreeSet::new(), target: &target, company: &none, before: None };
        let compiled = FieldMap::compile(Table::SystemUser, Object::SalesPerson, &BTreeMap::new(), context, &mut Slots::default());
        assert_eq!(compiled.unwrap().map.rules.len(), 1);
    }

    #[test]
    fn an_expression_that_fails_for_a_row_loses_only_that_field() {
        let map = compile(r#"{"title": {"cel": "upper(jobtitle)"}}"#, "").unwrap().map;
        let mapped = map.map(Row(&json!({"firstname": "Jo"}).as_object().unwrap().clone().into()));
        assert!(!mapped.fields.contains_key("title"));
        assert_eq!(mapped.lost.len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let told = |specs: &str, secured: &str| compile(specs, secured).map(|_| ()).unwrap_err().join("\n");
        assert!(told(r#"{"titel": "jobtitle"}"#, "").contains("did you mean title?"));
        assert!(told(r#"{"title": "jobtitel"}"#, "").contains("did you mean jobtitle?"));
        assert!(told(r#"{"leadScore": "jobtitle"}"#, "").contains("doesn't let this field"));
        assert!(told(r#"{"company": "jobtitle"}"#, "").contains("[fields.account]"));
        assert!(told(r#"{"externalpersonid": "jobtitle"}"#, "").contains("the bridge itself"));
        assert!(told(r#"{"title": {"owner": "fill"}}"#, "").contains("exactly one"));
        assert!(told("{}", "emailaddress1").contains("contact.emailaddress1"));
    }
}
