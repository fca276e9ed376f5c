//! A believable organisation of any size, from a seed: the Dynamics rows, and the people a web form has already put into Marketo.
//!
//! The same seed, size and time give the same rows. Nothing is kept while it is made, so memory is the receiver's alone.
//! It makes rows and counts them; it doesn't store them, and it knows nothing of how they will be synchronised.
//!
//! Of N people, 60 % are contacts and 40 % leads. There is a user for every 20 people, a team for every 10 users, an account for every
//! 8 people, and an opportunity for every 10. Ages are spread over three years; nothing changed within the last hour.
//!
//! | awkward kind | share | count in [`Census`] |
//! |---|---|---|
//! | user disabled, and still an owner | 5 % of users | `users_disabled` |
//! | user without an e-mail address (owns nothing) | 2.5 % of users | `users_without_email` |
//! | application user, non-interactive user, support user | 2 %, 2 %, 1.7 % of users | `users_application`, `users_other_access` |
//! | user with the same e-mail address as another | 1.2 % of users | `users_same_email` |
//! | row owned by a team, by one without administrator | 3 %, 0.15 % of accounts, people and opportunities | `owned_by_team`, `owned_by_team_without_administrator` |
//! | person whose name is more than ASCII | 15 % of people | `people_foreign_name` |
//! | person with texts at Dynamics' maximum | 1 % of people | `people_long_texts` |
//! | account name of 160 characters | 1 % of accounts | `accounts_long_name` |
//! | inactive | 3 % of accounts and contacts | `accounts_inactive`, `contacts_inactive` |
//! | contact without an account | 6 % of contacts | `contacts_without_account` |
//! | contact whose parent is a contact (some of them twice) | 2 % of contacts | `contacts_under_contact` |
//! | person without an e-mail address | 4 % of contacts, 5 % of leads | `people_without_email` |
//! | contact with another contact's e-mail address | 0.5 % of contacts | `contacts_same_email` |
//! | record merged into another (some of them twice) | 1 % of contacts and leads | `merged` |
//! | qualified lead with its contact | 20 % of leads | `leads_qualified` |
//! | qualified lead without a contact | 1 % of leads | `leads_qualified_alone` |
//! | disqualified lead | 15 % of leads | `leads_disqualified` |
//! | opportunity whose customer is a contact | 15 % of opportunities | `opportunities_of_contact` |
//! | primary contact with, without a connection | 30 %, 30 % of opportunities | `primary_connected`, `primary_unconnected` |
//! | connection without a role, inactive, made from the contact's side | 10 %, 5 %, 10 % of connections | `connections_without_role`, … |
//! | role name over 50 characters | 5 % of connections | `connections_long_role` |
//! | two role names that are equal when cut to 50 characters | some | `connections_colliding_role` |
//! | connection between other tables | one for every 20 opportunities | `connections_elsewhere` |
//! | person already in Marketo, same e-mail, no external id | 2.4 % of contacts and leads | `web_adoptable` |
//! | … external id in upper case, in braces | 0.2 %, 0.1 % | `web_upper_case`, `web_braces` |
//! | … twice, so that it is ambiguous | 0.2 % | `web_ambiguous` |
//! | … with another CRM record's id | 0.1 % | `web_taken` |
//! | … under the id of the lead its contact came from | 0.2 % of qualified leads | `web_alias` |
//! | person in Marketo whom Dynamics doesn't know | 1 % of people | `web_strangers` |

mod companies;
mod deals;
mod draw;
mod firms;
mod leads;
mod names;
mod people;
mod row;
pub(crate) mod texts;
mod users;
mod web;

