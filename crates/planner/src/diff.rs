//! What Marketo shall hold, and what of it has to be sent (rule R5).

use std::collections::BTreeMap;

use base::Guid;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    FieldMap, FingerprintKey, Fingerprints, Harm,
    convert::{convert, same},
    mapping::{Mapped, Owner, Rule},
};

/// What Marketo shall hold of one record.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Desired {
    /// Mapped fields; null means empty, absent means "no statement".
    pub fields: BTreeMap<String, Value>,
    /// The user that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Guid>,
    /// The account it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<Guid>,
    /// The team that owns it, where that resolves to no user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Guid>,
    /// The company's name as free text, for the creating call of a person without account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_name: Option<String>,
}

/// What we know of Marketo's record before sending.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// There is none yet: this call creates it.
    Nothing,
    /// Only what was confirmed earlier.
    Confirmed,
    /// What it holds right now.
    Current(&'a Map<String, Value>),
}

/// The part of [`Desired`] that has to be sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// Fields with their new values.
    pub fields: BTreeMap<String, Value>,
    /// The owner, when it changes; `Some(None)` takes it away.
    pub owner: Option<Option<Guid>>,
    /// The company, when it changes. It can be moved but never taken away.
    pub company: Option<Guid>,
    /// What is confirmed once this is.
    pub confirmed: Fingerprints,
}

impl Change {
    /// Whether nothing has to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.owner.is_none() && self.company.is_none()
    }

    /// How many fields, links included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len() + usize::from(self.owner.is_some()) + usize::from(self.company.is_some())
    }

    /// The ways in which it hurts a record of which `before` was confirmed: fields emptied that held something, another owner.
    #[must_use]
    pub fn harms(&self, map: &FieldMap, before: &Fingerprints) -> Vec<Harm> {
        let emptied = map.rules.iter().any(|rule| self.empties(rule, before));
        let moved = self.owner.is_some() && before.get(map.owner_slot).is_some();
        [(emptied, Harm::BlankedFields), (moved, Harm::OwnerMoves)].into_iter().filter(|(yes, _)| *yes).map(|(_, harm)| harm).collect()
    }

    fn empties(&self, rule: &Rule, before: &Fingerprints) -> bool {
        self.fields.get(&rule.target.name).is_some_and(Value::is_null) && before.get(rule.slot).is_some()
    }

    /// The same without what is stopped; true when something was taken out. That stays as it was confirmed before.
    pub fn hold_back(&mut self, map: &FieldMap, before: &Fingerprints, is_stopped: impl Fn(Harm) -> bool) -> bool {
        let mut held_back = false;
        if is_stopped(Harm::BlankedFields) {
            for rule in map.rules.iter().filter(|rule| self.empties(rule, before)).collect::<Vec<_>>() {
                self.fields.remove(&rule.target.name);
                self.confirmed.set(rule.slot, before.get(rule.slot));
                held_back = true;
            }
        }
        if is_stopped(Harm::OwnerMoves) && self.owner.is_some() && before.get(map.owner_slot).is_some() {
            self.owner = None;
            self.confirmed.set(map.owner_slot, before.get(map.owner_slot));
            held_back = true;
        }
        held_back
    }
}

/// What is known to be confirmed of a person into which others were merged, as Marketo holds it now (rule R4).
///
/// `before` is what was confirmed of the person itself, `merged` what was confirmed of those that it has swallowed. Where Marketo now holds
/// what we had sent for one of them, that is what counts as confirmed, so that the record's own value is sent, or the field emptied. What
/// else differs is Marketo's own and stays.
#[must_use]
pub fn after_merge(
    map: &FieldMap,
    before: &Fingerprints,
    merged: &[Fingerprints],
    current: &Map<String, Value>,
    key: FingerprintKey,
) -> Fingerprints {
    let mut after = before.clone();
    for rule in map.rules.iter().filter(|rule| rule.owner == Owner::Crm) {
        let theirs = current.get(&rule.target.name).and_then(|theirs| convert(theirs, &rule.target).value());
        let print = theirs.and_then(|theirs| key.of(&theirs));
        if print.is_some() && merged.iter().any(|other| other.get(rule.slot) == print) {
            after.set(rule.slot, print);
        }
    }
    for (slot, field) in [(map.owner_slot, "externalSalesPersonId"), (map.company_slot, "externalCompanyId")] {
        let theirs = current.get(field).and_then(Value::as_str).and_then(|text| text.trim().parse::<Guid>().ok());
        after.set(slot, theirs.and_then(|id| key.of(&Value::String(id.to_string()))));
    }
    after
}

