//! The state machine as the router sees it: admission, the check of who calls, the answer's common headers.

use std::time::Duration;

use base::{Guid, Timestamp, time::later};
use emulator::{Emulator, Request, Response};

use super::{Call, ContentIds, formatted::grouped, split_version};
use crate::{
    error::Refusal,
    gate::{Full, Limit, Limits},
    options::{ApplicationUser, RetryAfter},
    rules::Actor,
    state::State,
};

impl Emulator for State {
    fn operation(&self, request: &Request) -> String {
        self.operation_of(request)
    }

    fn admit(&mut self, request: &Request, now: Timestamp) -> Result<(), Response> {
        self.origin.clone_from(&request.origin);
        if split_version(&request.path).is_none() {
            return Ok(());
        }
        let limits = self.options.enforce_limits.then(|| self.limits());
        self.gate.enter(limits, now).map_err(|full| self.throttled(full, now))
    }

    fn handle(&mut self, request: &Request, now: Timestamp) -> Response {
        if let Some(answer) = self.identity(request, now) {
            return answer;
        }
        self.requests += 1;
        let answer = if split_version(&request.path).is_none() {
            Response::new(
                404,
                "text/html",
                "<!DOCTYPE html><html><head><title>404 - File or directory not found.</title></head><body></body></html>",
            )
        } else {
            match self.check_bearer(request, now).or_else(|| self.check_member(request)) {
                Some(refused) => refused,
                None => {
                    self.announce(now);
                    self.serve(request, now)
                }
            }
        };
        self.sign(answer, request)
    }

    fn release(&mut self, request: &Request, now: Timestamp, took: Duration) {
        if split_version(&request.path).is_some() {
            self.gate.leave(now, took);
        }
    }

    fn refusal(&self, code: &str, wait_s: Option<u64>, now: Timestamp) -> Response {
        // What stands in front of the service answers failures with a page, or with nothing.
        let (code, form) = code.split_once('-').unwrap_or((code, ""));
        let html = |status: u16, title: &str| {
            Response::new(status, "text/html", format!("<html><head><title>{title}</title></head><body><h2>{title}</h2></body></html>"))
        };
        match (code.parse::<u16>(), form) {
            (Ok(status @ 500..=599), "html") => return self.wait(html(status, &format!("{status} - Server error")), wait_s, now),
            (Ok(status @ 500..=599), "empty") => return self.wait(Response::empty(status), wait_s, now),
            (Ok(_) | Err(_), _) => {}
        }
        match code {
            "401" => self.unauthorized(&self.origin),
            "429" | "0x80072322" => self.throttled(Full { limit: Limit::Requests, wait_s: wait_s.unwrap_or(30) }, now),
            "0x80072321" => self.throttled(Full { limit: Limit::Time, wait_s: wait_s.unwrap_or(30) }, now),
            "0x80072326" => self.throttled(Full { limit: Limit::Concurrency, wait_s: wait_s.unwrap_or(30) }, now),
            "502" => html(502, "502 - Web server received an invalid response while acting as a gateway or proxy server."),
            "503" => self.wait(Response::empty(503), wait_s, now),
            "504" => html(504, "504 - Gateway Time-out"),
            other => named_refusal(other),
        }
    }
}

