//! The way of a request through the gateway to its endpoint and back: size, token, path, method, permission, limits, counting.

use std::{collections::BTreeSet, time::Duration};

use base::Timestamp;
use emulator::{Emulator, Level, Request, Response, Spoil};
use serde_json::json;

use crate::{
    answer::{Answer, JSON, Outcome, Reason, bytes, failure, plain, request_id, success, text_of},
    call::Call,
    mark::fingerprint,
    options::{ApiClient, Permission, Throttle},
    permit,
    route::{Op, Route},
    shape::shaped,
    state::State,
    text::floor,
    tokens::{self, Standing},
};

impl Emulator for State {
    fn operation(&self, request: &Request) -> String {
        Call::new(request).route.name()
    }

    fn admit(&mut self, request: &Request, now: Timestamp) -> Result<(), Response> {
        let call = Call::new(request);
        if call.route == Route::Found(Op::Token) {
            return Ok(());
        }
        let standing = call.token(self.options.legacy_access_token).map(|token| self.tokens.standing(token, &self.options, now));
        // What will be answered with a code that doesn't count takes no place in the window either.
        if call.route == Route::WrongMethod || matches!(standing, Some(Standing::Expired | Standing::Invalid)) {
            self.gate.enter_free();
            return Ok(());
        }
        if let Err(code) = self.gate.enter(&self.options, now) {
            self.gate.count(&call.route.name());
            let user = self.user_of(standing);
            self.gate.charge(&user, Some(code), now);
            let refusal = self.refusal(code, None, now);
            self.serial += 1;
            return Err(refusal);
        }
        if self.options.upsert_race && call.route == Route::Found(Op::SyncLeads) {
            let next = self.leads.next();
            self.races.entry(fingerprint(&request.body[..])).or_default().push(next);
        }
        Ok(())
    }

    fn handle(&mut self, request: &Request, now: Timestamp) -> Response {
        self.advance(now);
        let call = Call::new(request);
        self.serial += 1;
        self.gate.count(&call.route.name());
        if call.route == Route::Found(Op::Token) {
            return self.identity(&call, now);
        }
        let mut user = self.options.api_user.clone();
        let answer = shaped(self.serve(&call, &mut user, now), &self.options);
        let id = request_id(self.serial, now);
        let (response, code) = match answer {
            Ok(Outcome::Reply(reply)) => (success(id, reply), None),
            Ok(Outcome::Raw(response)) => {
                let code = (response.status >= 400).then(|| response.status.to_string());
                (response, code)
            }
            Err(reason) => (self.failed(&id, &reason, None), Some(reason.code)),
        };
        self.gate.charge(&user, code.as_deref(), now);
        response
    }

    fn release(&mut self, request: &Request, _now: Timestamp, _took: Duration) {
        if Call::new(request).route != Route::Found(Op::Token) {
            self.gate.leave();
        }
    }

    fn refusal(&self, code: &str, wait_s: Option<u64>, now: Timestamp) -> Response {
        match code {
            "401" => denied(),
            "404" | "413" | "414" | "429" | "500" | "502" | "503" | "504" => waiting(bare(code.parse().unwrap_or(500)), wait_s),
            code => {
                let message = match code {
                    "606" => format!("Max rate limit '{}' exceeded with in '{}' secs", self.options.rate_max, self.options.rate_window_s),
                    code => text_of(code).to_owned(),
                };
                let id = request_id(self.serial.wrapping_add(1), now);
                self.failed(&id, &Reason::new(code, message), wait_s)
            }
        }
    }

    fn failure(&self, level: Level, code: &str, wait_s: Option<u64>, now: Timestamp) -> Response {
        let status = code.parse().ok().filter(|status| (400..600).contains(status));
        match (level, status) {
            (Level::Http, Some(status)) => waiting(bare(status), wait_s),
            (Level::Response, _) => {
                let id = request_id(self.serial.wrapping_add(1), now);
                waiting(failure(&id, 200, &Reason::of(code), &self.options), wait_s)
            }
            (Level::Http, None) | (Level::Record, _) => self.refusal(code, wait_s, now),
        }
    }

