//! The answers that an open question of the API can have: words for [`Options`](crate::Options).

use serde::{Deserialize, Serialize};

/// What an empty text does to a lead field. On the other objects it always clears: that is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyText {
    /// It clears the field, as `null` does.
    Clears,
    /// The field stays as it is.
    Ignored,
}

/// What `externalCompanyId: null` does to a lead that has a company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlink {
    /// The record is skipped with 1003.
    Skip,
    /// The member has no effect.
    Ignore,
}

/// What company-type fields in a lead record do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompanyFields {
    /// A lead that has or gets a company is skipped with 1021, even when nothing differs; else they go to its hidden company.
    RefusedWhenLinked,
    /// They are written to the company, and so to every lead of it, as the vendor's knowledge base says.
    Spread,
    /// Always skipped with 1021.
    Refused,
}

/// Where an error is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorLevel {
    /// The whole request fails and nothing is written.
    Response,
    /// Only the record is skipped.
    Record,
}

/// The name of the relative score, an integer from 0 to 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelativeScoreName {
    /// `relativeScore`, as the list of standard fields has it.
    Score,
    /// `relativeScoring`, as the Sales Insight set-up has it.
    Scoring,
    /// Both, with one value.
    Both,
}

/// The names of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UrgencyName {
    /// Only `relativeUrgency`, an integer from 0 to 3.
    Relative,
    /// Only `urgency`, a float.
    Raw,
    /// Both.
    Both,
}

/// What happens to a text longer than its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlong {
    /// The record is skipped with 1003.
    Skip,
    /// The text is cut silently.
    Truncate,
}

/// What happens to a read-only field in a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadOnly {
    /// The record is skipped with 1003.
    Skip,
    /// The member has no effect.
    Ignore,
}

/// Shape of the `Merge IDs` attribute of a type-32 activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeIds {
    /// The text `[7,9]`.
    Text,
    /// The text `7,9`.
    Plain,
    /// The array `[7,9]`.
    Array,
}

/// What "get lead by id" says for an unknown id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownLead {
    /// `success: false` with 1004.
    Error,
    /// `success: true` with an empty result.
    Empty,
}

/// How an empty requested field is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nulls {
    /// As `null`.
    Explicit,
    /// Not at all, unless it is a default field.
    Omitted,
    /// Not at all, default fields included.
    Never,
}

/// How a code is written, wherever one stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codes {
    /// As the text `"1004"`.
    Text,
    /// As the number 1004, as the OpenAPI files have it in places.
    Number,
}

/// What a search that finds nothing answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyResult {
    /// `result: []`.
    List,
    /// No `result` at all.
    Absent,
    /// The response-level code 702; a listing that has a paging token leaves `result` out instead.
    NoData,
}

/// Warnings beside a result that is otherwise right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warnings {
    /// Only the Asset API's, where it finds nothing.
    Rare,
    /// Every success carries one, a plain text.
    Texts,
    /// Every success carries one, with a code and a message, as the OpenAPI files have it.
    Objects,
}

/// What rate (606), quota (607) and concurrency (615) look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Throttle {
    /// An envelope with the code, under the HTTP status that the options name.
    Envelope,
    /// A gateway's plain text under that status, or under 429 where that is 200: no code, no envelope.
    Plain,
}

/// What a paging token of the activity listings is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivityTokens {
    /// A place in the order of recording: nothing is ever missed.
    Places,
    /// A date and a count, as old tokens decode to. The last page's token is the date of the call, so that an activity which shows late
    /// is missed by it.
    Dates,
}

/// The code of a record that names a company, opportunity, lead or sales person that isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownParent {
    /// The code of what is missing: 1013, and 1004 for a role's lead.
    NotFound,
    /// The record is skipped with 1003.
    Invalid,
}
