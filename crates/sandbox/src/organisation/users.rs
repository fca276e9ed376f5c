//! Users, teams, and who owns what.

use base::{Dice, Guid};

use super::{Making, Owner, Sink, draw::Kind, names, row::Row};

/// Of a hundred rows, so many belong to a team; of a hundred of these, so many to one without administrator.
const TEAM_PERCENT: f64 = 3.0;
const TEAM_ALONE_PERCENT: f64 = 5.0;

/// What is special about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    Nothing,
    Disabled,
    WithoutEmail,
    Application,
    Access(i64),
    SameEmail,
}

fn special(user: u64) -> Special {
    match user {
        0 => Special::Nothing,
        _ if user % 40 == 17 => Special::WithoutEmail,
        _ if user % 50 == 29 => Special::Application,
        _ if user % 50 == 31 => Special::Access(4),
        _ if user % 60 == 41 => Special::Access(3),
        _ if user % 80 == 55 => Special::SameEmail,
        _ if user % 20 == 3 => Special::Disabled,
        _ => Special::Nothing,
    }
}

/// People, and only they, own records; of those that could, the ones without an address don't.
fn can_own(user: u64) -> bool {
    matches!(special(user), Special::Nothing | Special::Disabled | Special::SameEmail)
}

fn without_administrator(team: u64) -> bool {
    team % 5 == 1
}

impl<S: Sink> Making<'_, S> {
    fn user_email(&self, user: u64) -> String {
        let of = if special(user) == Special::SameEmail { user - 1 } else { user };
        let mailbox = names::name(&mut self.draw.other_dice(Kind::User, of)).mailbox;
        format!("{mailbox}.{of}@sales.example")
    }

    pub(super) fn users(&mut self) -> Result<(), String> {
        for user in 0..self.size.users {
            let name = names::name(&mut self.draw.other_dice(Kind::User, user));
            let mut dice = self.draw.dice(Kind::User, user);
            let times = self.draw.times(&mut dice);
            let special = special(user);
            self.census.users += 1;
            let counter = match special {
                Special::Nothing => None,
                Special::Disabled => Some(&mut self.census.users_disabled),
                Special::WithoutEmail => Some(&mut self.census.users_without_email),
                Special::Application => Some(&mut self.census.users_application),
                Special::Access(_) => Some(&mut self.census.users_other_access),
                Special::SameEmail => Some(&mut self.census.users_same_email),
            };
            if let Some(counter) = counter {
                *counter += 1;
            }
            let email = (special != Special::WithoutEmail).then(|| self.user_email(user));
            let application = (special == Special::Application).then(|| self.draw.other_dice(Kind::User, user).guid().to_string());
            let access = if let Special::Access(mode) = special { mode } else { 0 };
            let row = Row::default()
                .put("systemuserid", self.id(Kind::User, user).to_string())
                .put("domainname", format!("{}.{user}@sales.example", name.mailbox))
                .put("firstname", name.first)
                .put("lastname", name.last)
                .maybe("internalemailaddress", email)
                .put("title", names::job(&mut dice).0)
                .put("isdisabled", special == Special::Disabled)
                .put("accessmode", access)
                .maybe("applicationid", application)
                .times(times);
            self.sink.dynamics("systemuser", row.0, times.1)?;
        }
        Ok(())
    }

    pub(super) fn teams(&mut self) -> Result<(), String> {
        for team in 0..self.size.teams {
            let mut dice = self.draw.dice(Kind::Team, team);
            let times = self.draw.times(&mut dice);
            let row = Row::default()
                .put("teamid", self.id(Kind::Team, team).to_string())
                .put("name", format!("Team {}", team + 1))
                .put("teamtype", if team % 7 == 6 { 2 } else { 0 })
                .times(times);
            self.census.teams += 1;
            let row = if without_administrator(team) {
                self.census.teams_without_administrator += 1;
                row
            } else {
                row.look("administratorid", "systemuser", self.id(Kind::User, self.administrator(team)))
            };
            self.sink.dynamics("team", row.0, times.1)?;
        }
        Ok(())
    }

    fn administrator(&self, team: u64) -> u64 {
        self.able(self.draw.other_dice(Kind::Team, team).below(self.size.users))
    }

    /// The next user from this one on who can own something; the first user always can.
    fn able(&self, user: u64) -> u64 {
        (user..self.size.users).find(|user| can_own(*user)).unwrap_or(0)
    }

    /// Throws an owner.
    pub(super) fn owner(&self, dice: &mut Dice) -> Owner {
        if !dice.percent(TEAM_PERCENT) {
            return Owner::User(self.able(dice.below(self.size.users)));
        }
        let alone = dice.percent(TEAM_ALONE_PERCENT);
        let team = dice.below(self.size.teams);
        let next = |from: u64| (from..self.size.teams).chain(0..from).find(|team| without_administrator(*team) == alone);
        next(team).map_or(Owner::User(0), Owner::Team)
    }

    /// Counts the row's owner, and gives the lookup.
    pub(super) fn owned(&mut self, row: Row, owner: Owner) -> Row {
        match owner {
            Owner::User(user) => {
                self.own(user);
                row.look("ownerid", "systemuser", self.id(Kind::User, user))
            }
            Owner::Team(team) => {
                self.census.owned_by_team += 1;
                if without_administrator(team) {
                    self.census.owned_by_team_without_administrator += 1;
                } else {
                    self.own(self.administrator(team));
                }
                row.look("ownerid", "team", self.id(Kind::Team, team))
            }
        }
    }

    fn own(&mut self, user: u64) {
        if let Some(owns) = usize::try_from(user).ok().and_then(|user| self.owners.get_mut(user)) {
            *owns = true;
        }
    }

    /// Sales persons are those who pass the filter (enabled, no support user, no application, with an address) and all owners.
    pub(super) fn count_sales_persons(&mut self) {
        let passes = |user: u64| matches!(special(user), Special::Nothing | Special::SameEmail | Special::Access(4));
        let synced = (0_u64..).zip(&self.owners).filter(|(user, owns)| **owns || passes(*user));
        self.census.expected.sales_persons = synced.count() as u64;
    }

    /// Somebody who can sign for a row.
    pub(super) fn some_user(&self, dice: &mut Dice) -> Guid {
        self.id(Kind::User, self.able(dice.below(self.size.users)))
    }
}
