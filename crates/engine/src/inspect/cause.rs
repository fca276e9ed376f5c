//! Why Marketo Sales Insight doesn't show something, each with what to do.

use base::{Guid, Object, RecordId, Table};
use serde::Serialize;

/// What people look at in Dynamics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// The panel on a lead or contact.
    PersonPanel,
    /// The panel on an account.
    AccountPanel,
    /// The panel on an opportunity.
    OpportunityPanel,
    /// The list of the people whom a salesperson should call first.
    BestBets,
    /// Columns and views with stars (score) and flames (urgency), and the last interesting moment.
    StarsAndFlames,
}

impl View {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PersonPanel => "panel on the lead or contact",
            Self::AccountPanel => "panel on the account",
            Self::OpportunityPanel => "panel on the opportunity",
            Self::BestBets => "Best Bets",
            Self::StarsAndFlames => "stars, flames and moments in columns",
        }
    }
}

use View::{AccountPanel, BestBets, OpportunityPanel, PersonPanel, StarsAndFlames};

/// Everything that shows a person.
const ALL: &[View] = &[PersonPanel, AccountPanel, OpportunityPanel, BestBets, StarsAndFlames];

/// What depends on the sales person, whom Marketo Sales Insight finds by e-mail.
const OWNED: &[View] = &[PersonPanel, BestBets];

/// Why something isn't shown, or what else people should know of it. In the order in which they are to be put right: what comes first may
/// mend what comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Dynamics has no such row.
    NotInDynamics,
    /// Dynamics has it, or may have it, and our role doesn't reach it.
    HiddenInDynamics,
    /// It was taken out on request.
    Erased,
    /// It stands for another record.
    StandsFor(RecordId),
    /// A filter keeps it out.
    OutOfScope,
    /// It can't be sent as it is.
    Held {
        /// Which record.
        record: RecordId,
        /// Its code.
        code: String,
        /// In words.
        reason: String,
    },
    /// Something that it refers to isn't in Marketo.
    WaitsFor(RecordId),
    /// Several Marketo persons hold its key.
    PersonTwice(Vec<i64>),
    /// Marketo has the person, without its key or with another.
    PersonKeyDiffers {
        /// Marketo's id.
        person: i64,
        /// What it holds instead.
        holds: Option<String>,
    },
    /// Marketo has no such record.
    Missing {
        /// What kind.
        object: Object,
        /// Of which row.
        record: RecordId,
        /// Whether Marketo has had it.
        was_there: bool,
    },
    /// A row has no owner that we see.
    OwnerMissing,
    /// A team owns it, and policy names no user for that.
    TeamWithoutUser(Guid),
    /// The owner has no e-mail.
    OwnerWithoutEmail(Guid),
    /// Other users have the owner's e-mail.
    OwnerEmailTwice {
        /// The owner.
        user: Guid,
        /// The others.
        others: Vec<Guid>,
    },
    /// The sales person's e-mail isn't the user's.
    OwnerEmailDiffers(Guid),
    /// Marketo's record belongs to another sales person than Dynamics' row.
    OwnerDiffers {
        /// Whose it is.
        record: RecordId,
        /// Whose it should be.
        owner: Guid,
        /// Whose it is in Marketo.
        holds: Option<String>,
    },
    /// It has no account.
    NoAccount,
    /// Marketo's record belongs to another company than Dynamics' row.
    CompanyDiffers {
        /// Whose it is.
        record: RecordId,
        /// Where it should be.
        account: Guid,
        /// Where it is in Marketo.
        holds: Option<String>,
    },
    /// No opportunity names it.
    NoOpportunity,
    /// Marketo has no role that joins the person and the opportunity.
    RoleMissing {
        /// The opportunity.
        opportunity: Guid,
        /// The role.
        role: String,
    },
    /// Marketo has no interesting moment of the person.
    NothingHappened,
    /// Dynamics lacks columns for fields of Sales Insight, or they aren't written.
    NotWrittenBack(String),
    /// The row holds something else in columns of Sales Insight than Marketo says.
    ColumnsDiffer(Vec<String>),
    /// The row is a closed lead, which isn't written to.
    ClosedLead,
    /// A change waits to be sent.
    NotSentYet,
}