use base::{Guid, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use draw::{Draw, Kind};

/// Who takes the rows.
pub trait Sink {
    /// A Dataverse row with its own primary key, and when it was last changed.
    ///
    /// # Errors
    /// When the row can't be stored; making the organisation stops.
    fn dynamics(&mut self, table: &'static str, row: Map<String, Value>, at: Timestamp) -> Result<(), String>;

    /// A person who is in Marketo already, and since when.
    ///
    /// # Errors
    /// When the person can't be stored; making the organisation stops.
    fn marketo(&mut self, lead: Map<String, Value>, at: Timestamp) -> Result<(), String>;
}

/// How many of everything there are, and what a correct first synchronisation makes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each name is a row of the module's table")]
pub struct Census {
    pub users: u64,
    pub users_disabled: u64,
    pub users_without_email: u64,
    pub users_application: u64,
    pub users_other_access: u64,
    pub users_same_email: u64,
    pub teams: u64,
    pub teams_without_administrator: u64,
    pub roles: u64,
    pub accounts: u64,
    pub accounts_inactive: u64,
    pub accounts_long_name: u64,
    pub contacts: u64,
    pub contacts_inactive: u64,
    pub contacts_without_account: u64,
    pub contacts_under_contact: u64,
    pub contacts_same_email: u64,
    pub leads: u64,
    pub leads_qualified: u64,
    pub leads_qualified_alone: u64,
    pub leads_disqualified: u64,
    pub merged: u64,
    pub people_without_email: u64,
    pub people_foreign_name: u64,
    pub people_long_texts: u64,
    pub owned_by_team: u64,
    pub owned_by_team_without_administrator: u64,
    pub opportunities: u64,
    pub opportunities_of_contact: u64,
    pub primary_connected: u64,
    pub primary_unconnected: u64,
    /// Connections that were made; each is two rows.
    pub connections: u64,
    pub connections_without_role: u64,
    pub connections_inactive: u64,
    pub connections_from_contact: u64,
    pub connections_long_role: u64,
    pub connections_colliding_role: u64,
    pub connections_elsewhere: u64,
    pub web_adoptable: u64,
    pub web_upper_case: u64,
    pub web_braces: u64,
    pub web_ambiguous: u64,
    pub web_taken: u64,
    pub web_alias: u64,
    pub web_strangers: u64,
    pub expected: Expected,
}

/// What a correct first synchronisation makes of the organisation, by the design's default policies.
///
/// Counts leave out what has to wait for a held record; rows of teams without an administrator are counted as if they had an owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Sales persons: who passes the sales-user filter or owns something.
    pub sales_persons: u64,
    /// Companies.
    pub companies: u64,
    /// Leads and contacts that are no alias of another: each one person in Marketo, or held.
    pub people: u64,
    /// Leads and contacts that are an alias: never a person of their own.
    pub aliases: u64,
    /// Of the people: held because two persons of Marketo have their e-mail address.
    pub held_ambiguous: u64,
    /// Opportunities.
    pub opportunities: u64,
    /// Opportunity roles.
    pub roles: u64,
    /// Of these: waiting for a held person.
    pub roles_waiting: u64,
}

/// How many rows of each kind an organisation of `people` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    users: u64,
    teams: u64,
    accounts: u64,
    contacts: u64,
    leads: u64,
    /// Of the leads: qualified with a contact. The first contacts are theirs.
    qualified: u64,
    opportunities: u64,
}

impl Size {
    fn of(people: u64) -> Self {
        let leads = people * 2 / 5;
        let teams = (people / 200).max(2);
        Self {
            users: (people / 20).max(3),
            teams,
            accounts: (people / 8).max(1),
            contacts: people - leads,
            leads,
            qualified: leads.div_ceil(5),
            opportunities: people / 10,
        }
    }
}

/// The making of one organisation.
pub(crate) struct Making<'a, S> {
    draw: Draw,
    size: Size,
    census: Census,
    sink: &'a mut S,
    /// Which users own something, by number.
    owners: Vec<bool>,
}

/// Who owns a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    User(u64),
    Team(u64),
}

/// Makes an organisation of `people` leads and contacts as of `now`, row by row: users, teams and roles first, what refers to others after them.
///
/// # Errors
/// What the sink says when it can't take a row.
pub fn generate(people: u64, seed: u64, now: Timestamp, sink: &mut impl Sink) -> Result<Census, String> {
    let size = Size::of(people);
    let owners = vec![false; usize::try_from(size.users).unwrap_or(0)];
    let mut making = Making { draw: Draw { seed, now }, size, census: Census::default(), sink, owners };
    making.users()?;
    making.teams()?;
    making.roles()?;
    making.accounts()?;
    making.leads()?;
    making.contacts()?;
    making.opportunities()?;
    making.strangers(people)?;
    making.count_sales_persons();
    Ok(making.census)
}

