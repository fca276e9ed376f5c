//! Which roles there shall be: derived from what in Dynamics yields them, and compared with those that Marketo has (rule R8).

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table, Timestamp};
use planner::{
    FingerprintKey,
    role::{Kind, RoleTexts, RoleWanted, Source, derive},
};
use serde::{Deserialize, Serialize};
use store::{
    Batch, Record, StoreExt,
    record::{
        DirtyRoles, Fact, Json, Link, LinkFlags, Outbox, Refetch, Role, RoleName, RoleSource, SourceKind,
        role::{SourceBy, SourceIndex},
    },
};

use crate::{
    bridge::Bridge,
    capture::{dirty_by, erased},
    chain::{self, Follow},
    error::SyncError,
    held::dismissed::{any, roles_of},
    intent::{MaybeSent, maybe_sent},
    noticed::lost,
    options::RecordParting,
    push::gate::{Links, load_links},
    task::Task,
};

/// The fact that holds the default text under which roles were last derived.
const DEFAULT_ROLE_FACT: &str = "default_role";

/// Opportunities whose roles are derived in one commit.
const DERIVED_AT_ONCE: usize = 300;

/// What is asked of one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Wish {
    /// It shall be there.
    Keep { contact: Guid, name: String, primary: bool },
    /// It shall not; `lead` and `name` are its key.
    Remove { contact: Guid, lead: i64, name: String },
}

/// Derives the roles of all opportunities of which something changed, and puts the differences into the outbox.
pub(super) async fn derive_dirty(bridge: &Bridge, key: FingerprintKey) -> Result<(), SyncError> {
    notice_default_role(bridge).await?;
    notice_partings(bridge).await?;
    let (maybe_sent, untold) = (maybe_sent(bridge).await?, lost::untold(bridge).await?);
    let any_dismissed = any(&*bridge.store).await?;
    let mut texts = None;
    loop {
        let dirty = bridge.store.list::<DirtyRoles>(&[], None, DERIVED_AT_ONCE).await?;
        if dirty.is_empty() {
            return Ok(());
        }
        if texts.is_none() {
            texts = Some(RoleTexts::new(all_role_names(bridge).await?));
        }
        let Some(texts) = &texts else { return Ok(()) };
        let opportunities: Vec<Guid> = dirty.iter().map(|dirty| dirty.opportunity).collect();
        let (sources, links, erased) = known(bridge, &opportunities).await?;
        let derivation = Derivation { bridge, key, any_dismissed, texts, maybe_sent: &maybe_sent, untold: &untold, links, erased };
        let mut batch = Batch::new();
        for (opportunity, sources) in opportunities.into_iter().zip(sources) {
            derivation.derive(opportunity, &sources, &mut batch).await?;
        }
        dirty.iter().for_each(|dirty| batch.remove::<DirtyRoles>(dirty.key()));
        bridge.commit(batch).await?;
    }
}

/// What of the state the roles of opportunities need, read at once: what yields the roles of each, links of the opportunities and the contacts, and
/// contacts that were erased on request.
async fn known(bridge: &Bridge, opportunities: &[Guid]) -> Result<(Vec<Vec<Source>>, Links, BTreeSet<Guid>), SyncError> {
    let (mut keys, mut counts) = (Vec::new(), Vec::with_capacity(opportunities.len()));
    for opportunity in opportunities {
        let entries = bridge.store.list::<SourceIndex>(&SourceIndex::prefix(SourceBy::Opportunity, *opportunity), None, usize::MAX).await?;
        counts.push(entries.len());
        keys.extend(entries.iter().map(|entry| RoleSource::key_of(entry.source)));
    }
    let found = bridge.store.read::<RoleSource>(&keys).await?;
    let contacts = found.iter().flatten().map(|source| RecordId::new(Table::Contact, source.contact)).collect();
    let masters = chain::ends(bridge, contacts, Follow::Merged).await?;
    let mut found = found.into_iter();
    let sources: Vec<Vec<Source>> =
        counts.into_iter().map(|count| found.by_ref().take(count).flatten().map(|source| source_of(&source, &masters)).collect()).collect();
    let contacts: BTreeSet<Guid> = sources.iter().flatten().map(|source| source.contact).collect();
    let deals = opportunities.iter().map(|id| RecordId::new(Table::Opportunity, *id));
    let links = load_links(bridge, &contacts.iter().map(|id| RecordId::new(Table::Contact, *id)).chain(deals).collect()).await?;
    Ok((sources, links, erased(bridge, contacts.into_iter().collect()).await?))
}

/// Contacts that are to be parted with, because they left the scope or are gone, have no more roles, unless their roles keep them.
async fn notice_partings(bridge: &Bridge) -> Result<(), SyncError> {
    let mut entries = bridge.store.pages::<Outbox>(vec![Object::Lead.code()], 1_000);
    loop {
        let page = entries.next_page().await?;
        if page.is_empty() {
            return Ok(());
        }
        for entry in page.iter().filter(|entry| entry.record.table == Table::Contact) {
            if let Task::Part(_) = Task::of(entry)? {
                dirty_by(bridge, SourceBy::Contact, entry.record.id).await?;
            }
        }
    }
}