/// The refusals that need nothing but their number.
fn named_refusal(code: &str) -> Response {
    let refusal = match code {
        "403" | "0x80072560" => Refusal::new(403, "0x80072560", "The user is not a member of the organization."),
        "0x80040220" => Refusal::new(403, "0x80040220", "Principal user is missing a privilege."),
        "404" | "0x80040217" => Refusal::new(404, "0x80040217", "Entity With Id Does Not Exist"),
        "412" | "0x80060882" => {
            Refusal::new(412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided.")
        }
        "413" => Refusal::new(413, "", "The page was not displayed because the request entity is too large."),
        "0x80044352" => Refusal::new(400, "0x80044352", EXPIRED),
        "0x80044150" => {
            Refusal::new(400, "0x80044150", "Generic SQL error. Transaction was deadlocked on lock resources with another process.")
        }
        "0x80044151" => Refusal::new(400, "0x80044151", "SQL timeout expired."),
        "0x80040203" => Refusal::new(400, "0x80040203", "Invalid argument."),
        "0x80040265" => Refusal::new(400, "0x80040265", "An error occurred in a plug-in."),
        "400" | "0x80060888" => Refusal::query("Bad Request - Error in query syntax."),
        _ => Refusal::new(500, "0x80040216", "An unexpected error occurred."),
    };
    let body = serde_json::json!({"error": {"code": refusal.code, "message": refusal.message}}).to_string();
    crate::headers::json(refusal.status, body)
}

/// Characters of an address outside a batch (documented).
const URL_MAX: usize = 32_768;

/// The text of an expired delta token (Microsoft's change tracking page).
pub(crate) const EXPIRED: &str = "Version stamp associated with the client has expired. Please perform a full sync.";

impl State {
    fn limits(&self) -> Limits {
        Limits { requests: self.options.limit_requests, time_ms: self.options.limit_time_ms, concurrent: self.options.limit_concurrent }
    }

    /// Takes a request that has passed the door apart and answers it.
    pub(crate) fn serve(&mut self, request: &Request, now: Timestamp) -> Response {
        if request.path.len() + request.query.len() > URL_MAX {
            return Response::new(414, "text/html", "<html><head><title>414 - URI Too Long</title></head></html>");
        }
        let actor = self.actor(request, now);
        match Call::new(request, actor, now, ContentIds::new()) {
            Some(call) if call.segments.first().is_some_and(|segment| segment.name == "$batch") => self.batch(&call),
            Some(call) => self.route(&call).unwrap_or_else(|refusal| refusal.answer(request)),
            None => Response::empty(404),
        }
    }

    /// The writer's name: an impersonated user where a header names one, with the caller behind.
    pub(crate) fn actor(&self, request: &Request, now: Timestamp) -> Actor {
        let caller = self.fixtures.application_user;
        let users = self.store.schema.find("systemuser");
        let by_id = request.header("mscrmcallerid").and_then(|id| id.parse::<Guid>().ok());
        let by_object = request.header("callerobjectid").and_then(|id| id.parse::<Guid>().ok()).and_then(|object| {
            let (users, column) = (users?, self.column(users?, "azureactivedirectoryobjectid")?);
            let mut rows = self.store.table(users).rows.iter();
            rows.find(|(_, row)| row.get(column).as_guid() == Some(object)).map(|(id, _)| *id)
        });
        let other = by_object.or(by_id).filter(|id| *id != caller && users.is_some_and(|users| self.store.row(users, *id).is_some()));
        Actor { user: other.unwrap_or(caller), behalf: other.map(|_| caller), now: now.as_second() }
    }

    fn check_member(&self, request: &Request) -> Option<Response> {
        let refusal = match self.options.application_user {
            ApplicationUser::Enabled => return None,
            ApplicationUser::Missing => Refusal::new(403, "0x80072560", "The user is not a member of the organization."),
            ApplicationUser::Disabled => {
                Refusal::new(403, "0x80040225", "The specified user is either disabled or is not a member of any business unit.")
            }
        };
        Some(refusal.answer(request))
    }

    fn throttled(&self, full: Full, now: Timestamp) -> Response {
        let (code, message) = match full.limit {
            Limit::Requests => (
                "0x80072322",
                format!("Number of requests exceeded the limit of {} over time window of 300 seconds.", self.options.limit_requests),
            ),
            Limit::Time => (
                "0x80072321",
                format!(
                    "Combined execution time of incoming requests exceeded limit of {} milliseconds over time window of 300 seconds. Decrease number of concurrent requests or reduce the duration of requests and try again later.",
                    grouped(self.options.limit_time_ms)
                ),
            ),
            Limit::Concurrency => {
                ("0x80072326", format!("Number of concurrent requests exceeded the limit of {}.", self.options.limit_concurrent))
            }
        };
        let body = serde_json::json!({"error": {"code": code, "message": message}}).to_string();
        self.wait(crate::headers::json(429, body), Some(full.wait_s), now)
    }

    /// The answer with the wait named as configured.
    fn wait(&self, answer: Response, wait_s: Option<u64>, now: Timestamp) -> Response {
        let Some(wait_s) = wait_s else { return answer };
        match self.options.retry_after {
            RetryAfter::Seconds => answer.with("retry-after", &wait_s.to_string()),
            RetryAfter::Date => {
                let at = later(now, Duration::from_secs(wait_s));
                answer.with("retry-after", &at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            }
            RetryAfter::Absent => answer,
        }
    }

    /// The headers every answer of the Web API carries.
    fn sign(&self, answer: Response, request: &Request) -> Response {
        let id = Guid::from_u128(u128::from(self.options.seed) << 64 | u128::from(self.requests)).to_string();
        let (requests, time_ms) = self.gate.remaining(self.limits());
        let mut answer = answer
            .with("req_id", &id)
            .with("x-ms-service-request-id", request.header("x-ms-client-request-id").unwrap_or(&id))
            .with("x-ms-ratelimit-burst-remaining-xrm-requests", &requests.to_string())
            .with("x-ms-ratelimit-time-remaining-xrm-requests", &format!("{}.{:02}", grouped(time_ms / 1000), time_ms % 1000 / 10));
        if let Some(hint) = self.options.dop_hint {
            answer = answer.with("x-ms-dop-hint", &hint.to_string());
        }
        answer.with("set-cookie", "ARRAffinity=f1e2d3c4b5a69788; Path=/; HttpOnly")
    }
}
