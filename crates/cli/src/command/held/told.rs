//! A record in words.

use base::Timestamp;
use engine::held::{Asks, HeldRecord, State};

use super::lines::Line;
use crate::args::held::word;

/// A moment, as people read it.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// What it is, in a line: object, table, id and code.
pub(super) fn headline(record: &HeldRecord) -> String {
    let part = record.part.as_deref().map(|part| format!(" ({part})")).unwrap_or_default();
    let (object, table, id) = (word(record.object), record.table, record.id);
    let state = record.code.as_deref().unwrap_or_else(|| record.state.name());
    format!("{object} · {table} {id}{part} · {state}")
}

/// Why it is left, and since when, a line each.
pub(super) fn standing(line: &Line, now: Timestamp) -> Vec<String> {
    let record = &line.record;
    let mut lines: Vec<String> = record.reason.clone().into_iter().collect();
    let mut about = vec![format!("{} since {}", record.state.name(), moment(record.since))];
    match record.attempts {
        0 => {}
        1 => about.push("tried once".into()),
        times => about.push(format!("tried {times} times")),
    }
    about.extend(asked(record.asks).map(str::to_owned));
    about.extend(record.waits_for.map(|on| format!("waits for {on}")));
    if line.dismissed.is_none() {
        about.extend(next(record, now));
    }
    about.extend(record.owner.map(|owner| format!("owner {owner}")));
    about.extend(record.team.map(|team| format!("team {team}")));
    lines.push(about.join(" · "));
    lines.extend(
        line.dismissed.as_ref().map(|dismissed| format!("dismissed at {} by {}: {}", moment(dismissed.at), dismissed.by, dismissed.why)),
    );
    lines
}

/// What else than sending is asked for.
fn asked(asks: Asks) -> Option<&'static str> {
    match asks {
        Asks::Send | Asks::KeepRole => None,
        Asks::Join => Some("its person is to become another record's"),
        Asks::Part => Some("its Marketo record is to be parted with"),
        Asks::RemoveRole => Some("the role is to be removed"),
    }
}

/// When it is looked at again.
fn next(record: &HeldRecord, now: Timestamp) -> Option<String> {
    Some(match (record.state, record.retry_at) {
        (State::Ready, _) => return None,
        (State::Held, Some(at)) if at > now => format!("tried again after {}", moment(at)),
        (State::Held, Some(_)) => "tried again at the next sync".into(),
        (State::Waiting, _) | (State::Held, None) => "looked at in every sync".into(),
    })
}
