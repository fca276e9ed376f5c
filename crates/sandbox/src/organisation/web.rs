//! People who are in Marketo before the first synchronisation: web forms, and what other tools have left behind.

use base::{Dice, Guid};

use super::{
    Making, Sink,
    draw::Kind,
    names::{self, Name},
    row::Row,
};

/// Who it is in Dynamics.
pub(super) struct Subject<'a> {
    pub(super) id: Guid,
    pub(super) email: &'a str,
    pub(super) name: &'a Name,
}

impl<S: Sink> Making<'_, S> {
    /// Puts this person into Marketo in the `how`-th of thirty ways.
    pub(super) fn web(&mut self, how: u64, who: &Subject<'_>, dice: &mut Dice) -> Result<(), String> {
        let lower = who.id.to_string();
        let external = match how {
            24 | 25 => {
                self.census.web_upper_case += 1;
                Some(lower.to_uppercase())
            }
            26 => {
                self.census.web_braces += 1;
                Some(format!("{{{lower}}}"))
            }
            27 | 29 => {
                self.census.web_ambiguous += 1;
                self.census.expected.held_ambiguous += 1;
                self.visitor(who, None, dice)?;
                None
            }
            28 => {
                self.census.web_taken += 1;
                Some(self.id(Kind::Elsewhere, who.id.as_u128() as u64).to_string())
            }
            _ => {
                self.census.web_adoptable += 1;
                None
            }
        };
        self.visitor(who, external, dice)
    }

    /// Puts this person into Marketo under the id of the lead it came from.
    pub(super) fn web_alias(&mut self, lead: Guid, who: &Subject<'_>, dice: &mut Dice) -> Result<(), String> {
        self.census.web_alias += 1;
        self.visitor(who, Some(lead.to_string()), dice)
    }

    fn visitor(&mut self, who: &Subject<'_>, external: Option<String>, dice: &mut Dice) -> Result<(), String> {
        let (created, _) = self.draw.times(dice);
        // Forms often ask for less than Dynamics knows.
        let row = Row::default()
            .put("email", who.email)
            .maybe("firstName", dice.percent(80.0).then_some(who.name.first.as_str()))
            .maybe("lastName", dice.percent(80.0).then_some(who.name.last.as_str()))
            .put("leadSource", "Web form")
            .maybe("externalPersonId", external);
        self.sink.marketo(row.0, created)
    }

    /// People whom Dynamics doesn't know.
    pub(super) fn strangers(&mut self, people: u64) -> Result<(), String> {
        for stranger in 0..people / 100 {
            let mut dice = self.draw.dice(Kind::Stranger, stranger);
            let name = names::name(&mut dice);
            let email = format!("{}.w{stranger}@visitor.example", name.mailbox);
            self.census.web_strangers += 1;
            self.visitor(&Subject { id: self.id(Kind::Stranger, stranger), email: &email, name: &name }, None, &mut dice)?;
        }
        Ok(())
    }
}
