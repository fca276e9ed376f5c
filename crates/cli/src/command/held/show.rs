//! `held show`: all that is left of one record, what it means, and what to do.

use std::collections::BTreeMap;

use base::{Guid, Object, RecordId, Timestamp};
use engine::{
    codes::{Advice, advice},
    held::{self, Dismissals, HeldRecord, Selection, State, values::Values},
};
use serde::Serialize;
use serde_json::Value;
use store::{
    Store, StoreExt,
    record::{Link, record_key},
};

use super::{
    lines::Line,
    told::{headline, standing},
};
use crate::{
    args::held::Show,
    exit::{Failure, IN_STEP},
    printer,
};

/// What is shown of one entry.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    line: Line,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    /// Names of the fields that Marketo isn't known to hold as they are.
    fields: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Values>,
}

/// All that is shown.
#[derive(Serialize)]
struct Whole {
    entries: Vec<Shown>,
    /// Records that wait for it.
    waited_for_by: u64,
    /// What Marketo is known to have of it.
    links: BTreeMap<String, Linked>,
}

/// What is known of a row.
#[derive(Serialize)]
struct Linked {
    in_marketo: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marketo_id: Option<i64>,
}

/// Runs it.
pub(super) async fn show(store: &dyn Store, args: &Show) -> Result<u8, Failure> {
    let whole = whole(store, args).await?;
    if whole.entries.is_empty() && whole.links.is_empty() {
        let text = format!("the state knows no record {}; give the GUID of a row of Dynamics that was read", args.id);
        return Err(Failure::Other(anyhow::anyhow!(text)));
    }
    if args.json {
        printer::data(&serde_json::to_string_pretty(&whole).map_err(anyhow::Error::from)?);
    } else {
        tell(&whole);
    }
    Ok(IN_STEP)
}

async fn whole(store: &dyn Store, args: &Show) -> Result<Whole, Failure> {
    let records = held::of_record(store, args.id).await?;
    let values = held::values::of_record(store, args.id).await?;
    let mut entries: Vec<Shown> =
        records.into_iter().zip(values).map(|(record, values)| Shown::of(Line::of(record), values, args)).collect();
    let mut dismissals = Dismissals::new(store, Selection::of([args.id]));
    while let Some(page) = dismissals.next_page().await? {
        entries.extend(page.into_iter().map(|dismissal| Shown::of(Line::dismissed(dismissal), Values::default(), args)));
    }
    let links = links(store, args.id).await?;
    let ids: Vec<RecordId> = links.keys().copied().collect();
    let waited_for_by = if entries.is_empty() { 0 } else { held::waited_for(store, &ids).await? };
    let links = links.into_iter().map(|(record, linked)| (record.table.name().to_owned(), linked)).collect();
    Ok(Whole { entries, waited_for_by, links })
}

async fn links(store: &dyn Store, id: Guid) -> Result<BTreeMap<RecordId, Linked>, Failure> {
    let tables = Object::ALL.into_iter().flat_map(Object::tables);
    let keys: Vec<_> = tables.map(|table| record_key(RecordId::new(*table, id))).collect();
    let links = store.read::<Link>(&keys).await?.into_iter().flatten();
    let linked = |link: Link| {
        let in_marketo = link.is_confirmed();
        (link.record, Linked { in_marketo, marketo_id: link.marketo_id.filter(|_| in_marketo) })
    };
    Ok(links.map(linked).collect())
}

impl Shown {
    fn of(line: Line, values: Values, args: &Show) -> Self {
        let code = line.record.code.as_deref().filter(|_| line.record.state == State::Held).map(advice);
        let fields = values.open.keys().cloned().collect();
        let (meaning, remedy) = code.as_ref().map(|Advice { meaning, remedy, .. }| (*meaning, *remedy)).unzip();
        Self { line, meaning, remedy, page: code.map(|advice| advice.page), fields, values: args.values.then_some(values) }
    }
}

fn tell(whole: &Whole) {
    for (table, Linked { in_marketo, marketo_id }) in &whole.links {
        let id = marketo_id.map(|id| format!(", as {id}")).unwrap_or_default();
        printer::data(&format!("{table}: {}{id}", if *in_marketo { "in Marketo" } else { "not in Marketo, as far as is known" }));
    }
    for shown in &whole.entries {
        tell_one(shown);
    }
    match (whole.entries.is_empty(), whole.waited_for_by) {
        (true, _) => printer::data("nothing of it is held or waiting, or left to be sent"),
        (false, 0) => {}
        (false, 1) => printer::data("1 record waits for it"),
        (false, more) => printer::data(&format!("{more} records wait for it")),
    }
}

fn tell_one(shown: &Shown) {
    let record: &HeldRecord = &shown.line.record;
    printer::data(&headline(record));
    let mut lines = standing(&shown.line, Timestamp::now());
    lines.extend(record.company.map(|company| format!("account {company}")));
    lines.extend(shown.meaning.map(|meaning| format!("meaning: {meaning}")));
    lines.extend(shown.remedy.map(|remedy| format!("what to do: {remedy}")));
    lines.extend(shown.page.as_ref().map(|page| format!("more: {page}")));
    match &shown.values {
        None if shown.fields.is_empty() => {}
        None => lines.push(format!("to be sent: {} (--values shows the values)", shown.fields.join(", "))),
        Some(Values { open, settled, reason }) => {
            let told = |(field, value): (&String, &Value)| format!("  {field} = {value}");
            lines.extend(
                reason.as_ref().filter(|reason| record.reason.as_ref() != Some(reason)).map(|reason| format!("in its own words: {reason}")),
            );
            for (what, values) in [("to be sent", open), ("not to be sent", settled)] {
                lines.extend((!values.is_empty()).then(|| format!("{what}:")));
                lines.extend(values.iter().map(told));
            }
        }
    }
    for line in lines {
        printer::data(&format!("    {line}"));
    }
}
