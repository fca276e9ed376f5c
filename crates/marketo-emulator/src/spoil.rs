//! Failures on request: whole requests at any level, and single records whose neighbours are applied.
//!
//! A spoilt record is taken out before the endpoint sees it: in its place stands something that no endpoint takes, which is answered in
//! its place and order, and then gets the code that was asked for.

use base::Timestamp;
use emulator::{Emulator, Request, Response, Spoil};
use serde_json::{Value, json};

use crate::{
    answer::{bytes, text_of},
    call::Call,
    route::{Op, Route},
    shape::code,
    state::State,
};

impl State {
    /// Handles a request of which some records fail. Anything that isn't answered record by record is handled as usual.
    pub(crate) fn spoilt(&mut self, request: &Request, spoil: &Spoil, now: Timestamp) -> Response {
        let answers_records = match Call::new(request).route {
            Route::Found(op) => writes_records(&op),
            Route::WrongMethod | Route::Unknown => false,
        };
        let body = serde_json::from_slice::<Value>(&request.body).ok().filter(|_| answers_records);
        let Some(mut body) = body else { return self.handle(request, now) };
        let Some(records) = body.get_mut("input").and_then(Value::as_array_mut) else { return self.handle(request, now) };
        let struck = spoil.strikes(records.len());
        for (record, _) in records.iter_mut().zip(&struck).filter(|(_, struck)| **struck) {
            *record = Value::Null;
        }
        let response = self.handle(&Request { body: bytes(&body), ..request.clone() }, now);
        let Ok(mut answer) = serde_json::from_slice::<Value>(&response.body) else { return response };
        let results = answer.get_mut("result").and_then(Value::as_array_mut).into_iter().flatten();
        for (result, _) in results.zip(&struck).filter(|(_, struck)| **struck) {
            let reason = json!({"code": code(&spoil.code, &self.options), "message": text_of(&spoil.code)});
            let mut told = json!({"status": "skipped", "reasons": [reason]});
            if let (Some(seq), Some(told)) = (result.get("seq"), told.as_object_mut()) {
                told.insert("seq".into(), seq.clone());
            }
            *result = told;
        }
        response.with_body(bytes(&answer))
    }
}

/// Whether an operation takes records and answers each of them.
fn writes_records(op: &Op) -> bool {
    matches!(op, Op::SyncLeads | Op::PushLeads | Op::DeleteLeads | Op::MoveLeads | Op::Sync(_) | Op::Delete(_) | Op::ListMembers(..))
}