impl Desired {
    /// What a mapped row shall become.
    #[must_use]
    pub fn new(mapped: Mapped, owner: Option<Guid>, company: Option<Guid>, company_name: Option<String>) -> Self {
        Self { fields: mapped.fields, owner, company, team: None, company_name: company_name.filter(|_| company.is_none()) }
    }
}

/// What has to be sent of `desired`.
///
/// Of a record that isn't confirmed, `confirmed` holds fingerprints of what may have been sent although nobody heard of it ([`doubted`]):
/// where Marketo still holds just that, and Dynamics has nothing any more, it is blanked.
#[must_use]
pub fn change(map: &FieldMap, desired: &Desired, confirmed: &Fingerprints, key: FingerprintKey, known: Known<'_>) -> Change {
    let before = match known {
        Known::Confirmed => confirmed.clone(),
        Known::Nothing | Known::Current(_) => Fingerprints::default(),
    };
    let mut change = Change { confirmed: before, ..Change::default() };
    for rule in &map.rules {
        let Some(value) = desired.fields.get(&rule.target.name) else { continue };
        if is_sent(rule, value, confirmed.get(rule.slot), key, known) {
            change.fields.insert(rule.target.name.clone(), value.clone());
        }
        change.confirmed.set(rule.slot, key.of(value));
    }
    let print = |value: Option<Guid>| key.of(&value.map_or(Value::Null, |id| Value::String(id.to_string())));
    let theirs =
        |current: &Map<String, Value>, field| current.get(field).and_then(Value::as_str).and_then(|text| text.parse::<Guid>().ok());
    let owner_moves = match (known, desired.owner) {
        (Known::Confirmed, owner) => print(owner) != confirmed.get(map.owner_slot),
        (Known::Nothing, Some(_)) => true,
        (Known::Nothing, None) => confirmed.get(map.owner_slot).is_some(),
        (Known::Current(current), Some(owner)) => theirs(current, "externalSalesPersonId") != Some(owner),
        (Known::Current(current), None) => {
            let current = theirs(current, "externalSalesPersonId");
            current.is_some() && print(current) == confirmed.get(map.owner_slot)
        }
    };
    if owner_moves {
        change.owner = Some(desired.owner);
    }
    change.confirmed.set(map.owner_slot, print(desired.owner));
    if let Some(company) = desired.company {
        let moves = match known {
            Known::Confirmed => print(desired.company) != confirmed.get(map.company_slot),
            Known::Nothing => true,
            Known::Current(current) => theirs(current, "externalCompanyId") != Some(company),
        };
        if moves {
            change.company = Some(company);
        }
        change.confirmed.set(map.company_slot, print(desired.company));
    }
    change
}

/// Whether a field's value has to be sent; what isn't is as it should be, or not ours to say.
fn is_sent(rule: &Rule, value: &Value, before: Option<u64>, key: FingerprintKey, known: Known<'_>) -> bool {
    // Consent is never cleared by us; but when it is given up again later, that is news.
    if value.is_null() && rule.is_consent() {
        return false;
    }
    match (known, rule.owner) {
        // A first send never blanks, but for what an earlier one of ours may have put there.
        (Known::Nothing, owner) if value.is_null() => owner == Owner::Crm && before.is_some(),
        (Known::Current(current), owner) if value.is_null() => {
            let theirs = current.get(&rule.target.name).and_then(|theirs| convert(theirs, &rule.target).value());
            owner == Owner::Crm && before.is_some() && theirs.and_then(|theirs| key.of(&theirs)) == before
        }
        (Known::Nothing, _) => true,
        (Known::Current(current), owner) => {
            let theirs = current.get(&rule.target.name).unwrap_or(&Value::Null);
            let free = theirs.is_null() || theirs.as_str() == Some("");
            !same(&rule.target, value, theirs) && (owner == Owner::Crm || owner == Owner::Fill && free)
        }
        (Known::Confirmed, owner) => owner == Owner::Crm && key.of(value) != before,
    }
}

