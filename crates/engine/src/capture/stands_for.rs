//! What a row says about being the same as another (rule R4).

use base::{Object, RecordId};
use planner::{
    Row,
    reference::{AliasRef, alias, origin},
};
use store::{
    Batch,
    record::{Alias, AliasKind, Fact, Link, LinkFlags, Outbox, Refetch, alias::AliasOf},
};

use crate::{
    capture::{Context, known::Known},
    held::Dismissal,
    task::{Join, Task},
};

impl Context<'_> {
    /// Keeps what a row says about being the same as another, forgets what it no longer says, and tells whether it stands for another.
    pub(super) fn note_alias(&self, record: RecordId, row: Row<'_>, link: Option<&Link>, known: &Known, batch: &mut Batch) -> bool {
        self.note_origin(record, row, known, batch);
        let before = known.aliases.get(&record);
        let (survivor, kind) = match alias(record.table, row) {
            Some(AliasRef::Merged(survivor)) => (survivor, AliasKind::Merged),
            Some(AliasRef::Qualified(survivor)) => (survivor, AliasKind::Qualified),
            None => {
                let qualified = planner::reference::is_qualified(row);
                return match before.map(|before| (before.kind, before.survivor)) {
                    // A reopened lead keeps its alias: it is held, because its person is the contact's now.
                    Some((AliasKind::Qualified | AliasKind::Origin, _)) => qualified,
                    Some((AliasKind::Merged, _)) => {
                        batch.remove::<Alias>(Alias::key_of(record));
                        false
                    }
                    Some((AliasKind::Heir, lead)) => {
                        // It is there again, and so may be what its lead stands for.
                        batch.remove::<Alias>(Alias::key_of(record));
                        batch.put(&Refetch { record: lead });
                        false
                    }
                    None => false,
                };
            }
        };
        // A contact that is gone is nobody to stand for.
        if kind == AliasKind::Qualified && known.gone.contains(&survivor) {
            return false;
        }
        // Each standing for the other means nothing.
        if survivor == record || known.aliases.get(&survivor).is_some_and(|alias| alias.survivor == record) {
            tracing::warn!(%record, %survivor, "these two stand for each other; each is taken for itself");
            return false;
        }
        let was_so = before.filter(|before| before.survivor == survivor).filter(|before| {
            before.kind == kind || before.kind == AliasKind::Origin && link.is_some_and(|link| link.flags.has(LinkFlags::QUALIFIED))
        });
        let event = was_so.map_or(!self.is_first_load(record.table), |before| before.event);
        put(&Alias { alias: record, survivor, kind, event }, batch);
        true
    }

    /// The lead that a contact came from stands for it once it is qualified.
    fn note_origin(&self, record: RecordId, row: Row<'_>, known: &Known, batch: &mut Batch) {
        let Some(lead) = origin(record.table, row).map(|lead| RecordId::new(base::Table::Lead, lead)) else { return };
        let before = known.aliases.get(&lead);
        // What the lead says of itself is worth more than what its contact says.
        if before.is_none_or(|alias| alias.kind == AliasKind::Origin) {
            let was_so = before.filter(|before| before.survivor == record);
            let event = was_so.map_or(!self.is_first_load(record.table), |before| before.event);
            put(&Alias { alias: lead, survivor: record, kind: AliasKind::Origin, event }, batch);
        }
        let Some(link) = known.origins.get(&lead.id) else { return };
        if !link.flags.has(LinkFlags::QUALIFIED) {
            // The leads were read before the contacts: this one may have been qualified in between.
            batch.put(&Refetch { record: lead });
        } else if link.is_confirmed() && before.is_none() {
            // Its own row doesn't name the contact, and may not come again.
            batch.remove::<Fact>(Dismissal::key_of(Object::Lead, lead.id, ""));
            batch.put(&Outbox::ready(Object::Lead, lead, String::new(), Task::Join(Join::Open).write(), self.bridge.clock.now()));
        }
    }
}

/// Whether a row stands for another record than it did before.
pub(super) fn has_another_survivor(record: RecordId, row: Row<'_>, known: &Known) -> bool {
    let (Some(AliasRef::Merged(now) | AliasRef::Qualified(now)), Some(before)) = (alias(record.table, row), known.aliases.get(&record))
    else {
        return false;
    };
    now != before.survivor
}

fn put(alias: &Alias, batch: &mut Batch) {
    batch.put(alias);
    batch.put(&AliasOf { survivor: alias.survivor, alias: alias.alias });
}
