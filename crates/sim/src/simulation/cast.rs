//! Who and what there is in a small organisation, as far as the drawing of a history has to know; and the values that its rows have.

use base::Dice;
use serde_json::{Value, json};

use super::event::{Event, Row};

/// Rows by kind, as their numbers. What was deleted stays listed for a while: events on it do nothing.
#[derive(Debug, Clone, Default)]
pub struct Cast {
    pub users: Vec<u64>,
    pub teams: Vec<u64>,
    pub role_names: Vec<u64>,
    pub accounts: Vec<u64>,
    pub leads: Vec<u64>,
    pub contacts: Vec<u64>,
    pub deals: Vec<u64>,
    pub connections: Vec<u64>,
    pub forms: Vec<u64>,
    /// How many different e-mail addresses there are: the fewer, the more people share one.
    pub addresses: u64,
    next: u64,
}

/// The number of the first row there is: a user.
pub const FIRST_NUMBER: u64 = 0x1001;

const FIRST: [&str; 8] = ["Ann", "Ben", "Cem", "Dora", "Emil", "Fay", "Gül", "Hans"];
const LAST: [&str; 7] = ["Roth", "Smith", "Özil", "Weber", "Novak", "Ito", "O'Neill"];
const JOBS: [&str; 5] = ["Buyer", "Head of IT", "CEO", "Engineer", "Controller"];
const CITIES: [&str; 5] = ["Köln", "Lyon", "Oslo", "Graz", "Turin"];
const ROLES: [&str; 6] =
    ["Decision Maker", "Influencer", "decision maker", "Technical Buyer", "", "Champion of the whole project from the very first day on"];

/// One of some words.
pub fn word(dice: &mut Dice, words: &[&str]) -> Value {
    json!(dice.pick(words).copied().unwrap_or_default())
}

fn phone(dice: &mut Dice) -> Value {
    json!(format!("+49 221 {:04}", dice.below(10_000)))
}

/// A lookup, as events write it.
pub fn lookup(table: &str, n: u64) -> Value {
    json!([table, n])
}

