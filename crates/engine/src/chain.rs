//! Which record stands at the end of a chain of aliases (rule R4).

use std::collections::{BTreeMap, BTreeSet};

use base::RecordId;
use store::{
    StoreExt,
    record::{Alias, AliasKind, Link, LinkFlags, record_key},
};

use crate::{bridge::Bridge, error::SyncError};

/// How many records may stand for each other in a chain.
pub(crate) const HOPS_MAX: usize = 10;

/// Which aliases are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Merged records only.
    Merged,
    /// Qualified leads and what a deleted contact leaves to its lead as well.
    All,
}

/// The end of the chain that begins at each of `starts`. Who stands for nobody is missing from the answer, and so is who stands for itself
/// in the end: a circle means nothing.
pub(crate) async fn ends(bridge: &Bridge, starts: BTreeSet<RecordId>, follow: Follow) -> Result<BTreeMap<RecordId, RecordId>, SyncError> {
    let mut paths: BTreeMap<RecordId, Vec<RecordId>> = starts.into_iter().map(|start| (start, vec![start])).collect();
    let (mut ended, mut circles) = (BTreeMap::new(), BTreeSet::new());
    for _ in 0..HOPS_MAX {
        let at: BTreeSet<RecordId> = paths.values().filter_map(|path| path.last().copied()).collect();
        let next = steps(bridge, at, follow).await?;
        let mut on = BTreeMap::new();
        for (start, mut path) in paths {
            match path.last().and_then(|at| next.get(at)) {
                Some(survivor) if path.contains(survivor) => drop(circles.insert(start)),
                Some(survivor) => {
                    path.push(*survivor);
                    on.insert(start, path);
                }
                None => drop(ended.insert(start, path)),
            }
        }
        paths = on;
        if paths.is_empty() {
            break;
        }
    }
    ended.extend(paths);
    let end = |(start, path): (RecordId, Vec<RecordId>)| path.last().filter(|end| **end != start).map(|end| (start, *end));
    Ok(ended.into_iter().filter_map(end).collect())
}

/// One step from each record. A lead stands for its contact only while it is qualified.
async fn steps(bridge: &Bridge, from: BTreeSet<RecordId>, follow: Follow) -> Result<BTreeMap<RecordId, RecordId>, SyncError> {
    let keys: Vec<_> = from.into_iter().map(Alias::key_of).collect();
    let (leads, others): (Vec<Alias>, Vec<Alias>) =
        bridge.store.read::<Alias>(&keys).await?.into_iter().flatten().partition(|alias| alias.kind.needs_qualified());
    let is_followed = |alias: &Alias| follow == Follow::All || alias.kind == AliasKind::Merged;
    let mut steps: BTreeMap<RecordId, RecordId> =
        others.into_iter().filter(is_followed).map(|alias| (alias.alias, alias.survivor)).collect();
    if follow == Follow::All && !leads.is_empty() {
        let keys: Vec<_> = leads.iter().map(|alias| record_key(alias.alias)).collect();
        let links = bridge.store.read::<Link>(&keys).await?;
        let qualified = |link: &Option<Link>| link.as_ref().is_some_and(|link| link.flags.has(LinkFlags::QUALIFIED));
        steps.extend(leads.into_iter().zip(links).filter(|(_, link)| qualified(link)).map(|(alias, _)| (alias.alias, alias.survivor)));
    }
    Ok(steps)
}
