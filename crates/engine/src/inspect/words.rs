//! Causes in words: what was found, and what to do. No names and no e-mail addresses: a cause may be logged.

use base::Object;

use super::cause::Cause;
use crate::codes::advice;

impl Cause {
    /// What was found.
    #[must_use]
    pub fn text(&self) -> String {
        let held = |holds: &Option<String>| holds.as_ref().map_or_else(|| "none".to_owned(), |holds| format!("`{holds}`"));
        match self {
            Self::NotInDynamics => "Dynamics has no such row; it may have been deleted".into(),
            Self::HiddenInDynamics => "the application user may not read this row".into(),
            Self::Erased => "it was erased on request and is not sent again".into(),
            Self::StandsFor(survivor) => format!("it stands for {survivor}, under whose key Marketo has the person"),
            Self::OutOfScope => "a filter or `bootstrap.since` keeps it out".into(),
            Self::Held { record, reason, .. } => format!("{record} is held: {reason}"),
            Self::WaitsFor(parent) => format!("it waits for {parent}, which isn't in Marketo yet"),
            Self::PersonTwice(persons) => format!("several Marketo persons hold its key: {}", list(persons)),
            Self::PersonKeyDiffers { person, holds } => {
                format!("Marketo person {person} is this record, and its external person id is {}", held(holds))
            }
            Self::Missing { object, record, was_there: true } => {
                format!("Marketo no longer has the {} of {record}; it was deleted or merged there", object.name())
            }
            Self::Missing { object, record, was_there: false } => format!("Marketo has no {} of {record} yet", object.name()),
            Self::OwnerMissing => "it has no owner that the application user may see".into(),
            Self::TeamWithoutUser(team) => format!("team {team} owns it, and neither an administrator nor owners.team names a user for it"),
            Self::OwnerWithoutEmail(user) => format!("its owner, user {user}, has no e-mail (internalemailaddress) in Dynamics"),
            Self::OwnerEmailTwice { user, others } => {
                format!("its owner, user {user}, has the same e-mail as other users: {}", list(others))
            }
            Self::OwnerEmailDiffers(user) => format!("Marketo's sales person has another e-mail than its owner, user {user}, in Dynamics"),
            Self::OwnerDiffers { record, owner, holds } => {
                format!("{record} belongs to user {owner} in Dynamics, and its sales person in Marketo is {}", held(holds))
            }
            Self::NoAccount => "it has no account".into(),
            Self::CompanyDiffers { record, account, holds } => {
                format!("{record} belongs to account {account} in Dynamics, and its company in Marketo is {}", held(holds))
            }
            Self::NoOpportunity => "no opportunity names it, neither as contact nor by a connection".into(),
            Self::RoleMissing { opportunity, role } => {
                format!("Marketo has no opportunity role `{role}` that joins this person and opportunity {opportunity}")
            }
            Self::NothingHappened => "Marketo has no interesting moment of this person, so that its panel is empty".into(),
            Self::NotWrittenBack(why) => why.clone(),
            Self::ColumnsDiffer(columns) => format!("Dynamics holds older values than Marketo in {}", columns.join(", ")),
            Self::ClosedLead => "it is a closed lead, whose columns are not written".into(),
            Self::NotSentYet => "a change of it waits to be sent".into(),
        }
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        let repair = "run `insight-bridge sync --only` with this id, which compares everything of it and sends what differs";
        match self {
            Self::NotInDynamics => "look for the record that it was merged into, or the id in another environment".into(),
            Self::HiddenInDynamics => "give the application user's security role Read on this table at organization level".into(),
            Self::Erased => "nothing, unless it was erased by mistake: docs/guide/scope-and-deletion.md".into(),
            Self::StandsFor(survivor) => format!("run `insight-bridge inspect {}`", survivor.id),
            Self::OutOfScope => "change `[where]`, `bootstrap.since` or the row, if it should be in Marketo".into(),
            Self::Held { record, code, .. } => format!("{} (`insight-bridge held show {}`)", advice(code).remedy, record.id),
            Self::WaitsFor(parent) => {
                format!("run `insight-bridge inspect {}`: what is wrong with that one is what is to be mended", parent.id)
            }
            Self::PersonTwice(_) => {
                "merge them in Marketo (Lead Database, Merge People); the bridge goes on with the one that stays".into()
            }
            Self::PersonKeyDiffers { .. } => format!("{repair}; find out who changed external ids in Marketo"),
            Self::Missing { was_there: true, .. } => repair.into(),
            Self::Missing { was_there: false, object: Object::Lead, .. } => {
                "run `insight-bridge sync`, or wait for the next pass of `serve`".into()
            }
            Self::Missing { was_there: false, record, .. } => {
                format!("run `insight-bridge sync`; where it stays so, `insight-bridge inspect {}`", record.id)
            }
            Self::OwnerMissing => {
                "give the row an owner, and the application user's role Read on users and teams at organization level".into()
            }
            Self::TeamWithoutUser(_) => "give the team an administrator, or name a user in owners.team".into(),
            Self::OwnerWithoutEmail(_) => "give the user an e-mail address in Dynamics".into(),
            Self::OwnerEmailTwice { .. } => "give each user an address of its own: Marketo Sales Insight knows salespeople by it".into(),
            Self::OwnerEmailDiffers(user) => {
                format!("run `insight-bridge sync`; where it stays so, Marketo doesn't change it: `insight-bridge mend-owner-email {user}`")
            }
            Self::OwnerDiffers { .. } | Self::CompanyDiffers { .. } | Self::RoleMissing { .. } => repair.into(),
            Self::NoAccount => "give it an account, if it should be shown on one".into(),
            Self::NoOpportunity => "nothing, unless it belongs to a deal: then connect it with the opportunity".into(),
            Self::NothingHappened => "nothing: the panel fills when Marketo records an interesting moment".into(),
            Self::NotWrittenBack(_) => "run `insight-bridge check`, which names the columns".into(),
            Self::ColumnsDiffer(_) => "wait for the next pass for moments, or run `insight-bridge sync --only` with this id".into(),
            Self::ClosedLead => "nothing, or write_back.closed_leads = \"try\"".into(),
            Self::NotSentYet => "run `insight-bridge sync`, or wait for the next pass of `serve`".into(),
        }
    }

    /// Where it is explained.
    #[must_use]
    pub fn page(&self) -> String {
        if let Self::Held { code, .. } = self {
            return advice(code).page;
        }
        format!("docs/guide/inspect.md#{}", self.code())
    }
}

fn list<T: ToString>(ids: &[T]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
