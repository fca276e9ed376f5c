//! What the bridge may write to Dynamics: seven columns of leads and contacts, nothing else (rule R10).

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Map, Value};

use super::Violation;

/// Ends of the columns' names, whatever their publisher.
const COLUMNS: [&str; 12] = [
    "lastinterestingmomenttype",
    "lastinterestingmomentdate",
    "lastinterestingmomentdesc",
    "leadinterestingmomentsource",
    "lead_interestingmomentsource",
    "lastinterestingmomentsource",
    "priority",
    "urgency",
    "urgencyvalue",
    "relativescore",
    "relativescorevalue",
    "relativescoring",
];

/// Complains about everything else.
pub(super) fn check(request: &Request<Bytes>, broken: &mut Vec<Violation>) {
    let path = request.uri().path();
    if request.method() == Method::GET || path.contains("/oauth2/") {
        return;
    }
    let text = String::from_utf8_lossy(request.body());
    let mut add = |what: String| broken.push(Violation::new("way-back", what));
    if path.ends_with("/$batch") {
        let verbs = text.lines().filter(|line| ["POST ", "DELETE ", "PUT "].iter().any(|verb| line.starts_with(verb)));
        verbs.for_each(|line| add(format!("a batch with {line}")));
        text.lines().filter(|line| line.starts_with('{')).for_each(|line| row(line, &mut add));
    } else if path.ends_with("UpdateMultiple") {
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        for target in body.get("Targets").and_then(Value::as_array).into_iter().flatten() {
            row(&target.to_string(), &mut add);
        }
    } else if request.method() == Method::PATCH {
        row(&text, &mut add);
    } else {
        add(format!("{} {path}", request.method()));
    }
}

fn row(text: &str, add: &mut impl FnMut(String)) {
    let Ok(row) = serde_json::from_str::<Map<String, Value>>(text) else { return add(format!("not a row: {text}")) };
    for column in row.keys() {
        let is_key = column.starts_with('@') || matches!(column.as_str(), "leadid" | "contactid");
        let bare = column.split_once('_').map_or(column.as_str(), |(_, bare)| bare);
        if !is_key && !COLUMNS.contains(&bare) {
            add(format!("column {column}"));
        }
    }
}