/// Fingerprints of what Marketo may hold: what was to be sent may have arrived although nobody heard of it, so that a field which is now
/// to be something else counts as sent, and is sent again.
#[must_use]
pub fn doubted(map: &FieldMap, before: &Desired, now: &Desired, confirmed: &Fingerprints, key: FingerprintKey) -> Fingerprints {
    let mut doubted = confirmed.clone();
    let mut doubt = |slot, before: Option<u64>, now: Option<u64>| {
        if before != now && before != confirmed.get(slot) {
            doubted.set(slot, before);
        }
    };
    for rule in &map.rules {
        if let (Some(before), Some(now)) = (before.fields.get(&rule.target.name), now.fields.get(&rule.target.name)) {
            doubt(rule.slot, key.of(before), key.of(now));
        }
    }
    let of = |id: Option<Guid>| key.of(&id.map_or(Value::Null, |id| Value::String(id.to_string())));
    doubt(map.owner_slot, of(before.owner), of(now.owner));
    // A company is never taken away, so that none was never sent.
    if before.company.is_some() {
        doubt(map.company_slot, of(before.company), of(now.company));
    }
    doubted
}

/// What is confirmed of a record that may have been sent `sent` without anybody having heard of it, while nothing is said any more about what it
/// shall be: each field that may have changed counts as something that no value is, so that whatever it shall be is sent.
#[must_use]
pub fn unsure(map: &FieldMap, sent: &Desired, confirmed: &Fingerprints, key: FingerprintKey) -> Fingerprints {
    let mut unsure = confirmed.clone();
    let mut doubt = |slot, sent: Option<u64>| {
        if sent != confirmed.get(slot) {
            unsure.set(slot, Some(sent.or(confirmed.get(slot)).unwrap_or_default() ^ NO_VALUE));
        }
    };
    for rule in map.rules.iter().filter(|rule| rule.owner == Owner::Crm) {
        if let Some(value) = sent.fields.get(&rule.target.name) {
            doubt(rule.slot, key.of(value));
        }
    }
    let of = |id: Option<Guid>| key.of(&id.map_or(Value::Null, |id| Value::String(id.to_string())));
    doubt(map.owner_slot, of(sent.owner));
    if sent.company.is_some() {
        doubt(map.company_slot, of(sent.company));
    }
    unsure
}

/// Makes a fingerprint one that no value has, as good as certainly.
const NO_VALUE: u64 = 0x5bd1_e995_9d1b_47a3;

/// Whether a confirmed record differs from `desired` in anything that may be sent.
#[must_use]
pub fn differs(map: &FieldMap, desired: &Desired, confirmed: &Fingerprints, key: FingerprintKey) -> bool {
    !change(map, desired, confirmed, key, Known::Confirmed).is_empty() || needs_current(map, desired, confirmed, key)
}

/// Whether deciding needs to know what Marketo holds now: a changed field that is sent only where Marketo has nothing.
#[must_use]
pub fn needs_current(map: &FieldMap, desired: &Desired, confirmed: &Fingerprints, key: FingerprintKey) -> bool {
    map.rules.iter().filter(|rule| rule.owner == Owner::Fill).any(|rule| {
        let value = desired.fields.get(&rule.target.name).filter(|value| !value.is_null());
        value.is_some_and(|value| key.of(value) != confirmed.get(rule.slot))
    })
}