/// A row of such members.
pub fn row<const N: usize>(members: [(&str, Value); N]) -> Row {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Cast {
    /// Nobody yet, and so many different e-mail addresses for those to come.
    #[must_use]
    pub fn new(addresses: u64) -> Self {
        Self { addresses, ..Self::default() }
    }

    /// A number that no row has.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        FIRST_NUMBER - 1 + self.next
    }

    /// An address out of the few there are, in one spelling or another.
    pub fn address(&self, dice: &mut Dice) -> Value {
        let address = format!("p{}@buyer.test", dice.below(self.addresses));
        json!(if dice.percent(10.0) { address.to_uppercase() } else { address })
    }

    /// A user, now and then a team.
    pub fn owner(&self, dice: &mut Dice) -> Option<Value> {
        match dice.percent(20.0) {
            true => dice.pick(&self.teams).map(|team| lookup("team", *team)),
            false => dice.pick(&self.users).map(|user| lookup("systemuser", *user)),
        }
    }

    /// A lead or contact.
    pub fn person(&self, dice: &mut Dice) -> Option<(&'static str, u64)> {
        let (leads, contacts) = (self.leads.len() as u64, self.contacts.len() as u64);
        let table = if dice.below(leads + contacts) < leads { ("lead", &self.leads) } else { ("contact", &self.contacts) };
        Some((table.0, *dice.pick(table.1)?))
    }

    /// A new user; `same_as` another has its address.
    pub fn new_user(&mut self, dice: &mut Dice) -> Event {
        let n = self.number();
        let email = match dice.below(12) {
            0 => dice.pick(&self.users).map(|other| format!("u{other:x}@seller.test")),
            1 => None,
            _ => Some(format!("u{n:x}@seller.test")),
        };
        let mut user = row([
            ("domainname", json!(format!("u{n:x}@seller.test"))),
            ("firstname", word(dice, &FIRST)),
            ("lastname", word(dice, &LAST)),
            ("isdisabled", json!(dice.percent(10.0))),
            ("accessmode", json!(0)),
        ]);
        user.extend(email.map(|email| ("internalemailaddress".to_owned(), json!(email))));
        self.users.push(n);
        Event::Create { table: "systemuser".into(), n, row: user }
    }

    pub fn new_team(&mut self, dice: &mut Dice) -> Event {
        let n = self.number();
        let mut team = row([("name", json!(format!("Team {n:x}")))]);
        if dice.percent(75.0) {
            team.extend(dice.pick(&self.users).map(|user| ("administratorid".to_owned(), lookup("systemuser", *user))));
        }
        self.teams.push(n);
        Event::Create { table: "team".into(), n, row: team }
    }

    pub fn new_role_name(&mut self, dice: &mut Dice) -> Event {
        let n = self.number();
        self.role_names.push(n);
        Event::Create { table: "connectionrole".into(), n, row: row([("name", Self::role_text(dice))]) }
    }

    /// A text of a connection role; some differ in case only, some are too long.
    pub fn role_text(dice: &mut Dice) -> Value {
        word(dice, &ROLES)
    }

    pub fn new_account(&mut self, dice: &mut Dice) -> Event {
        let n = self.number();
        let mut account = row([("name", json!(format!("Firm {n:x}"))), ("telephone1", phone(dice))]);
        account.extend(self.owner(dice).map(|owner| ("ownerid".to_owned(), owner)));
        self.accounts.push(n);
        Event::Create { table: "account".into(), n, row: account }
    }

    pub fn new_lead(&mut self, dice: &mut Dice) -> Event {
        let n = self.number();
        let mut lead = self.new_person(dice);
        lead.insert("subject".into(), json!("Interest"));
        if dice.percent(25.0) {
            lead.extend(dice.pick(&self.accounts).map(|account| ("parentaccountid".to_owned(), lookup("account", *account))));
        }
        self.leads.push(n);
        Event::Create { table: "lead".into(), n, row: lead }
    }

    pub fn new_contact(&mut self, dice: &mut Dice) -> Event {
        let n = self.number();
        let mut contact = self.new_person(dice);
        contact.extend(self.customer(dice).map(|parent| ("parentcustomerid".to_owned(), parent)));
        self.contacts.push(n);
        Event::Create { table: "contact".into(), n, row: contact }
    }

    /// Whose somebody may be: mostly an account, now and then a contact, or nobody.
    pub fn customer(&self, dice: &mut Dice) -> Option<Value> {
        match dice.below(10) {
            0..7 => dice.pick(&self.accounts).map(|account| lookup("account", *account)),
            7..9 => dice.pick(&self.contacts).map(|contact| lookup("contact", *contact)),
            _ => None,
        }
    }

    fn new_person(&self, dice: &mut Dice) -> Row {
        let mut person = row([("firstname", word(dice, &FIRST)), ("lastname", word(dice, &LAST))]);
        for _ in 0..dice.below(4) {
            let (column, value) = self.person_value(dice);
            if !value.is_null() {
                person.insert(column.into(), value);
            }
        }
        if dice.percent(85.0) {
            person.insert("emailaddress1".into(), self.address(dice));
        }
        person.extend(self.owner(dice).map(|owner| ("ownerid".to_owned(), owner)));
        person
    }

    /// A column of leads and contacts and a value for it, null now and then.
    pub fn person_value(&self, dice: &mut Dice) -> (&'static str, Value) {
        let (column, value) = match dice.below(13) {
            0 => ("emailaddress1", self.address(dice)),
            1 => ("firstname", word(dice, &FIRST)),
            2 => return ("lastname", word(dice, &LAST)),
            3 | 4 => ("jobtitle", word(dice, &JOBS)),
            5 | 6 => ("telephone1", phone(dice)),
            7 => ("mobilephone", phone(dice)),
            8 => ("address1_city", word(dice, &CITIES)),
            9 => ("middlename", word(dice, &["X.", "Y."])),
            10 => return ("donotemail", json!(dice.percent(60.0))),
            11 => return ("donotphone", json!(dice.percent(60.0))),
            _ => return ("donotbulkemail", json!(dice.percent(60.0))),
        };
        (column, if dice.percent(25.0) { Value::Null } else { value })
    }

    /// A field of Marketo persons that marketing changes, and a value for it.
    pub fn field_value(&self, dice: &mut Dice) -> (&'static str, Value) {
        let (field, value) = match dice.below(9) {
            0 => ("firstName", word(dice, &FIRST)),
            1 => return ("lastName", word(dice, &LAST)),
            2 | 3 => ("title", word(dice, &["Marketing's title", "VIP"])),
            4 | 5 => ("phone", phone(dice)),
            6 => ("city", word(dice, &["Bern", "Wien"])),
            7 => return ("unsubscribed", json!(dice.percent(70.0))),
            _ => ("middleName", word(dice, &["M.", "N."])),
        };
        (field, if dice.percent(15.0) { Value::Null } else { value })
    }

    pub fn new_deal(&mut self, dice: &mut Dice) -> Event {
        let n = self.number();
        let mut deal = row([("name", json!(format!("Deal {n:x}"))), ("estimatedvalue", json!(100 * (1 + dice.below(50))))]);
        deal.extend(self.owner(dice).map(|owner| ("ownerid".to_owned(), owner)));
        deal.extend(self.customer(dice).map(|customer| ("customerid".to_owned(), customer)));
        if dice.percent(40.0) {
            deal.extend(dice.pick(&self.contacts).map(|contact| ("parentcontactid".to_owned(), lookup("contact", *contact))));
        }
        self.deals.push(n);
        Event::Create { table: "opportunity".into(), n, row: deal }
    }

    /// A connection between a deal and a contact, entered from either side.
    pub fn new_connection(&mut self, dice: &mut Dice) -> Option<Event> {
        let (deal, contact) = (*dice.pick(&self.deals)?, *dice.pick(&self.contacts)?);
        let (deal, contact) = (lookup("opportunity", deal), lookup("contact", contact));
        let n = self.number();
        let from_contact = dice.percent(25.0);
        let (one, two, role) = if from_contact { (contact, deal, "record1roleid") } else { (deal, contact, "record2roleid") };
        let mut connection = row([("record1id", one), ("record2id", two)]);
        if dice.percent(75.0) {
            connection.extend(dice.pick(&self.role_names).map(|name| (role.to_owned(), lookup("connectionrole", *name))));
        }
        self.connections.push(n);
        Some(Event::Create { table: "connection".into(), n, row: connection })
    }

    /// A person in Marketo that nobody here made: without a GUID, or with one that another tool wrote in its own spelling.
    pub fn new_form(&mut self, dice: &mut Dice, spelled: bool) -> Event {
        let name = self.number();
        let mut form = row([("lastName", word(dice, &LAST)), ("email", self.address(dice))]);
        if dice.percent(50.0) {
            let (field, value) = self.field_value(dice);
            form.insert(field.into(), value);
        }
        if spelled && let Some((_, n)) = self.person(dice) {
            let spellings = crate::world::id(n).spellings();
            form.extend(dice.pick(&spellings).map(|spelling| ("externalPersonId".to_owned(), json!(spelling))));
        }
        self.forms.push(name);
        Event::Form { name, row: form }
    }
}
