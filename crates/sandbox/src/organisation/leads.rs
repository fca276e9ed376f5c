//! Leads: open, qualified, disqualified, merged.

use super::{Making, Sink, companies, draw::Kind, names, row::Row, web::Subject};

/// What is special about a lead; each lead is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    /// Qualified; its contact has this number.
    Qualified(u64),
    Merged,
    QualifiedAlone,
    Disqualified,
    WithoutEmail,
    Web(u64),
    WithAccount,
    Nothing,
}

/// How far back the surviving lead of a merge is looked for.
const MASTER_MAX: u64 = 2000;

impl<S: Sink> Making<'_, S> {
    fn special_lead(&self, lead: u64) -> Special {
        if lead.is_multiple_of(5) {
            return Special::Qualified(lead / 5);
        }
        match self.slot(Kind::Lead, lead) {
            0..10 => Special::Merged,
            10..20 => Special::QualifiedAlone,
            20..170 => Special::Disqualified,
            170..220 => Special::WithoutEmail,
            slot @ 220..250 => Special::Web(slot - 220),
            250..550 => Special::WithAccount,
            _ => Special::Nothing,
        }
    }

    fn surviving_lead(&self, lead: u64) -> Option<u64> {
        let open = |other: &u64| matches!(self.special_lead(*other), Special::Nothing | Special::WithAccount);
        (lead.saturating_sub(MASTER_MAX)..lead).rev().find(open)
    }

    pub(super) fn leads(&mut self) -> Result<(), String> {
        for lead in 0..self.size.leads {
            self.lead(lead)?;
        }
        Ok(())
    }

    fn lead(&mut self, lead: u64) -> Result<(), String> {
        let special = self.special_lead(lead);
        let mut dice = self.draw.dice(Kind::Lead, lead);
        let times = self.draw.times(&mut dice);
        let name = names::name(&mut self.draw.other_dice(Kind::Lead, lead));
        let account = lead % self.size.accounts;
        let (company, domain) = self.account_name(account);
        let email = match special {
            Special::WithoutEmail => None,
            Special::Qualified(contact) => Some(self.contact_email(contact)),
            Special::Merged
            | Special::QualifiedAlone
            | Special::Disqualified
            | Special::Web(_)
            | Special::WithAccount
            | Special::Nothing => Some(format!("{}.l{lead}@{domain}", name.mailbox)),
        };
        let row = Row::default().put("leadid", self.id(Kind::Lead, lead).to_string()).times(times);
        let row = self.person(row, &name, email.as_deref(), &mut dice);
        let mut row = row
            .put(
                "subject",
                if dice.percent(1.0) {
                    companies::filled("Asked for a quotation; ", 300)
                } else {
                    "Interested in a demonstration".to_owned()
                },
            )
            .maybe("companyname", dice.percent(90.0).then(|| company.chars().take(80).collect::<String>().trim().to_owned()))
            .put("leadsourcecode", 1 + dice.below(10))
            .maybe("leadqualitycode", dice.percent(60.0).then(|| 1 + dice.below(3)));
        self.census.leads += 1;
        let mut alias = false;
        let (mut state, mut reason) = (0_u64, 1 + dice.below(2));
        match special {
            Special::Qualified(contact) => {
                (state, reason, alias) = (1, 3, true);
                self.census.leads_qualified += 1;
                row = row.look("parentaccountid", "account", self.id(Kind::Account, self.account_of_contact(contact)));
                // One in ten is known from one side only; the contact's column is left out for others.
                if contact % 10 != 4 {
                    row = row.look("parentcontactid", "contact", self.id(Kind::Contact, contact));
                }
            }
            Special::QualifiedAlone => {
                (state, reason) = (1, 3);
                self.census.leads_qualified_alone += 1;
            }
            Special::Disqualified => {
                (state, reason) = (2, 4 + dice.below(4));
                self.census.leads_disqualified += 1;
            }
            Special::Merged => {
                if let Some(master) = self.surviving_lead(lead) {
                    (state, reason, alias) = (2, 4, true);
                    self.census.merged += 1;
                    row = row.put("merged", true).look("masterid", "lead", self.id(Kind::Lead, master));
                }
            }
            Special::WithAccount => row = row.look("parentaccountid", "account", self.id(Kind::Account, account)),
            Special::WithoutEmail | Special::Web(_) | Special::Nothing => {}
        }
        let row = row.put("statecode", state).put("statuscode", reason);
        let expected = &mut self.census.expected;
        *(if alias { &mut expected.aliases } else { &mut expected.people }) += 1;
        let owner = self.person_owner(Some(account), &mut dice);
        let row = self.owned(row, owner);
        self.sink.dynamics("lead", row.0, times.1)?;
        match (special, &email) {
            (Special::Web(how), Some(email)) => self.web(how, &Subject { id: self.id(Kind::Lead, lead), email, name: &name }, &mut dice),
            _ => Ok(()),
        }
    }
}
