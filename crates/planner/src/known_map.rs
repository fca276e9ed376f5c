//! A field of a map, once it was tried to compile it, beside what it was before.

use std::collections::BTreeSet;

use base::{Object, Table};

use crate::{
    FieldMap, FingerprintKey, Fingerprints, Row,
    convert::convert,
    known::{
        Became, KnownColumn, KnownField, KnownFields, SchemaNews, SchemaOf, Stop, field_perhaps_now, lengths, never_stops, still_reads,
        still_takes,
    },
    mapping::{FieldSpec, MapContext, MapProblem, Mapped, Rule},
    schema::{Column, Columns, TargetField},
};

/// How much there was before a field was tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    rules: usize,
    notes: usize,
    problems: usize,
}

/// A map that is being compiled, field by field.
pub(crate) struct Build<'a> {
    pub(crate) table: Table,
    pub(crate) object: Object,
    pub(crate) context: MapContext<'a>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) notes: Vec<MapProblem>,
    pub(crate) problems: Vec<MapProblem>,
    pub(crate) also: BTreeSet<String>,
    pub(crate) texts: Vec<String>,
    pub(crate) known: KnownFields,
    pub(crate) news: Vec<(String, SchemaNews)>,
}

impl<'a> Build<'a> {
    pub(crate) fn new(table: Table, object: Object, context: MapContext<'a>) -> Self {
        Self {
            table,
            object,
            context,
            rules: Vec::new(),
            notes: Vec::new(),
            problems: Vec::new(),
            also: BTreeSet::new(),
            texts: Vec::new(),
            known: Default::default(),
            news: Vec::new(),
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { rules: self.rules.len(), notes: self.notes.len(), problems: self.problems.len() }
    }

    /// What came of a field that was tried: it is as before, it is new, or it is stopped.
    pub(crate) fn settle(&mut self, field: &str, spec: Option<&FieldSpec>, mark: Mark) {
        if matches!(spec, Some(FieldSpec::Off(_))) {
            return;
        }
        let key = field.to_lowercase();
        let known = self.context.before.and_then(|before| before.fields.get(&key)).filter(|known| known.spec.as_ref() == spec);
        match known.map(|known| (known, self.unfit(known, mark))) {
            Some((known, Some(why))) => self.stop(key, field, known, why, mark),
            Some((known, None)) => self.go_on(key, known, mark),
            None if self.rules.len() > mark.rules => self.begin(key, spec, mark),
            None => {}
        }
    }

    /// A field that is used for the first time, or with another entry than before.
    fn begin(&mut self, key: String, spec: Option<&FieldSpec>, mark: Mark) {
        let Some(rule) = self.rules.get(mark.rules) else { return };
        let text = text(rule, rule.target.length, self.context.columns);
        self.texts.push(text.clone());
        let fresh = KnownField {
            spec: spec.cloned(),
            target: rule.target.clone(),
            columns: columns(rule, self.context.columns),
            text,
            lengths: Vec::new(),
            shorter_since: None,
            returned: 0,
            stopped: None,
        };
        self.known.insert(key, fresh);
    }

    /// A field that still fits.
    fn go_on(&mut self, key: String, known: &KnownField, mark: Mark) {
        let now = self.context.before.map(|before| before.now);
        let their_columns = self.context.columns;
        let Some(rule) = self.rules.get_mut(mark.rules) else { return };
        let (was, is) = (known.target.length, rule.target.length);
        let has_grown = is.unwrap_or(u32::MAX) > was.unwrap_or(u32::MAX);
        rule.lengths = match rule.target.kind == known.target.kind {
            true => lengths(known.lengths.clone(), was, is),
            false => Vec::new(),
        };
        let returned = known.returned + u32::from(known.stopped.is_some() || has_grown && !known.lengths.is_empty());
        // Values that were confirmed at the greatest length stay: it is as if it still were that long.
        let length = rule.lengths.last().copied().or(is).filter(|length| *length < u32::MAX);
        let mut text = text(rule, length, their_columns);
        if returned > 0 {
            text.push_str(&format!(" again {returned}"));
        }
        let fresh = KnownField {
            spec: known.spec.clone(),
            target: rule.target.clone(),
            columns: columns(rule, their_columns),
            shorter_since: known.shorter_since.or(now).filter(|_| !rule.lengths.is_empty()),
            lengths: rule.lengths.clone(),
            text: text.clone(),
            returned,
            stopped: None,
        };
        let name = rule.target.name.clone();
        self.texts.push(text);
        self.news.extend(changes(known, &fresh).into_iter().map(|news| (name.clone(), news)));
        self.known.insert(key, fresh);
    }

    /// A field that no longer fits: it is left out, with all that was said of it.
    fn stop(&mut self, key: String, field: &str, known: &KnownField, mut why: SchemaNews, mark: Mark) {
        self.rules.truncate(mark.rules);
        self.notes.truncate(mark.notes);
        self.problems.truncate(mark.problems);
        let Some(before) = self.context.before else { return };
        if never_stops(self.object, field, before.keys) {
            return self.problems.push(MapProblem::needed(self.table, self.object, field, &why));
        }
        if why.side == SchemaOf::Marketo {
            self.also.extend(known.columns.keys().cloned());
        }
        let same = known.stopped.as_ref().filter(|stop| stop.why.is_as(&why));
        let since = same.map_or(before.now, |stop| stop.since);
        why.perhaps = why.perhaps.or_else(|| same.and_then(|stop| stop.why.perhaps.clone()));
        if same.is_none() {
            self.news.push((known.target.name.clone(), why.clone()));
        }
        self.texts.push(known.text.clone());
        self.known.insert(key, KnownField { stopped: Some(Stop { since, why }), ..known.clone() });
    }

    /// Why a field that once fitted doesn't any more.
    fn unfit(&self, known: &KnownField, mark: Mark) -> Option<SchemaNews> {
        let rule = self.rules.get(mark.rules);
        let columns = self.context.columns;
        for (name, was) in &known.columns {
            let news = |became| SchemaNews::of_column(became, name);
            match columns.get(name) {
                None => {
                    let mapped = self.mapped_columns();
                    return Some(SchemaNews { perhaps: was.perhaps_now(name, columns, &mapped), ..news(Became::Removed) });
                }
                Some(Column { readable: false, .. }) => return Some(news(Became::Unreadable)),
                Some(Column { secured: true, .. }) if !self.context.readable_secured.contains(name) => return Some(news(Became::Secured)),
                Some(now) if rule.is_some_and(|rule| !still_reads(&rule.source, was.kind, now.kind, rule.target.kind)) => {
                    return Some(news(Became::OtherType).types(was.type_text(), now.kind.type_text(now.max_length)));
                }
                Some(_) => {}
            }
        }
        let was = &known.target;
        let news = |became| SchemaNews::of_field(became, &was.name);
        match self.context.target.field(&was.name) {
            None => {
                let mapped = self.context.before.map(|before| before.fields.keys().cloned().collect()).unwrap_or_default();
                Some(SchemaNews { perhaps: field_perhaps_now(was, self.context.target, &mapped), ..news(Became::Removed) })
            }
            Some(now) if !now.updateable && !self.is_sent_all_the_same(now) => Some(news(Became::ReadOnly)),
            Some(now) if !self.writable_here(now) => Some(
                news(Became::Unfit)
                    .types(String::new(), "it belongs to Marketo's company now, which every person of that company shares".into()),
            ),
            Some(now) if rule.is_some_and(|rule| !still_takes(&rule.source, columns, was.kind, now.kind)) => {
                Some(news(Became::OtherType).types(was.type_text(), now.type_text()))
            }
            Some(_) if rule.is_none() => {
                let why = self.problems.get(mark.problems).or_else(|| self.notes.get(mark.notes)).map(|problem| problem.message.clone());
                Some(news(Became::Unfit).types(String::new(), why.unwrap_or_default()))
            }
            Some(_) => None,
        }
    }

    /// Columns that fields of this table are known to read.
    fn mapped_columns(&self) -> BTreeSet<String> {
        let fields = self.context.before.map(|before| before.fields.values()).into_iter().flatten();
        fields.flat_map(|field| field.columns.keys().cloned()).collect()
    }
}

/// What a field adds to the text that changes when its map does, as if it were so long.
fn text(rule: &Rule, length: Option<u32>, columns: &Columns) -> String {
    let names = rule.source.columns();
    let options: Vec<_> = names.iter().filter_map(|name| columns.get(name)).map(|column| &column.options).collect();
    let TargetField { name, kind, .. } = &rule.target;
    format!("{name} {kind:?} {length:?} {:?} {:?} {options:?}", rule.owner, rule.source)
}

fn columns(rule: &Rule, columns: &Columns) -> std::collections::BTreeMap<String, KnownColumn> {
    let known = |name: String| columns.get(&name).map(KnownColumn::of).map(|column| (name, column));
    rule.source.columns().into_iter().filter_map(known).collect()
}

/// What has changed of a field that fits as before.
fn changes(was: &KnownField, now: &KnownField) -> Vec<SchemaNews> {
    let became = |was: Option<u32>, now: Option<u32>| match was.unwrap_or(u32::MAX) > now.unwrap_or(u32::MAX) {
        true => Became::Shorter,
        false => Became::Longer,
    };
    let mut news = Vec::new();
    if let Some(stop) = &was.stopped {
        news.push(SchemaNews { became: Became::Back, perhaps: None, ..stop.why.clone() });
    }
    for (name, now) in &now.columns {
        let Some(was) = was.columns.get(name) else { continue };
        if was.type_text() != now.type_text() {
            let became = if was.kind == now.kind { became(was.max_length, now.max_length) } else { Became::OtherType };
            news.push(SchemaNews::of_column(became, name).types(was.type_text(), now.type_text()));
        }
    }
    let (was, now) = (&was.target, &now.target);
    if was.type_text() != now.type_text() {
        let became = if was.kind == now.kind { became(was.length, now.length) } else { Became::OtherType };
        news.push(SchemaNews::of_field(became, &now.name).types(was.type_text(), now.type_text()));
    }
    news
}

impl FieldMap {
    /// Leaves out what is only cut anew because Marketo's field became shorter: what was confirmed under its length of then stays.
    pub fn leave_confirmed(&self, mapped: &mut Mapped, row: Row<'_>, confirmed: &Fingerprints, key: FingerprintKey) {
        for rule in self.rules.iter().filter(|rule| !rule.lengths.is_empty() && mapped.cut.contains(&rule.target.name)) {
            let Ok(value) = rule.source.value(row, &self.columns) else { continue };
            let is_confirmed = |length: &u32| {
                let then = TargetField { length: Some(*length), ..rule.target.clone() };
                let print = convert(&value, &then).value().and_then(|value| key.of(&value));
                print.is_some() && print == confirmed.get(rule.slot)
            };
            if rule.lengths.iter().any(is_confirmed) {
                mapped.fields.remove(&rule.target.name);
            }
        }
    }
}
