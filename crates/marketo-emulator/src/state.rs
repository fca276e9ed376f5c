//! The whole subscription as one value.

use std::collections::{BTreeSet, HashMap};

use base::Timestamp;

use crate::{
    export::Exports,
    import::Imports,
    lag::Lag,
    limits::Gate,
    lists::Lists,
    log::Log,
    options::{Options, RelativeScoreName, UrgencyName},
    person::Columns,
    schema::{Column, Field, Object},
    standard,
    table::Table,
    text::floor,
    tokens::Tokens,
};

/// A Marketo subscription: its records, activities, jobs, tokens and counters.
///
/// Serve it through [`emulator::Emulator`]; fill, change and inspect it through its own methods, which cost no calls and obey no limits.
/// With the same requests at the same times it gives the same answers.
#[derive(Debug)]
pub struct State {
    pub(crate) options: Options,
    pub(crate) leads: Table,
    pub(crate) companies: Table,
    pub(crate) sales_persons: Table,
    pub(crate) opportunities: Table,
    pub(crate) roles: Table,
    pub(crate) columns: Columns,
    pub(crate) log: Log,
    pub(crate) gate: Gate,
    pub(crate) tokens: Tokens,
    pub(crate) lag: Lag,
    pub(crate) lists: Lists,
    pub(crate) imports: Imports,
    pub(crate) exports: Exports,
    /// Folded keys of sales persons that deleted companies still hang on.
    pub(crate) departed_owners: BTreeSet<String>,
    /// By body of an admitted sync: the lead number from which on it sees nothing.
    pub(crate) races: HashMap<u64, Vec<u32>>,
    /// When the instance was set up, in seconds since the epoch.
    pub(crate) born: i64,
    pub(crate) serial: u64,
    /// How often it was reset.
    pub(crate) resets: u64,
}

impl State {
    /// A fresh, empty subscription.
    #[must_use]
    pub fn new(options: Options, now: Timestamp) -> Self {
        let table = |object, key: &[&str], indexed: &[&str]| Table::new(object, standard::schema(object), key, indexed);
        let leads = table(Object::Leads, &[], &["email", "externalPersonId", "externalCompanyId", "externalSalesPersonId"]);
        Self {
            columns: Columns::of(&leads.schema),
            leads,
            companies: table(Object::Companies, &["externalCompanyId"], &["externalSalesPersonId", "company"]),
            sales_persons: table(Object::SalesPersons, &["externalSalesPersonId"], &["email"]),
            opportunities: table(Object::Opportunities, &["externalOpportunityId"], &["externalCompanyId", "externalSalesPersonId"]),
            roles: table(Object::Roles, &["externalOpportunityId", "leadId", "role"], &["externalOpportunityId", "leadId"]),
            log: Log::default(),
            gate: Gate::default(),
            tokens: Tokens::new(options.seed, 0),
            lag: Lag::default(),
            lists: Lists::default(),
            imports: Imports::default(),
            exports: Exports::default(),
            departed_owners: BTreeSet::new(),
            races: HashMap::new(),
            born: floor(now),
            serial: 0,
            resets: 0,
            options,
        }
    }

    /// How it behaves.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// How it behaves, to be changed; the next request sees the change.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Back to a fresh, empty subscription with the same options: records, activities, custom fields, tokens, jobs and counters are gone.
    pub fn reset(&mut self, now: Timestamp) {
        let resets = self.resets.wrapping_add(1);
        *self = Self::new(self.options.clone(), now);
        (self.resets, self.tokens) = (resets, Tokens::new(self.options.seed, resets));
    }

    /// Lets bulk jobs do what is due by `now`. Every request does this by itself.
    pub fn advance(&mut self, now: Timestamp) {
        self.run_imports(floor(now));
        self.run_exports(now);
    }

    pub(crate) fn table(&self, object: Object) -> &Table {
        match object {
            Object::Leads => &self.leads,
            Object::Companies => &self.companies,
            Object::SalesPersons => &self.sales_persons,
            Object::Opportunities => &self.opportunities,
            Object::Roles => &self.roles,
        }
    }

    pub(crate) fn table_mut(&mut self, object: Object) -> &mut Table {
        match object {
            Object::Leads => &mut self.leads,
            Object::Companies => &mut self.companies,
            Object::SalesPersons => &mut self.sales_persons,
            Object::Opportunities => &mut self.opportunities,
            Object::Roles => &mut self.roles,
        }
    }

    /// The column of this name that REST shows at present.
    pub(crate) fn column(&self, object: Object, name: &str) -> Option<Column> {
        let schema = &self.table(object).schema;
        schema.find(name).filter(|column| schema.field(*column).is_some_and(|field| self.is_shown(object, field)))
    }

    pub(crate) fn field(&self, object: Object, column: Column) -> Option<&Field> {
        self.table(object).schema.field(column)
    }

    /// Every field that REST shows at present.
    pub(crate) fn shown_fields(&self, object: Object) -> impl Iterator<Item = (Column, &Field)> {
        self.table(object).schema.iter().filter(move |(_, field)| self.is_shown(object, field))
    }

    fn is_shown(&self, object: Object, field: &Field) -> bool {
        if object != Object::Leads {
            return !field.hidden;
        }
        !field.hidden
            && match field.name.as_str() {
                "externalPersonId" => self.options.external_person_id_described,
                "relativeScore" => self.options.relative_score != RelativeScoreName::Scoring,
                "relativeScoring" => self.options.relative_score != RelativeScoreName::Score,
                "relativeUrgency" => self.options.urgency != UrgencyName::Raw,
                "urgency" => self.options.urgency != UrgencyName::Relative,
                _ => true,
            }
    }

    /// Leads in the subscription.
    #[must_use]
    pub fn lead_count(&self) -> usize {
        self.leads.len()
    }
}
