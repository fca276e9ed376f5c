//! Contacts, and what they have in common with leads.

use base::Dice;

use super::{
    Making, Owner, Sink, companies,
    draw::Kind,
    names::{self, Name},
    row::Row,
    web::Subject,
};

/// What is special about a contact; each contact is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    Nothing,
    Merged,
    SameEmail,
    UnderContact,
    WithoutAccount,
    Inactive,
    WithoutEmail,
    /// In Marketo already; the number says how.
    Web(u64),
}

/// How far back a partner is looked for.
const PARTNER_MAX: u64 = 2000;

impl<S: Sink> Making<'_, S> {
    /// The lead a contact came from: each fifth lead was qualified, and the first contacts are theirs.
    pub(super) fn origin(&self, contact: u64) -> Option<u64> {
        (contact < self.size.qualified).then_some(contact * 5)
    }

    pub(super) fn special(&self, contact: u64) -> Special {
        let special = match self.slot(Kind::Contact, contact) {
            0..10 => Special::Merged,
            10..15 => Special::SameEmail,
            15..35 => Special::UnderContact,
            35..95 => Special::WithoutAccount,
            95..125 => Special::Inactive,
            125..165 => Special::WithoutEmail,
            slot @ 165..195 => Special::Web(slot - 165),
            _ => Special::Nothing,
        };
        let own_story = matches!(special, Special::Merged | Special::SameEmail | Special::WithoutEmail);
        match self.origin(contact) {
            Some(_) if own_story => Special::Nothing,
            Some(_) if self.is_alias_known(contact) => Special::Nothing,
            _ => special,
        }
    }

    /// Whether Marketo knows this contact's lead already, under the lead's id.
    pub(super) fn is_alias_known(&self, contact: u64) -> bool {
        contact % 500 == 7
    }

    /// The nearest contact before this one that has nothing special.
    fn plain_before(&self, contact: u64) -> Option<u64> {
        (contact.saturating_sub(PARTNER_MAX)..contact).rev().find(|other| self.special(*other) == Special::Nothing)
    }

    /// The nearest contact before this one of the same kind, for chains; else a plain one.
    fn partner(&self, contact: u64, special: Special, chained: bool) -> Option<u64> {
        let same = || (contact.saturating_sub(PARTNER_MAX)..contact).rev().find(|other| self.special(*other) == special);
        chained.then(same).flatten().or_else(|| self.plain_before(contact))
    }

    /// The account a contact would belong to.
    pub(super) fn account_of_contact(&self, contact: u64) -> u64 {
        contact % self.size.accounts
    }

    pub(super) fn contact_name(&self, contact: u64) -> Name {
        match self.origin(contact) {
            Some(lead) => names::name(&mut self.draw.other_dice(Kind::Lead, lead)),
            None => names::name(&mut self.draw.other_dice(Kind::Contact, contact)),
        }
    }

    /// The address a contact has if it has one of its own. That of a qualified lead is the same.
    pub(super) fn contact_email(&self, contact: u64) -> String {
        let (_, domain) = self.account_name(self.account_of_contact(contact));
        format!("{}.c{contact}@{domain}", self.contact_name(contact).mailbox)
    }

    fn own_email(&self, contact: u64, special: Special) -> Option<String> {
        match special {
            Special::WithoutEmail => None,
            Special::SameEmail => self.plain_before(contact).map(|other| self.contact_email(other)),
            Special::Nothing | Special::Merged | Special::UnderContact | Special::WithoutAccount | Special::Inactive | Special::Web(_) => {
                Some(self.contact_email(contact))
            }
        }
    }

    /// Most people belong to whom their account belongs to.
    pub(super) fn person_owner(&self, account: Option<u64>, dice: &mut Dice) -> Owner {
        match account {
            Some(account) if dice.percent(80.0) => self.account_owner(account),
            _ => self.owner(dice),
        }
    }

    pub(super) fn contacts(&mut self) -> Result<(), String> {
        for contact in 0..self.size.contacts {
            self.contact(contact)?;
        }
        Ok(())
    }

    fn contact(&mut self, contact: u64) -> Result<(), String> {
        let special = self.special(contact);
        let mut dice = self.draw.dice(Kind::Contact, contact);
        let times = self.draw.times(&mut dice);
        let name = self.contact_name(contact);
        let email = self.own_email(contact, special);
        let chained = self.slot(Kind::Contact, contact).is_multiple_of(5);
        let account = (special != Special::WithoutAccount).then(|| self.account_of_contact(contact));

        let row = Row::default().put("contactid", self.id(Kind::Contact, contact).to_string()).times(times);
        let row = self.person(row, &name, email.as_deref(), &mut dice);
        let mut row = row.maybe("middlename", dice.percent(8.0).then_some("Q.")).maybe(
            "birthdate",
            dice.percent(10.0).then(|| format!("{}-{:02}-{:02}", 1950 + dice.below(50), 1 + dice.below(12), 1 + dice.below(28))),
        );
        self.census.contacts += 1;
        let mut parent = account;
        match special {
            Special::Merged => {
                if let Some(master) = self.partner(contact, special, chained) {
                    row = row.put("merged", true).look("masterid", "contact", self.id(Kind::Contact, master));
                    self.census.merged += 1;
                    self.census.expected.aliases += 1;
                }
            }
            Special::UnderContact => {
                if let Some(above) = self.partner(contact, special, chained) {
                    row = row.look("parentcustomerid", "contact", self.id(Kind::Contact, above));
                    self.census.contacts_under_contact += 1;
                    parent = None;
                }
            }
            Special::SameEmail => self.census.contacts_same_email += u64::from(email.is_some()),
            Special::WithoutAccount => self.census.contacts_without_account += 1,
            Special::Inactive => self.census.contacts_inactive += 1,
            Special::Nothing | Special::WithoutEmail | Special::Web(_) => {}
        }
        if let Some(account) = parent {
            row = row.look("parentcustomerid", "account", self.id(Kind::Account, account));
        }
        let merged = row.0.contains_key("merged");
        let inactive = merged || special == Special::Inactive;
        row = row.put("statecode", u8::from(inactive)).put("statuscode", 1 + u8::from(inactive));
        if let Some(lead) = self.origin(contact).filter(|_| contact % 10 != 3) {
            row = row.look("originatingleadid", "lead", self.id(Kind::Lead, lead));
        }
        self.census.expected.people += u64::from(!merged);
        let owner = self.person_owner(account, &mut dice);
        let row = self.owned(row, owner);
        self.sink.dynamics("contact", row.0, times.1)?;

        if let (Special::Web(how), Some(email)) = (special, &email) {
            self.web(how, &Subject { id: self.id(Kind::Contact, contact), email, name: &name }, &mut dice)?;
        }
        if let (Some(lead), true, Some(email)) = (self.origin(contact), self.is_alias_known(contact), &email) {
            self.web_alias(self.id(Kind::Lead, lead), &Subject { id: self.id(Kind::Contact, contact), email, name: &name }, &mut dice)?;
        }
        Ok(())
    }

    /// The columns that leads and contacts share.
    pub(super) fn person(&mut self, row: Row, name: &Name, email: Option<&str>, dice: &mut Dice) -> Row {
        let (title, department) = names::job(dice);
        let long = dice.percent(1.0);
        self.census.people_foreign_name += u64::from(name.foreign);
        self.census.people_long_texts += u64::from(long);
        self.census.people_without_email += u64::from(email.is_none());
        let (title, last) =
            if long { (companies::filled(&title, 100), companies::filled(&name.last, 50)) } else { (title, name.last.clone()) };
        let row = row
            .put("firstname", name.first.as_str())
            .put("lastname", last)
            .maybe("emailaddress1", email)
            .maybe("jobtitle", dice.percent(85.0).then_some(title))
            .maybe("salutation", dice.percent(20.0).then_some("Dr."))
            .maybe("telephone1", dice.percent(70.0).then(|| companies::telephone(dice)))
            .maybe("mobilephone", dice.percent(30.0).then(|| format!("+1 555 {:07}", dice.below(10_000_000))))
            .put("donotemail", dice.percent(4.0))
            .put("donotbulkemail", dice.percent(6.0))
            .put("donotphone", dice.percent(5.0))
            .maybe("description", if long { Some(companies::filled("Met at the fair; ", 2000)) } else { None });
        // Leads have no department.
        let row = if row.0.contains_key("contactid") { row.maybe("department", dice.percent(50.0).then_some(department)) } else { row };
        if dice.percent(60.0) { companies::address(dice, row) } else { row }
    }
}
