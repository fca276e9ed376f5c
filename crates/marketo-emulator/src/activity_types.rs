//! The catalogue of activity types. Ids are the well-known ones; attribute names follow the documents and recorded answers.

use serde_json::{Value, json};

use crate::{
    answer::{Outcome, Reply},
    state::State,
};

/// Id, name, primary attribute with its type, further attributes with theirs.
type Type = (u16, &'static str, (&'static str, &'static str), &'static [(&'static str, &'static str)]);

const REASON: (&str, &str) = ("Reason", "string");
const SOURCE: (&str, &str) = ("Source", "string");

const TYPES: &[Type] = &[
    (
        1,
        "Visit Webpage",
        ("Webpage ID", "integer"),
        &[
            ("Client IP Address", "string"),
            ("Query Parameters", "string"),
            ("Referrer URL", "string"),
            ("User Agent", "string"),
            ("Webpage URL", "string"),
        ],
    ),
    (
        2,
        "Fill Out Form",
        ("Webform ID", "integer"),
        &[
            ("Client IP Address", "string"),
            ("Form Fields", "text"),
            ("Query Parameters", "string"),
            ("Referrer URL", "string"),
            ("User Agent", "string"),
            ("Webpage ID", "integer"),
        ],
    ),
    (
        3,
        "Click Link",
        ("Link ID", "integer"),
        &[
            ("Client IP Address", "string"),
            ("Query Parameters", "string"),
            ("Referrer URL", "string"),
            ("User Agent", "string"),
            ("Webpage ID", "integer"),
        ],
    ),
    (6, "Send Email", ("Mailing ID", "integer"), &[("Campaign Run ID", "integer"), ("Choice Number", "integer"), ("Step ID", "integer")]),
    (
        7,
        "Email Delivered",
        ("Mailing ID", "integer"),
        &[("Campaign Run ID", "integer"), ("Choice Number", "integer"), ("Step ID", "integer")],
    ),
    (
        8,
        "Email Bounced",
        ("Mailing ID", "integer"),
        &[("Category", "string"), ("Details", "text"), ("Email", "string"), ("Subcategory", "string")],
    ),
    (9, "Unsubscribe Email", ("Mailing ID", "integer"), &[("Client IP Address", "string"), ("User Agent", "string")]),
    (
        10,
        "Open Email",
        ("Mailing ID", "integer"),
        &[
            ("Bot Activity Pattern", "string"),
            ("Device", "string"),
            ("Is Bot Activity", "boolean"),
            ("Platform", "string"),
            ("User Agent", "string"),
        ],
    ),
    (
        11,
        "Click Email",
        ("Mailing ID", "integer"),
        &[("Device", "string"), ("Is Bot Activity", "boolean"), ("Link", "string"), ("Platform", "string"), ("User Agent", "string")],
    ),
    (
        12,
        "New Lead",
        ("Lead ID", "integer"),
        &[
            ("API Method Name", "string"),
            ("Created Date", "date"),
            ("Form Name", "string"),
            ("Lead Source", "string"),
            ("List Name", "string"),
            ("Source Type", "string"),
        ],
    ),
    (
        13,
        "Change Data Value",
        ("Attribute Name", "string"),
        &[
            ("API Method Name", "string"),
            ("Modifying User", "string"),
            ("New Value", "string"),
            ("Old Value", "string"),
            REASON,
            ("Request Id", "string"),
            SOURCE,
        ],
    ),
    (21, "Convert Lead", ("Lead ID", "integer"), &[("Assign To", "string"), ("Converted Status", "string")]),
    (
        22,
        "Change Score",
        ("Score Name", "string"),
        &[
            ("Change Value", "string"),
            ("New Value", "integer"),
            ("Old Value", "integer"),
            ("Priority", "integer"),
            REASON,
            ("Relative Score", "integer"),
            ("Relative Urgency", "integer"),
            ("Urgency", "float"),
        ],
    ),
    (23, "Change Owner", ("New Owner ID", "string"), &[("New Owner", "string"), ("Old Owner", "string"), SOURCE]),
    (24, "Add to List", ("List ID", "integer"), &[SOURCE]),
    (25, "Remove from List", ("List ID", "integer"), &[SOURCE]),
    (
        32,
        "Merge Leads",
        ("Lead ID", "integer"),
        &[("Master Updated", "boolean"), ("Merge IDs", "string"), ("Merge Source", "string"), ("Merged in Sales", "boolean")],
    ),
    (
        34,
        "Add to Opportunity",
        ("Opportunity ID", "integer"),
        &[("External Opportunity Id", "string"), ("Is Primary", "boolean"), ("Role", "string")],
    ),
    (
        35,
        "Remove from Opportunity",
        ("Opportunity ID", "integer"),
        &[("External Opportunity Id", "string"), ("Is Primary", "boolean"), ("Role", "string")],
    ),
    (
        36,
        "Update Opportunity",
        ("Opportunity ID", "integer"),
        &[("Data Value Changes", "text"), ("External Opportunity Id", "string"), ("Role", "string")],
    ),
    (37, "Delete Lead", ("Lead ID", "integer"), &[("Campaign", "string"), ("Campaign Run ID", "integer"), ("Remove From CRM", "boolean")]),
    (38, "Send Alert", ("Mailing ID", "integer"), &[("Send To Owner", "string"), ("Send To List", "string")]),
    (39, "Send Sales Email", ("Mailing ID", "integer"), &[SOURCE]),
    (40, "Open Sales Email", ("Mailing ID", "integer"), &[SOURCE]),
    (41, "Click Sales Email", ("Mailing ID", "integer"), &[("Link", "string"), SOURCE]),
    (46, "Interesting Moment", ("Milestone", "string"), &[("Date", "datetime"), ("Description", "string"), SOURCE]),
    (100, "Change Lead Partition", ("New Partition ID", "integer"), &[("Old Partition ID", "integer"), REASON, SOURCE]),
    (
        104,
        "Change Status in Progression",
        ("Program ID", "integer"),
        &[
            ("Acquired By", "boolean"),
            ("New Status", "string"),
            ("Old Status", "string"),
            ("Program Member ID", "integer"),
            REASON,
            ("Success", "boolean"),
        ],
    ),
    (110, "Call Webhook", ("Webhook", "integer"), &[("Error Type", "integer"), ("Request", "text"), ("Response", "text")]),
];

impl State {
    /// `GET /rest/v1/activities/types`.
    pub(crate) fn list_activity_types() -> Outcome {
        Reply::of(TYPES.iter().map(described).collect()).into()
    }
}

fn described((id, name, (primary, primary_type), attributes): &Type) -> Value {
    let attribute = |name: &str, data_type: &str| json!({"name": name, "apiName": api_name(name), "dataType": data_type});
    json!({
        "id": id,
        "name": name,
        "apiName": api_name(name),
        "description": format!("{name} activity"),
        "primaryAttribute": attribute(primary, primary_type),
        "attributes": attributes.iter().map(|(name, data_type)| attribute(name, data_type)).collect::<Vec<_>>(),
    })
}

/// `Change Data Value` becomes `changeDataValue`.
fn api_name(name: &str) -> String {
    let mut words = name.split(' ');
    let first = words.next().unwrap_or_default().to_lowercase();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let head = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
        name + &head + &letters.as_str().to_lowercase()
    })
}
