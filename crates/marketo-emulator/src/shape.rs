//! The last touch on an answer: how codes, ids, warnings, and nothing at all are written.
//!
//! Endpoints answer in one shape; what strangers have seen instead is made from it here, so that no endpoint has to know.

use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Outcome, Reason, Reply},
    options::{Codes, EmptyResult, Nulls, Options, Warnings},
};

/// Members whose value is an id.
const IDS: [&str; 3] = ["id", "leadId", "batchId"];
/// Length of a GUID; activities have numbers under the same name.
const GUID_LENGTH: usize = 36;
/// The text of a warning that means nothing.
const WARNING: &str = "This is a warning beside a good result.";

/// The answer as the options want it written.
pub(crate) fn shaped(answer: Answer, options: &Options) -> Answer {
    let mut reply = match answer? {
        Outcome::Reply(reply) => reply,
        raw @ Outcome::Raw(_) => return Ok(raw),
    };
    for element in reply.result.iter_mut().flatten().filter_map(Value::as_object_mut) {
        reshape(element, options);
    }
    match options.warnings {
        Warnings::Rare => {}
        Warnings::Texts => reply.warnings.push(json!(WARNING)),
        Warnings::Objects => reply.warnings.push(json!({"code": 1, "message": WARNING})),
    }
    let found_nothing = reply.result.as_ref().is_some_and(Vec::is_empty);
    match options.empty_result {
        EmptyResult::NoData if found_nothing && reply.next.is_none() => Err(Reason::of("702")),
        EmptyResult::NoData | EmptyResult::Absent if found_nothing => Ok(Reply { result: None, ..reply }.into()),
        EmptyResult::List | EmptyResult::NoData | EmptyResult::Absent => Ok(reply.into()),
    }
}

fn reshape(element: &mut Map<String, Value>, options: &Options) {
    if options.nulls == Nulls::Never {
        element.retain(|_, value| !value.is_null());
    }
    if options.omit_seq {
        element.remove("seq");
    }
    for name in IDS.iter().filter(|_| options.ids_as_text) {
        if let Some(id @ Value::Number(_)) = element.get_mut(*name) {
            *id = json!(id.to_string());
        }
    }
    if options.padded_guids
        && let Some(Value::String(guid)) = element.get_mut("marketoGUID")
        && guid.len() == GUID_LENGTH
    {
        guid.push_str("    ");
    }
    for reason in element.get_mut("reasons").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(written) = reason.get_mut("code") {
            *written = code(written.as_str().unwrap_or_default(), options);
        }
    }
}

/// A code as the options want it written.
pub(crate) fn code(code: &str, options: &Options) -> Value {
    match (options.codes, code.parse::<u32>()) {
        (Codes::Number, Ok(number)) => json!(number),
        (Codes::Number, Err(_)) | (Codes::Text, _) => json!(code),
    }
}