impl Cause {
    /// A stable code; `docs/guide/inspect.md` has a section for each, and those of held records have a page in `docs/errors`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotInDynamics => "not-in-dynamics",
            Self::HiddenInDynamics => "hidden-in-dynamics",
            Self::Erased => "erased",
            Self::StandsFor(_) => "stands-for-another",
            Self::OutOfScope => "out-of-scope",
            Self::Held { code, .. } => code,
            Self::WaitsFor(_) => "waiting",
            Self::PersonTwice(_) => "person-twice",
            Self::PersonKeyDiffers { .. } => "person-key-differs",
            Self::Missing { object, .. } => match object {
                Object::SalesPerson => "sales-person-missing",
                Object::Company => "company-missing",
                Object::Lead => "person-missing",
                Object::Opportunity => "opportunity-missing",
                Object::Role => "role-missing",
            },
            Self::OwnerMissing => "owner-missing",
            Self::TeamWithoutUser(_) => "team-without-user",
            Self::OwnerWithoutEmail(_) => "owner-without-email",
            Self::OwnerEmailTwice { .. } => "owner-email-twice",
            Self::OwnerEmailDiffers(_) => "owner-email-differs",
            Self::OwnerDiffers { .. } => "owner-differs",
            Self::NoAccount => "no-account",
            Self::CompanyDiffers { .. } => "company-differs",
            Self::NoOpportunity => "no-opportunity",
            Self::RoleMissing { .. } => "role-missing",
            Self::NothingHappened => "nothing-happened",
            Self::NotWrittenBack(_) => "not-written-back",
            Self::ColumnsDiffer(_) => "columns-differ",
            Self::ClosedLead => "closed-lead",
            Self::NotSentYet => "not-sent-yet",
        }
    }

    /// What isn't shown because of it.
    #[must_use]
    pub const fn hides(&self) -> &'static [View] {
        match self {
            Self::NotInDynamics
            | Self::HiddenInDynamics
            | Self::Erased
            | Self::StandsFor(_)
            | Self::OutOfScope
            | Self::PersonTwice(_)
            | Self::PersonKeyDiffers { .. } => ALL,
            Self::Missing { object, .. } => match object {
                Object::SalesPerson => OWNED,
                Object::Company => &[AccountPanel],
                Object::Lead => ALL,
                Object::Opportunity | Object::Role => &[OpportunityPanel],
            },
            Self::OwnerMissing
            | Self::TeamWithoutUser(_)
            | Self::OwnerWithoutEmail(_)
            | Self::OwnerEmailTwice { .. }
            | Self::OwnerEmailDiffers(_)
            | Self::OwnerDiffers { .. } => OWNED,
            Self::NoAccount | Self::CompanyDiffers { .. } => &[AccountPanel],
            Self::NoOpportunity | Self::RoleMissing { .. } => &[OpportunityPanel],
            Self::NotWrittenBack(_) | Self::ColumnsDiffer(_) | Self::ClosedLead => &[StarsAndFlames],
            // What else is looked at says whether Marketo has an earlier state of it.
            Self::Held { .. } | Self::WaitsFor(_) | Self::NothingHappened | Self::NotSentYet => &[],
        }
    }

    /// Whether something is wrong that people can put right; the others are only so.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        match self {
            Self::NoAccount | Self::NoOpportunity | Self::NothingHappened | Self::ClosedLead | Self::NotSentYet | Self::StandsFor(_) => {
                false
            }
            Self::NotInDynamics
            | Self::HiddenInDynamics
            | Self::Erased
            | Self::OutOfScope
            | Self::Held { .. }
            | Self::WaitsFor(_)
            | Self::PersonTwice(_)
            | Self::PersonKeyDiffers { .. }
            | Self::Missing { .. }
            | Self::OwnerMissing
            | Self::TeamWithoutUser(_)
            | Self::OwnerWithoutEmail(_)
            | Self::OwnerEmailTwice { .. }
            | Self::OwnerEmailDiffers(_)
            | Self::OwnerDiffers { .. }
            | Self::CompanyDiffers { .. }
            | Self::RoleMissing { .. }
            | Self::NotWrittenBack(_)
            | Self::ColumnsDiffer(_) => true,
        }
    }
}

/// The views that may show a record of this table.
pub(super) const fn views_of(table: Table) -> &'static [View] {
    match table {
        Table::Lead => &[PersonPanel, AccountPanel, BestBets, StarsAndFlames],
        Table::Contact => ALL,
        Table::Account => &[AccountPanel],
        Table::Opportunity => &[OpportunityPanel],
        Table::SystemUser => &[BestBets],
        Table::Team | Table::ConnectionRole | Table::Connection => &[],
    }
}