/// Another default text concerns every opportunity that has a role.
async fn notice_default_role(bridge: &Bridge) -> Result<(), SyncError> {
    let fact = Fact { name: DEFAULT_ROLE_FACT.into(), value: bridge.options.policy.default_role.clone().into() };
    let before = bridge.store.read_one::<Fact>(fact.key()).await?;
    if before.as_ref() == Some(&fact) {
        return Ok(());
    }
    let mut sources = bridge.store.pages::<RoleSource>(Vec::new(), 1_000);
    while before.is_some() {
        let page = sources.next_page().await?;
        if page.is_empty() {
            break;
        }
        let mut batch = Batch::new();
        page.iter().for_each(|source| batch.put(&DirtyRoles { opportunity: source.opportunity }));
        bridge.commit(batch).await?;
    }
    let mut batch = Batch::new();
    batch.put(&fact);
    bridge.commit(batch).await
}

pub(crate) async fn all_role_names(bridge: &Bridge) -> Result<Vec<(Guid, String)>, SyncError> {
    let (mut names, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let page = bridge.store.list::<RoleName>(&[], after.as_deref(), 1_000).await?;
        let Some(last) = page.last() else { return Ok(names) };
        after = Some(last.key());
        names.extend(page.into_iter().map(|role| (role.id, role.name)));
    }
}

/// What several opportunities' roles are derived with.
struct Derivation<'a> {
    bridge: &'a Bridge,
    key: FingerprintKey,
    /// Whether anything is dismissed.
    any_dismissed: bool,
    texts: &'a RoleTexts,
    maybe_sent: &'a MaybeSent,
    untold: &'a BTreeMap<i64, Timestamp>,
    /// Of the opportunities and the contacts.
    links: Links,
    /// Contacts that were erased on request.
    erased: BTreeSet<Guid>,
}

impl Derivation<'_> {
    async fn derive(&self, opportunity: Guid, sources: &[Source], batch: &mut Batch) -> Result<(), SyncError> {
        let (store, now) = (&self.bridge.store, self.bridge.clock.now());
        let record = RecordId::new(Table::Opportunity, opportunity);
        if self.is_kept(record) {
            return Ok(());
        }
        let wanted = derive(sources, self.texts, &self.bridge.options.policy.default_role);
        let wanted = self.in_scope(record, wanted, batch);
        let mut known = store.list::<Role>(&Role::of_opportunity(opportunity), None, usize::MAX).await?;
        // Whose those are now Marketo will tell.
        known.retain(|role| !self.untold.contains_key(&role.lead_id));
        let Difference { wishes, renamed } = difference(&wanted, &known, &self.links);
        renamed.iter().for_each(|role| batch.put(role));
        let before = store.list::<Outbox>(&Outbox::key_of(Object::Role, opportunity, ""), None, usize::MAX).await?;
        let mut before: BTreeMap<String, Outbox> = before.into_iter().map(|entry| (entry.part.clone(), entry)).collect();
        let mut dismissed = if self.any_dismissed { roles_of(&**store, opportunity).await? } else { BTreeMap::new() };
        for (part, wish) in wishes {
            let desired = Json::of(&wish);
            match before.remove(&part) {
                Some(entry) if entry.body.desired == desired => {}
                None if dismissed.get(&part).is_some_and(|dismissed| dismissed.is_about(&desired, false, self.key)) => {
                    dismissed.remove(&part);
                }
                Some(_) | None => batch.put(&Outbox::ready(Object::Role, record, part, desired, now)),
            }
        }
        // Others aren't wished for any more, or are in the outbox again.
        dismissed.values().for_each(|dismissed| batch.remove::<Fact>(dismissed.key()));
        for entry in before.values() {
            batch.remove::<Outbox>(entry.key());
            if self.maybe_sent.contains(&entry.key())
                && let Some((part, wish)) = take_back(self.bridge, entry, &known, &wanted, &self.links).await?
            {
                batch.put(&Outbox::ready(Object::Role, record, part, Json::of(&wish), now));
            }
        }
        Ok(())
    }

    /// Whether an opportunity has left the scope and policy keeps it as it is, its roles included.
    fn is_kept(&self, deal: RecordId) -> bool {
        let has_left = |link: &Link| link.is_confirmed() && link.flags.has(LinkFlags::OUT) && !link.flags.has(LinkFlags::GONE);
        self.links.get(&deal).is_some_and(has_left) && self.bridge.options.on_leave.opportunity == RecordParting::Keep
    }

    /// Those of the roles that may be there: an opportunity that is gone or out of scope has none, and neither has a contact that is gone. A
    /// contact that is only out of scope comes into it because of its role (policy.by_reference).
    fn in_scope(&self, deal: RecordId, wanted: Vec<RoleWanted>, batch: &mut Batch) -> Vec<RoleWanted> {
        let is_out = |link: &Link| link.flags.has(LinkFlags::DORMANT) && !link.flags.has(LinkFlags::WANTED);
        if self.links.get(&deal).is_some_and(|link| link.flags.has(LinkFlags::GONE) || is_out(link)) {
            return Vec::new();
        }
        let mut may_be_there = |role: &RoleWanted| match self.links.get(&RecordId::new(Table::Contact, role.contact)) {
            _ if self.erased.contains(&role.contact) => false,
            Some(link) if link.flags.has(LinkFlags::GONE) => false,
            // Deactivated, and by policy not in sync.
            Some(link) if link.flags.has(LinkFlags::DORMANT) && link.flags.has(LinkFlags::INACTIVE) => false,
            Some(link) if is_out(link) && self.bridge.options.policy.by_reference => {
                let mut link = link.clone();
                link.flags = link.flags.with(LinkFlags::WANTED, true);
                batch.put(&link);
                batch.put(&Refetch { record: link.record });
                true
            }
            Some(link) => !is_out(link),
            None => true,
        };
        wanted.into_iter().filter(|role| may_be_there(role)).collect()
    }
}