    fn refused(&mut self, request: &Request, code: &str, now: Timestamp) {
        let call = Call::new(request);
        self.gate.count(&call.route.name());
        if call.route == Route::Found(Op::Token) {
            return;
        }
        let standing = call.token(self.options.legacy_access_token).map(|token| self.tokens.standing(token, &self.options, now));
        let user = self.user_of(standing);
        self.gate.charge(&user, Some(code), now);
        self.serial += 1;
    }

    fn handle_spoilt(&mut self, request: &Request, spoil: &Spoil, now: Timestamp) -> Response {
        self.spoilt(request, spoil, now)
    }
}

impl State {
    /// Whose call it is, for the statistics; the main user's when nobody can tell.
    fn user_of(&self, standing: Option<Standing>) -> String {
        match standing {
            Some(Standing::Valid(client)) => client.user,
            Some(Standing::Expired | Standing::Invalid) | None => self.options.api_user.clone(),
        }
    }

    /// The answer that a whole request failed, throttled ones as the options want them.
    fn failed(&self, id: &str, reason: &Reason, wait_s: Option<u64>) -> Response {
        if !matches!(reason.code.as_str(), "606" | "607" | "615") {
            return waiting(failure(id, 200, reason, &self.options), wait_s);
        }
        let wait_s = wait_s.or(self.options.throttle_retry_after_s);
        match (self.options.throttle, self.options.throttle_status) {
            (Throttle::Envelope, status) => waiting(failure(id, status, reason, &self.options), wait_s),
            (Throttle::Plain, 200) => waiting(bare(429), wait_s),
            (Throttle::Plain, status) => waiting(bare(status), wait_s),
        }
    }

    fn serve(&mut self, call: &Call<'_>, user: &mut String, now: Timestamp) -> Answer {
        if let Some(status) = call.oversized() {
            let text = if status == 414 { "Request-URI Too Large" } else { "Request Entity Too Large" };
            return Ok(Outcome::Raw(plain(status, text)));
        }
        let client = self.authenticate(call, now)?;
        client.user.clone_into(user);
        let op = match &call.route {
            Route::Found(op) => op,
            Route::WrongMethod => return Err(Reason::new("605", format!("Request method '{}' not supported", call.request.method))),
            Route::Unknown => return Err(Reason::of("610")),
        };
        allow(&client.permissions, permit::needed(op))?;
        self.dispatch(call, op, &client, now)
    }

    fn authenticate(&mut self, call: &Call<'_>, now: Timestamp) -> Result<ApiClient, Reason> {
        let Some(token) = call.token(self.options.legacy_access_token) else { return Err(Reason::of("603")) };
        match self.tokens.judge(token, &self.options, now) {
            Standing::Valid(client) => Ok(client),
            Standing::Expired => Err(Reason::of("602")),
            Standing::Invalid => Err(Reason::of("601")),
        }
    }

