//! Opportunities, the roles people play in them, and the connections that say so.

use std::collections::BTreeSet;

use base::{Dice, Timestamp};

use super::{Making, Sink, draw::Kind, people::Special, row::Row};

/// Name and category of each connection role; the categories are Business 1, Other 5, Stakeholder 1000, Sales Team 1001.
const ROLES: &[(&str, u64)] = &[
    ("Stakeholder", 1000),
    ("Champion", 1000),
    ("Decision Maker", 1000),
    ("End User", 1000),
    ("Economic Buyer", 1000),
    ("Influencer", 1000),
    ("Technical Buyer", 1000),
    ("Entscheider für Einkauf & Qualität", 1000),
    ("Executive Sponsor of the Digital Transformation Programme in Europe", 1000),
    ("Executive Sponsor of the Digital Transformation Programme in Asia", 1000),
    ("Account Manager", 1001),
    ("Industry Expert", 1001),
    ("Colleague", 1),
    ("Former Employer", 5),
];
/// Of them, in order: the usual ones, and the two that are equal in their first 50 characters.
const USUAL: u64 = 8;
const LONG: [usize; 2] = [8, 9];
const ELSEWHERE: usize = 12;

/// What a connection without a role counts as.
const DEFAULT_ROLE: &str = "Stakeholder";
/// What a primary contact without a role counts as.
const PRIMARY_ROLE: &str = "Primary Contact";

/// One deal in the making.
struct Deal {
    number: u64,
    /// Contacts of the account that can take part.
    contacts: Vec<u64>,
    /// Connections made so far.
    connections: u64,
    times: (Timestamp, Timestamp),
    /// What Marketo should have in the end: contact and role.
    roles: BTreeSet<(u64, &'static str)>,
}

impl<S: Sink> Making<'_, S> {
    pub(super) fn roles(&mut self) -> Result<(), String> {
        for (number, (name, category)) in (0_u64..).zip(ROLES) {
            let mut dice = self.draw.dice(Kind::Role, number);
            let times = self.draw.times(&mut dice);
            let row = Row::default()
                .put("connectionroleid", self.id(Kind::Role, number).to_string())
                .put("name", *name)
                .put("category", *category)
                .put("statecode", 0)
                .put("statuscode", 1)
                .times(times);
            self.census.roles += 1;
            self.sink.dynamics("connectionrole", row.0, times.1)?;
        }
        Ok(())
    }

    pub(super) fn opportunities(&mut self) -> Result<(), String> {
        for opportunity in 0..self.size.opportunities {
            self.opportunity(opportunity)?;
        }
        Ok(())
    }

    fn opportunity(&mut self, number: u64) -> Result<(), String> {
        let mut dice = self.draw.dice(Kind::Opportunity, number);
        let slot = self.slot(Kind::Opportunity, number);
        let account = number.wrapping_mul(7) % self.size.accounts;
        let present = |contact: &u64| self.special(*contact) != Special::Merged;
        let mates = (0..4).map(|seat| account + seat * self.size.accounts).take_while(|contact| *contact < self.size.contacts);
        let contacts: Vec<u64> = mates.filter(present).collect();
        let times = self.draw.times(&mut dice);
        let mut deal = Deal { number, contacts, connections: 0, times, roles: BTreeSet::new() };

        let (state, reason) = match dice.below(100) {
            0..55 => (0, 1 + dice.below(2)),
            55..80 => (1, 3),
            _ => (2, 4 + dice.below(2)),
        };
        let value = dice.below(50_000_000) as f64 / 100.0;
        let row = Row::default()
            .put("opportunityid", self.id(Kind::Opportunity, number).to_string())
            .put(
                "name",
                format!(
                    "{} {}",
                    ["Renewal", "New plant", "Pilot", "Lizenzverlängerung", "追加注文"][(number % 5) as usize],
                    2020 + number % 9
                ),
            )
            .maybe("estimatedvalue", dice.percent(90.0).then_some(value))
            .maybe("actualvalue", (state == 1).then_some(value))
            .put("closeprobability", dice.below(101))
            .put("estimatedclosedate", format!("20{}-{:02}-{:02}", 27 + dice.below(2), 1 + dice.below(12), 1 + dice.below(28)))
            .put("stepname", ["1-Qualify", "2-Develop", "3-Propose", "4-Close"][dice.below(4) as usize])
            .put("salesstage", dice.below(4))
            .put("opportunityratingcode", 1 + dice.below(3))
            .put("statecode", state)
            .put("statuscode", reason)
            .times(deal.times);
        let (row, primary) = self.customer(row, &deal, account, slot);
        let owner = self.person_owner(Some(account), &mut dice);
        let row = self.owned(row, owner);
        self.census.opportunities += 1;
        self.census.expected.opportunities += 1;
        self.sink.dynamics("opportunity", row.0, deal.times.1)?;
        self.stakeholders(&mut deal, primary, slot, &mut dice)?;
        if number.is_multiple_of(20) {
            self.elsewhere(&mut deal)?;
        }
        self.count_roles(&deal, primary);
        Ok(())
    }