/// What was to be done and no longer is may have been done although nobody heard of it: a role that is wanted as it was before is sent
/// once more, and one that isn't wanted is removed, where "not found" is as good.
async fn take_back(
    bridge: &Bridge,
    entry: &Outbox,
    known: &[Role],
    wanted: &[RoleWanted],
    links: &Links,
) -> Result<Option<(String, Wish)>, SyncError> {
    let Some(wish) = read_wish(entry) else { return Ok(None) };
    let (contact, name, lead) = match wish {
        Wish::Remove { contact, lead, name } => (contact, name, Some(lead)),
        Wish::Keep { contact, name, .. } => {
            let person = RecordId::new(Table::Contact, contact);
            let links = load_links(bridge, &BTreeSet::from([person])).await?;
            (contact, name, links.get(&person).and_then(|link| link.marketo_id))
        }
    };
    let Some(lead) = lead else { return Ok(None) };
    let text = name.to_lowercase();
    let lead_of = |role: &RoleWanted| links.get(&RecordId::new(Table::Contact, role.contact)).and_then(|link| link.marketo_id);
    if let Some(role) = wanted.iter().find(|role| lead_of(role) == Some(lead) && role.name.to_lowercase() == text) {
        return Ok(Some((format!("{} {text}", role.contact), Wish::Keep { contact: role.contact, name, primary: role.is_primary })));
    }
    if known.iter().any(|role| role.lead_id == lead && role.name.to_lowercase() == text) {
        return Ok(None);
    }
    Ok(Some((format!("- {lead} {text}"), Wish::Remove { contact, lead, name })))
}

fn source_of(source: &RoleSource, masters: &BTreeMap<RecordId, RecordId>) -> Source {
    let kind = match source.kind {
        SourceKind::Connection => Kind::Connection,
        SourceKind::Mirror => Kind::Mirror,
        SourceKind::Inactive => Kind::Inactive,
        SourceKind::Primary => Kind::Primary,
    };
    Source {
        id: source.id,
        contact: masters.get(&RecordId::new(Table::Contact, source.contact)).map_or(source.contact, |master| master.id),
        kind,
        role: source.role,
        related: source.related,
    }
}

/// What has to be done, and what only we have to know.
#[derive(Default)]
struct Difference {
    /// By the part of the outbox key.
    wishes: BTreeMap<String, Wish>,
    /// Roles that are as they should be in Marketo, and another contact's by now: their person is the same.
    renamed: Vec<Role>,
}

/// Compares what is wanted with what Marketo has: a role is another one when its lead is. Texts compare without case.
fn difference(wanted: &[RoleWanted], known: &[Role], links: &Links) -> Difference {
    let Difference { mut wishes, mut renamed } = Difference::default();
    let mut kept: BTreeSet<Vec<u8>> = BTreeSet::new();
    for role in wanted {
        let lead = links.get(&RecordId::new(Table::Contact, role.contact)).and_then(|link| link.marketo_id);
        // To Marketo a role is opportunity, lead and text, whichever contact the lead is.
        let text = role.name.to_lowercase();
        let same = known.iter().find(|known| Some(known.lead_id) == lead && known.name.to_lowercase() == text);
        kept.extend(same.map(Record::key));
        if let Some(known) = same.filter(|known| !known.in_doubt && known.is_primary == role.is_primary) {
            if known.contact != role.contact {
                renamed.push(Role { contact: role.contact, ..known.clone() });
            }
        } else {
            let name = same.map_or_else(|| role.name.clone(), |known| known.name.clone());
            let part = format!("{} {}", role.contact, name.to_lowercase());
            wishes.insert(part, Wish::Keep { contact: role.contact, name, primary: role.is_primary });
        }
    }
    for role in known.iter().filter(|role| !kept.contains(&role.key())) {
        let part = format!("- {} {}", role.lead_id, role.name.to_lowercase());
        wishes.insert(part, Wish::Remove { contact: role.contact, lead: role.lead_id, name: role.name.clone() });
    }
    Difference { wishes, renamed }
}

/// What a role's entry asks for; none where it can't be read.
pub(crate) fn read_wish(entry: &Outbox) -> Option<Wish> {
    entry.body.desired.read().ok()
}