    fn dispatch(&mut self, call: &Call<'_>, op: &Op, client: &ApiClient, at: Timestamp) -> Answer {
        let now = floor(at);
        match op {
            // The identity endpoint never gets here.
            Op::Token => Err(Reason::of("610")),
            Op::DescribeLeads => self.describe_leads(),
            Op::DescribeLeads2 => self.describe_leads2(),
            Op::Fields(object) => self.browse_fields(*object, call, now),
            Op::Field(object, name) => self.one_field(*object, name),
            Op::CreateFields => self.create_fields(call),
            Op::UpdateField(name) => self.update_field(name, call),
            Op::Lead(id) => self.lead_by_id(id, call),
            Op::QueryLeads => self.query_leads(call, now),
            Op::SyncLeads => self.sync_leads(call, now),
            Op::PushLeads => self.push_leads(call, now),
            Op::DeleteLeads => self.delete_leads(call, now),
            Op::MergeLeads(winner) => self.merge_call(winner, call, now),
            Op::AssociateLead(id) => self.associate_lead(id, call),
            Op::Partitions => Ok(self.list_partitions()),
            Op::MoveLeads => self.move_leads(call, now),
            Op::Describe(object) => self.describe(*object),
            Op::Query(object) => self.query_objects(*object, call, now),
            Op::Sync(object) => self.sync_objects(*object, call, now),
            Op::Delete(object) => self.delete_objects(*object, call, now),
            Op::ActivityTypes => Ok(Self::list_activity_types()),
            Op::PagingToken => Self::paging_token(call),
            Op::Activities => self.list_activities(call, now),
            Op::LeadChanges => self.list_lead_changes(call, now),
            Op::DeletedLeads => self.list_deleted_leads(call, now),
            Op::Usage { week } => Ok(self.usage(*week, at)),
            Op::Errors { week } => Ok(self.errors(*week, at)),
            Op::Import => self.create_import(call, now),
            Op::ImportStatus(id) => self.import_status(id, now),
            Op::ImportFailures(id) => self.import_rows(id, true, now),
            Op::ImportWarnings(id) => self.import_rows(id, false, now),
            Op::Export(extract, step) => self.export(*extract, step, call, client, at),
            Op::Lists => self.query_lists(call, now),
            Op::OneList(id) => self.one_list(id),
            Op::ListLeads(id) => self.leads_of_list(id, call, now),
            Op::ListMembers(id, what) => self.list_call(id, *what, call, now),
            Op::ListsOfLead(id) => self.lists_of_lead(id, call, now),
            Op::ListAsset(step) => self.list_asset_call(step, call, now),
            Op::CustomActivities => Self::custom_activities(call),
            Op::DescribeProgramMembers => Ok(self.describe_program_members()),
            Op::DescribeNamedAccounts => Ok(self.describe_named_accounts()),
            Op::EmptyList => Ok(Self::empty_list()),
            Op::Nothing => Err(Reason::of("1013")),
            Op::Assets => Ok(Self::no_assets()),
        }
    }

    /// The identity endpoint: no envelope, no count, HTTP 401 for bad credentials.
    fn identity(&mut self, call: &Call<'_>, now: Timestamp) -> Response {
        let grant = call.param("grant_type").unwrap_or_default();
        if grant != "client_credentials" {
            let body = json!({"error": "unsupported_grant_type", "error_description": format!("Unsupported grant type: {grant}")});
            return Response::new(400, JSON, bytes(&body));
        }
        let secret = call.param("client_secret").unwrap_or_default();
        let client = call.param("client_id").and_then(|id| tokens::client_of(id, &self.options)).filter(|client| client.secret == secret);
        let Some(client) = client else { return denied() };
        let (token, left) = self.tokens.issue(&client.id, &mut self.options, now);
        let body = json!({"access_token": token, "token_type": "bearer", "expires_in": left, "scope": client.user});
        Response::new(200, JSON, bytes(&body)).with("cache-control", "no-store")
    }
}

/// A gateway's answer: the status and its name.
fn bare(status: u16) -> Response {
    plain(status, http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error"))
}

fn waiting(response: Response, wait_s: Option<u64>) -> Response {
    match wait_s {
        Some(seconds) => response.with("retry-after", &seconds.to_string()),
        None => response,
    }
}

fn denied() -> Response {
    let body = json!({"error": "invalid_client", "error_description": "Bad client credentials"});
    Response::new(401, JSON, bytes(&body))
}

fn allow(has: &BTreeSet<Permission>, needs: &[Permission]) -> Result<(), Reason> {
    if needs.is_empty() || needs.iter().any(|permission| has.contains(permission)) { Ok(()) } else { Err(Reason::of("603")) }
}