/// For a confirmed record: as [`change`], but fields sent only where Marketo has nothing are judged by what it holds now.
#[must_use]
pub fn change_with_fill(
    map: &FieldMap,
    desired: &Desired,
    confirmed: &Fingerprints,
    key: FingerprintKey,
    current: &Map<String, Value>,
) -> Change {
    let mut change = change(map, desired, confirmed, key, Known::Confirmed);
    for rule in map.rules.iter().filter(|rule| rule.owner == Owner::Fill) {
        let Some(value) = desired.fields.get(&rule.target.name).filter(|value| !value.is_null()) else { continue };
        let theirs = current.get(&rule.target.name).unwrap_or(&Value::Null);
        if key.of(value) != confirmed.get(rule.slot) && (theirs.is_null() || theirs.as_str() == Some("")) {
            change.fields.insert(rule.target.name.clone(), value.clone());
        }
    }
    change
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        fingerprint::Slots,
        mapping::{DetailedSpec, FieldSpec, MapContext},
        schema::{Column, ColumnKind, Columns, DataKind, TargetField, TargetSchema},
    };

    const KEY: FingerprintKey = FingerprintKey(5);

    fn map() -> FieldMap {
        let columns: Columns = ["a", "b", "c", "donotphone"]
            .map(|name| {
                let kind = if name == "donotphone" { ColumnKind::Boolean } else { ColumnKind::Text };
                let column = Column {
                    name: name.into(),
                    labels: vec![],
                    kind,
                    max_length: None,
                    options: vec![],
                    readable: true,
                    updatable: true,
                    secured: false,
                };
                (name.to_owned(), column)
            })
            .into();
        let field = |name: &str, kind| TargetField { name: name.into(), kind, label: None, length: Some(50), updateable: true };
        let target = TargetSchema::new([
            field("crm", DataKind::String),
            field("mkto", DataKind::String),
            field("fill", DataKind::String),
            field("doNotCall", DataKind::Boolean),
        ]);
        let spec =
            |column: &str, owner| FieldSpec::Detailed(DetailedSpec { column: Some(column.into()), owner, ..DetailedSpec::default() });
        let specs = [("crm", spec("a", Owner::Crm)), ("mkto", spec("b", Owner::Marketo)), ("fill", spec("c", Owner::Fill))]
            .map(|(name, spec)| (name.to_owned(), spec))
            .into();
        let context = MapContext {
            columns: &columns,
            readable_secured: &Default::default(),
            target: &target,
            company: &TargetSchema::default(),
            before: None,
        };
        FieldMap::compile(base::Table::Contact, base::Object::Lead, &specs, context, &mut Slots::default()).unwrap().map
    }

    fn desired(fields: Value) -> Desired {
        Desired { fields: serde_json::from_value(fields).unwrap(), ..Desired::default() }
    }

    fn confirmed(fields: Value) -> Fingerprints {
        let map = map();
        change(&map, &desired(fields), &Fingerprints::default(), KEY, Known::Nothing).confirmed
    }

    #[track_caller]
    fn check(wanted: Value, before: &Fingerprints, known: Known<'_>, sent: Value) {
        let change = change(&map(), &desired(wanted), before, KEY, known);
        assert_eq!(json!(change.fields), sent);
    }

    #[test]
    fn a_first_send_never_blanks_and_a_later_null_does() {
        let none = Fingerprints::default();
        check(json!({"crm": null, "mkto": "m", "fill": "f"}), &none, Known::Nothing, json!({"mkto": "m", "fill": "f"}));
        let current = json!({"crm": "theirs", "mkto": "theirs", "fill": null});
        let current = Known::Current(current.as_object().unwrap());
        check(json!({"crm": null, "mkto": "m", "fill": "f"}), &none, current, json!({"fill": "f"}));
        check(json!({"crm": "x"}), &none, current, json!({"crm": "x"}));
        let before = confirmed(json!({"crm": "x", "mkto": "m", "fill": "f"}));
        check(json!({"crm": null, "mkto": "m2", "fill": "f"}), &before, Known::Confirmed, json!({"crm": null}));
        check(json!({"crm": "x", "mkto": "m", "fill": "f"}), &before, Known::Confirmed, json!({}));
    }

    #[test]
    fn a_value_that_may_have_been_sent_is_taken_back_explicitly() {
        let confirmed = confirmed(json!({"crm": "A"}));
        let doubted = doubted(&map(), &desired(json!({"crm": "B"})), &desired(json!({"crm": "A"})), &confirmed, KEY);
        check(json!({"crm": "A"}), &doubted, Known::Confirmed, json!({"crm": "A"}));
        check(json!({"crm": "A"}), &confirmed, Known::Confirmed, json!({}));
        let blanked = super::doubted(&map(), &desired(json!({"crm": null})), &desired(json!({"crm": "A"})), &confirmed, KEY);
        check(json!({"crm": "A"}), &blanked, Known::Confirmed, json!({"crm": "A"}));
    }

    #[test]
    fn what_a_first_send_may_have_put_there_is_blanked_and_nothing_else() {
        let doubts = doubted(&map(), &desired(json!({"crm": "A"})), &desired(json!({"crm": null})), &Fingerprints::default(), KEY);
        let holding = |value: Value| json!({"crm": value}).as_object().unwrap().clone();
        check(json!({"crm": null}), &doubts, Known::Nothing, json!({"crm": null}));
        check(json!({"crm": null}), &doubts, Known::Current(&holding(json!("A"))), json!({"crm": null}));
        check(json!({"crm": null}), &doubts, Known::Current(&holding(json!("theirs"))), json!({}));
        check(json!({"crm": null}), &doubts, Known::Current(&holding(json!(null))), json!({}));
        let (user, nobody) = (Desired { owner: Some(Guid::from_u128(1)), ..Desired::default() }, Desired::default());
        let doubts = doubted(&map(), &user, &nobody, &Fingerprints::default(), KEY);
        let current = json!({"externalSalesPersonId": Guid::from_u128(1).to_string()});
        assert_eq!(change(&map(), &nobody, &doubts, KEY, Known::Current(current.as_object().unwrap())).owner, Some(None));
        assert_eq!(change(&map(), &nobody, &doubts, KEY, Known::Current(&Map::new())).owner, None);
        assert!(change(&map(), &nobody, &doubts, KEY, Known::Nothing).confirmed.get(map().owner_slot).is_none());
    }

    #[test]
    fn a_lost_value_changes_nothing() {
        check(json!({}), &confirmed(json!({"crm": "x"})), Known::Confirmed, json!({}));
    }

    #[test]
    fn consent_goes_one_way() {
        let before = confirmed(json!({"doNotCall": true}));
        check(json!({"doNotCall": null}), &before, Known::Confirmed, json!({}));
        check(json!({"doNotCall": true}), &Fingerprints::default(), Known::Nothing, json!({"doNotCall": true}));
        let withdrawn = change(&map(), &desired(json!({"doNotCall": null})), &before, KEY, Known::Confirmed).confirmed;
        check(json!({"doNotCall": true}), &withdrawn, Known::Confirmed, json!({"doNotCall": true}));
    }

    #[test]
    fn fill_asks_what_marketo_holds() {
        let before = confirmed(json!({"fill": "f"}));
        let wanted = desired(json!({"fill": "g"}));
        assert!(needs_current(&map(), &wanted, &before, KEY));
        let sent = |current: Value| change_with_fill(&map(), &wanted, &before, KEY, current.as_object().unwrap()).fields.len();
        assert_eq!((sent(json!({"fill": "theirs"})), sent(json!({"fill": null}))), (0, 1));
        let after = change_with_fill(&map(), &wanted, &before, KEY, &Map::new()).confirmed;
        assert!(!differs(&map(), &wanted, &after, KEY));
    }

    #[test]
    fn links_move_but_a_company_never_goes() {
        let (a, b) = (Guid::from_u128(1), Guid::from_u128(2));
        let wanted = Desired { owner: Some(a), company: Some(b), ..Desired::default() };
        let first = change(&map(), &wanted, &Fingerprints::default(), KEY, Known::Nothing);
        assert_eq!((first.owner, first.company), (Some(Some(a)), Some(b)));
        let again = change(&map(), &wanted, &first.confirmed, KEY, Known::Confirmed);
        assert!(again.is_empty());
        let gone = change(&map(), &Desired::default(), &first.confirmed, KEY, Known::Confirmed);
        assert_eq!((gone.owner, gone.company), (Some(None), None));
        let current = json!({"externalSalesPersonId": a.to_string().to_uppercase(), "externalCompanyId": b.to_string()});
        let found = change(&map(), &wanted, &Fingerprints::default(), KEY, Known::Current(current.as_object().unwrap()));
        assert!(found.is_empty());
    }
}
