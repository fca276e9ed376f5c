//! `$batch`: parts run one after the other, a change set as one transaction (Microsoft's "Execute batch operations" page).

use emulator::{Request, Response};
use http::Method;

use super::{
    Call, ContentIds,
    multipart::{Inner, boundary, inner, split, write_part},
    payload::unknown_content_id,
    split_version,
};
use crate::{
    error::{Outcome, Refusal},
    state::State,
};

/// Operations per batch (documented).
const OPERATIONS_MAX: usize = 1000;

/// Characters of an address inside a batch (documented).
const URL_MAX: usize = 65_536;

/// A top-level part.
enum Step {
    One(Inner),
    ChangeSet(Vec<Inner>),
}

impl State {
    pub(crate) fn batch(&mut self, call: &Call<'_>) -> Response {
        let steps = match read(call) {
            Ok(steps) => steps,
            Err(refusal) => return refusal.answer(call.request),
        };
        let own = format!("batchresponse_{}", self.dice.guid());
        let mut body = String::new();
        let mut status = 200;
        for step in &steps {
            let failed = match step {
                Step::One(inner) => {
                    let answer = self.run(call, inner, &ContentIds::new());
                    write_part(&mut body, &own, &answer, inner.content_id.as_deref());
                    Some(answer.status).filter(|status| *status >= 400)
                }
                Step::ChangeSet(parts) => self.change_set(call, parts, &own, &mut body),
            };
            if let Some(failed) = failed.filter(|_| !call.preferences.continue_on_error) {
                status = failed;
                break;
            }
        }
        body.push_str(&format!("--{own}--\r\n"));
        let answer = Response::empty(status).with("content-type", &format!("multipart/mixed; boundary={own}")).with("odata-version", "4.0");
        answer.with_body(body)
    }

    /// Runs a change set: either all of it, with a part for each request, or nothing, with one part for the failure.
    fn change_set(&mut self, call: &Call<'_>, parts: &[Inner], own: &str, body: &mut String) -> Option<u16> {
        let outcome: Result<Vec<Response>, Box<Response>> = {
            let opened = self.store.begin();
            let mut ids = ContentIds::new();
            let mut answers = Vec::with_capacity(parts.len());
            let mut failure = None;
            for part in parts {
                self.touched = None;
                let answer = self.run(call, part, &ids);
                if answer.status >= 400 {
                    failure = Some(answer);
                    break;
                }
                if let (Some(id), Some(touched)) = (&part.content_id, self.touched) {
                    ids.insert(id.clone(), touched);
                }
                answers.push(answer);
            }
            if opened {
                self.store.finish(failure.is_none());
            }
            failure.map_or(Ok(answers), |failure| Err(Box::new(failure)))
        };
        match outcome {
            Ok(answers) => {
                let inner = format!("changesetresponse_{}", self.dice.guid());
                body.push_str(&format!("--{own}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n"));
                for (part, answer) in parts.iter().zip(&answers) {
                    write_part(body, &inner, answer, part.content_id.as_deref());
                }
                body.push_str(&format!("--{inner}--\r\n"));
                None
            }
            Err(failure) => {
                write_part(body, own, &failure, None);
                Some(failure.status)
            }
        }
    }

    fn run(&mut self, call: &Call<'_>, part: &Inner, ids: &ContentIds) -> Response {
        let request = match self.request_of(call, part, ids) {
            Ok(request) => request,
            Err(refusal) => return refusal.answer(call.request),
        };
        let actor = self.actor(&request, call.now);
        match Call::new(&request, actor, call.now, ids.clone()) {
            Some(inner) if inner.segments.first().is_some_and(|segment| segment.name == "$batch") => {
                Refusal::query("A batch can't contain a batch.").answer(&request)
            }
            Some(inner) => self.route(&inner).unwrap_or_else(|refusal| refusal.answer(&request)),
            None => Refusal::no_segment(&request.path).answer(&request),
        }
    }

    /// The request of a part, its address made absolute and `$1` at its start replaced.
    fn request_of(&self, call: &Call<'_>, part: &Inner, ids: &ContentIds) -> Outcome<Request> {
        if part.url.len() > URL_MAX {
            return Err(Refusal::new(414, "", "The request address is too long."));
        }
        let root = call.base.strip_prefix(&call.request.origin).unwrap_or_default();
        let url = match part.url.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/").to_owned(),
            None => part.url.clone(),
        };
        let relative = url.strip_prefix('/').unwrap_or(&url);
        let is_reference = relative.starts_with('$') && !relative.starts_with("$batch") && !relative.starts_with("$metadata");
        let url = if let Some(rest) = relative.strip_prefix('$').filter(|_| is_reference) {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (id, tail) = rest.split_at(end);
            let (table, row) = ids.get(id).copied().ok_or_else(|| unknown_content_id(id))?;
            let set = self.store.schema.get(table).map_or("", |table| table.set.as_str());
            format!("{root}/{set}({row}){tail}")
        } else if split_version(&url).is_some() || url.starts_with("/api/") {
            url
        } else {
            format!("{root}/{relative}")
        };
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        Ok(Request {
            method: part.method.clone(),
            origin: call.request.origin.clone(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: part.headers.clone(),
            body: part.body.clone().into(),
        })
    }
}

/// Reads the whole batch before anything of it runs.
fn read(call: &Call<'_>) -> Outcome<Vec<Step>> {
    if call.request.method != Method::POST {
        return Err(Refusal::method("A batch has to be sent with POST."));
    }
    let media_type = call.request.header("content-type").unwrap_or_default();
    let outer = boundary(media_type).ok_or_else(|| {
        Refusal::new(400, "0x80060888", format!("The content type '{media_type}' isn't multipart/mixed with a boundary."))
    })?;
    let malformed = || Refusal::query("The batch can't be read: a boundary or a request line is missing.");
    let parts = split(&call.request.body, outer).ok_or_else(malformed)?;
    let (mut steps, mut count) = (Vec::new(), 0usize);
    for part in &parts {
        let step = match part.header("content-type").and_then(boundary) {
            Some(inner_boundary) => {
                let inner_parts = split(part.content, inner_boundary).ok_or_else(malformed)?;
                let requests = inner_parts.iter().map(|part| inner(part).ok_or_else(malformed)).collect::<Outcome<Vec<_>>>()?;
                check_change_set(&requests)?;
                count += requests.len();
                Step::ChangeSet(requests)
            }
            None => {
                count += 1;
                Step::One(inner(part).ok_or_else(malformed)?)
            }
        };
        steps.push(step);
    }
    if steps.is_empty() {
        return Err(malformed());
    }
    if count > OPERATIONS_MAX {
        return Err(Refusal::query(format!("The number of operations in the batch, {count}, exceeds the limit of {OPERATIONS_MAX}.")));
    }
    Ok(steps)
}

fn check_change_set(requests: &[Inner]) -> Outcome<()> {
    let mut seen = std::collections::BTreeSet::new();
    for request in requests {
        if request.method == Method::GET {
            return Err(Refusal::query(
                "An invalid HTTP method 'GET' was detected for a request in a change set. Requests in change sets only support the HTTP methods 'POST', 'PUT', 'DELETE', and 'PATCH'.",
            ));
        }
        let Some(id) = &request.content_id else {
            return Err(Refusal::query("Content-ID header not present in a request of the change set."));
        };
        if !seen.insert(id.clone()) {
            return Err(Refusal::query(format!("The content ID '{id}' was found more than once in the same change set.")));
        }
    }
    Ok(())
}
