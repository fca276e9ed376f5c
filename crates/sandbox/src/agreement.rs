//! Whether Marketo holds what Dynamics demands: an oracle that reads both emulators' rows and nothing else.
//!
//! It follows the rules of the design (R1–R8 and R10) by its own code, so that a mistake of the product can't hide in both. It demands the
//! default policies and the default field map; it says which rows disagree and never how they came to. What a correct synchronisation may
//! leave undone (an ambiguous person, a row of a team without administrator, and what waits for these) is excused and counted.

mod companies;
mod deals;
mod dynamics;
mod fields;
mod marketo;
mod msi;
mod people;
mod report;
mod roles;

use std::collections::BTreeSet;

use base::Guid;
pub use report::{Agreement, Difference, DifferenceKind, Excuse};

use dynamics::Dynamics;
use marketo::Marketo;

/// What the oracle needs to know beyond the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The role of a connection that names none.
    pub default_role: String,
    /// Whether an empty column demands an empty field. Off, because a first send never blanks a Marketo field.
    pub blank: bool,
    /// Whether a person without any account is held.
    pub require_company: bool,
    /// Whether a person without an e-mail of its own can be created.
    pub external_lookup: bool,
    /// People whom a filter or their state may keep out.
    pub out: BTreeSet<Guid>,
    /// Whose it is what a team owns.
    pub team: Team,
    /// Whether several Marketo persons of one record are left to people.
    pub joins_held: bool,
    /// How many persons one look-up may find: more can't be told apart.
    pub matches_max: usize,
    /// Records that somebody removed in Marketo, and that nothing has named since.
    pub removed: BTreeSet<Guid>,
    /// Whether Marketo lets a sales person's e-mail be changed.
    pub email_moves: bool,
    /// Persons that others made in Marketo: where two have one GUID, nobody can tell which is meant.
    pub foreign: BTreeSet<i64>,
    /// Fields of persons, by Marketo's id, that needn't be what Dynamics says: marketing changed them since they were sent.
    pub edited: BTreeSet<(i64, &'static str)>,
    /// How many differences are listed; all are counted.
    pub listed_max: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            default_role: "Stakeholder".to_owned(),
            blank: false,
            require_company: false,
            external_lookup: true,
            out: BTreeSet::new(),
            team: Team::Administrator,
            joins_held: false,
            matches_max: 1_000,
            removed: BTreeSet::new(),
            email_moves: true,
            foreign: BTreeSet::new(),
            edited: BTreeSet::new(),
            listed_max: 100,
        }
    }
}

/// Whose it is what a team owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Team {
    /// Its administrator's.
    Administrator,
    /// Nobody's: it is left to people.
    Nobody,
    /// This user's.
    User(Guid),
}

/// The person fields that are compared.
pub fn person_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    fields::PERSON.iter().copied()
}

/// Person fields of consent, with the columns that withhold it.
pub fn consent_fields() -> impl Iterator<Item = &'static str> {
    fields::CONSENT.iter().map(|(_, field)| *field)
}

/// Compares both sides.
#[must_use]
pub fn agree(dataverse: &dataverse_emulator::State, marketo: &marketo_emulator::State, rules: &Rules) -> Agreement {
    let mut report = Agreement::new(rules.listed_max);
    let dynamics = Dynamics::read(dataverse, rules.team);
    let marketo = Marketo::read(marketo);
    let check = Check { dynamics: &dynamics, marketo: &marketo, rules };
    check.sales_persons(&mut report);
    let companies = check.companies(&mut report);
    let people = check.people(&companies, &mut report);
    let opportunities = check.opportunities(&companies, &mut report);
    check.roles(&people, &opportunities, &mut report);
    report
}

/// One comparison.
struct Check<'a> {
    dynamics: &'a Dynamics<'a>,
    marketo: &'a Marketo<'a>,
    rules: &'a Rules,
}