impl<S: Sink> Making<'_, S> {
    fn id(&self, kind: Kind, number: u64) -> Guid {
        self.draw.id(kind, number)
    }

    fn slot(&self, kind: Kind, number: u64) -> u64 {
        self.draw.slot(kind, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps everything, as text.
    #[derive(Default, PartialEq)]
    struct Paper(Vec<String>);

    impl Sink for Paper {
        fn dynamics(&mut self, table: &'static str, row: Map<String, Value>, at: Timestamp) -> Result<(), String> {
            self.0.push(format!("{table} {at} {}", Value::Object(row)));
            Ok(())
        }

        fn marketo(&mut self, lead: Map<String, Value>, at: Timestamp) -> Result<(), String> {
            self.0.push(format!("person {at} {}", Value::Object(lead)));
            Ok(())
        }
    }

    fn made(people: u64, seed: u64) -> (Census, Vec<String>) {
        let mut paper = Paper::default();
        let census = generate(people, seed, "2026-11-20T08:00:00Z".parse().unwrap(), &mut paper).unwrap();
        (census, paper.0)
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        assert!(made(700, 5) == made(700, 5));
        assert!(made(700, 5).1 != made(700, 6).1);
        made(0, 1);
        made(1, 1);
    }

    #[test]
    fn every_id_is_used_once_and_every_reference_leads_somewhere() {
        let (_, rows) = made(3000, 11);
        let parsed: Vec<(String, Value)> = rows
            .iter()
            .filter_map(|row| {
                let (table, rest) = row.split_once(' ')?;
                Some((table.to_owned(), serde_json::from_str(rest.split_once(' ')?.1).ok()?))
            })
            .collect();
        let mut ids = std::collections::BTreeSet::new();
        for (table, row) in parsed.iter().filter(|(table, _)| table != "person") {
            let id = row[format!("{table}id")].as_str().unwrap();
            assert!(ids.insert(format!("{table} {id}")), "{table} {id} twice");
        }
        for (table, row) in &parsed {
            for (column, target) in row.as_object().unwrap() {
                if let Some(lookup) = column.strip_suffix("@Microsoft.Dynamics.CRM.lookuplogicalname") {
                    let target = format!("{} {}", target.as_str().unwrap(), row[lookup].as_str().unwrap());
                    assert!(ids.contains(&target), "{table}.{lookup} points to {target}");
                }
            }
        }
    }

    #[test]
    fn the_shares_are_those_of_the_table() {
        let (census, _) = made(10_000, 3);
        let near = |what: &str, count: u64, of: u64, percent: f64| {
            let share = count as f64 * 100.0 / of as f64;
            assert!((share - percent).abs() <= percent * 0.25 + 0.05, "{what}: {count} of {of} is {share:.2} %, not {percent}");
        };
        assert_eq!((census.contacts, census.leads, census.users, census.accounts, census.opportunities), (6_000, 4_000, 500, 1_250, 1_000));
        let c = &census;
        let people = c.contacts + c.leads;
        near("disabled", c.users_disabled, c.users, 5.0);
        near("without account", c.contacts_without_account, c.contacts, 6.0);
        near("under contact", c.contacts_under_contact, c.contacts, 2.0);
        near("same e-mail", c.contacts_same_email, c.contacts, 0.45);
        near("merged", c.merged, people, 0.85);
        near("qualified", c.leads_qualified, c.leads, 20.0);
        near("disqualified", c.leads_disqualified, c.leads, 12.0);
        near("foreign", c.people_foreign_name, people, 15.0);
        near("without e-mail", c.people_without_email, people, 4.0);
        near("team", c.owned_by_team, people + c.accounts + c.opportunities, 3.0);
        near("of contact", c.opportunities_of_contact, c.opportunities, 15.0);
        near("primary connected", c.primary_connected, c.opportunities, 30.0);
        near("primary unconnected", c.primary_unconnected, c.opportunities, 30.0);
        near("without role", c.connections_without_role, c.connections, 10.0);
        near("inactive", c.connections_inactive, c.connections, 5.0);
        near("from contact", c.connections_from_contact, c.connections, 10.0);
        near("adoptable", c.web_adoptable, people, 2.2);
        near("strangers", c.web_strangers, people, 1.0);
        for count in
            [c.web_upper_case, c.web_braces, c.web_ambiguous, c.web_taken, c.web_alias, c.connections_long_role, c.accounts_long_name]
        {
            assert!(count > 0, "{census:?}");
        }
        assert_eq!(c.expected.people + c.expected.aliases, people);
        assert!(c.expected.roles > c.opportunities && c.expected.held_ambiguous == c.web_ambiguous, "{census:?}");
    }

    #[test]
    fn a_small_organisation_has_the_usual_cases_too() {
        let (census, _) = made(400, 1);
        for count in
            [census.merged, census.leads_qualified, census.contacts_under_contact, census.web_adoptable, census.opportunities_of_contact]
        {
            assert!(count > 0, "{census:?}");
        }
    }

    #[test]
    fn texts_fit_dynamics() {
        let (_, rows) = made(3000, 2);
        let limits = [
            ("jobtitle", 100),
            ("description", 2000),
            ("emailaddress1", 100),
            ("name", 300),
            ("lastname", 50),
            ("telephone1", 50),
            ("companyname", 100),
        ];
        for row in &rows {
            let (table, rest) = row.split_once(' ').unwrap();
            let row: Value = serde_json::from_str(rest.split_once(' ').unwrap().1).unwrap();
            for (column, limit) in limits {
                if let Some(text) = row[column].as_str().filter(|_| table != "person") {
                    let units = text.encode_utf16().count();
                    assert!(units <= limit && !text.trim().is_empty(), "{table}.{column} has {units}: {text}");
                    assert_eq!(text, text.trim());
                }
            }
        }
    }
}