    /// Customer, account and primary contact. A deal of an account without people has neither of the latter.
    fn customer(&mut self, row: Row, deal: &Deal, account: u64, slot: u64) -> (Row, Option<u64>) {
        let firm = self.id(Kind::Account, account);
        match deal.contacts.first().copied() {
            Some(first) if slot < 150 => {
                self.census.opportunities_of_contact += 1;
                let row = row.look("customerid", "contact", self.id(Kind::Contact, first));
                // Half of them name the account as well, half leave it to the contact.
                (if slot.is_multiple_of(2) { row.look("parentaccountid", "account", firm) } else { row }, Some(first))
            }
            Some(first) if slot < 600 => {
                let row = row.look("customerid", "account", firm).look("parentaccountid", "account", firm);
                (row.look("parentcontactid", "contact", self.id(Kind::Contact, first)), Some(first))
            }
            _ => (
                if slot.is_multiple_of(10) {
                    row.look("customerid", "account", firm)
                } else {
                    row.look("customerid", "account", firm).look("parentaccountid", "account", firm)
                },
                None,
            ),
        }
    }

    /// The deal's connections: to the primary contact for half of those who have one, and to others.
    fn stakeholders(&mut self, deal: &mut Deal, primary: Option<u64>, slot: u64, dice: &mut Dice) -> Result<(), String> {
        if let Some(primary) = primary {
            if slot % 2 == 1 {
                self.census.primary_connected += 1;
                self.connect(deal, primary, Some(dice.below(USUAL) as usize), true, dice)?;
            } else {
                self.census.primary_unconnected += 1;
            }
        }
        let others: Vec<u64> = deal.contacts.iter().copied().filter(|contact| Some(*contact) != primary).collect();
        for contact in others {
            if dice.percent(65.0) {
                continue;
            }
            let role = match dice.below(100) {
                0..10 => None,
                10..15 => Some(LONG[dice.below(2) as usize]),
                _ => Some(dice.below(USUAL) as usize),
            };
            let active = !dice.percent(7.0);
            self.connect(deal, contact, role, active, dice)?;
            match dice.below(100) {
                // The same again, and a second role: one may hold several.
                0..2 => self.connect(deal, contact, role, active, dice)?,
                2..7 => self.connect(deal, contact, Some(dice.below(USUAL) as usize), true, dice)?,
                7..9 => {
                    self.census.connections_colliding_role += 2;
                    self.connect(deal, contact, Some(LONG[0]), true, dice)?;
                    self.connect(deal, contact, Some(LONG[1]), true, dice)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn connect(&mut self, deal: &mut Deal, contact: u64, role: Option<usize>, active: bool, dice: &mut Dice) -> Result<(), String> {
        let name = role.and_then(|role| ROLES.get(role)).map_or(DEFAULT_ROLE, |(name, _)| *name);
        let from_contact = dice.percent(10.0);
        self.census.connections += 1;
        self.census.connections_without_role += u64::from(role.is_none());
        self.census.connections_inactive += u64::from(!active);
        self.census.connections_from_contact += u64::from(from_contact);
        self.census.connections_long_role += u64::from(name.chars().count() > 50);
        if active {
            deal.roles.insert((contact, name));
        }
        let (deal_end, contact_end) = if from_contact { ("2", "1") } else { ("1", "2") };
        let row = self
            .connection(deal, active)
            .look(&format!("record{deal_end}id"), "opportunity", self.id(Kind::Opportunity, deal.number))
            .look(&format!("record{contact_end}id"), "contact", self.id(Kind::Contact, contact));
        let row = match role {
            Some(role) => row.look(&format!("record{contact_end}roleid"), "connectionrole", self.id(Kind::Role, role as u64)),
            None => row,
        };
        let row = row.look("ownerid", "systemuser", self.some_user(dice));
        self.sink.dynamics("connection", row.0, deal.times.1)
    }

    fn connection(&self, deal: &mut Deal, active: bool) -> Row {
        let number = deal.number * 64 + deal.connections;
        deal.connections += 1;
        Row::default()
            .put("connectionid", self.id(Kind::Connection, number).to_string())
            .put("statecode", u8::from(!active))
            .put("statuscode", 1 + u8::from(!active))
            .times(deal.times)
    }

    /// A connection that is nobody's role in a deal: two contacts who know each other.
    fn elsewhere(&mut self, deal: &mut Deal) -> Result<(), String> {
        let [one, other, ..] = deal.contacts[..] else { return Ok(()) };
        self.census.connections_elsewhere += 1;
        let mut dice = self.draw.dice(Kind::Elsewhere, deal.number);
        let row = self
            .connection(deal, true)
            .look("record1id", "contact", self.id(Kind::Contact, one))
            .look("record2id", "contact", self.id(Kind::Contact, other))
            .look("record2roleid", "connectionrole", self.id(Kind::Role, ELSEWHERE as u64))
            .look("ownerid", "systemuser", self.some_user(&mut dice));
        self.sink.dynamics("connection", row.0, deal.times.1)
    }

    fn count_roles(&mut self, deal: &Deal, primary: Option<u64>) {
        let mut roles = deal.roles.clone();
        if let Some(primary) = primary.filter(|primary| !roles.iter().any(|(contact, _)| contact == primary)) {
            roles.insert((primary, PRIMARY_ROLE));
        }
        let held = |contact: &u64| matches!(self.special(*contact), Special::Web(27 | 29));
        self.census.expected.roles_waiting += roles.iter().filter(|(contact, _)| held(contact)).count() as u64;
        self.census.expected.roles += roles.len() as u64;
    }
}
