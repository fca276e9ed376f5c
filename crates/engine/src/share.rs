//! Links that several work on at once: each changes only its share of one.
//!
//! A link is read, changed in memory and saved as a whole, and between reading and saving there may be a call of seconds. Rows that are taken
//! in meanwhile may want the same link, and the write-back may have written to it. So who works beside others leaves, when it saves a link,
//! what isn't its own as the state has it by then.

use store::{
    Batch, Record, Store, StoreError, StoreExt,
    record::{Family, Link, LinkFlags},
};

/// What of a link one may change. Whoever takes rows in changes any of it, and holds the links from reading to saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// What Marketo has of it.
    Push,
    /// What Dynamics has of the Sales Insight fields.
    WriteBack,
}

impl Share {
    /// Takes back what the batch's links change beyond this share. Nobody else may save links until the batch is committed.
    ///
    /// # Errors
    /// When the state can't be read.
    pub(crate) async fn limit(self, store: &dyn Store, batch: &mut Batch) -> Result<(), StoreError> {
        let puts: Vec<usize> =
            (0..batch.changes.len()).filter(|at| batch.changes[*at].0 == Family::Link && batch.changes[*at].2.is_some()).collect();
        let keys: Vec<Vec<u8>> = puts.iter().map(|at| batch.changes[*at].1.clone()).collect();
        for (at, now) in puts.into_iter().zip(store.read::<Link>(&keys).await?) {
            let (_, key, value) = &mut batch.changes[at];
            match (now, &mut *value, self) {
                (Some(now), Some(meant), _) => *meant = self.merged(Link::read(key, meant)?, now).value(),
                // It was erased meanwhile.
                (None, _, Self::WriteBack) => *value = None,
                (_, _, _) => {}
            }
        }
        Ok(())
    }

    /// The link as it is by now, with this share of what it was to become.
    fn merged(self, meant: Link, now: Link) -> Link {
        let taken = |of: LinkFlags| LinkFlags(meant.flags.0 & of.0);
        let without = |of: LinkFlags| LinkFlags(now.flags.0 & !of.0);
        match self {
            Self::Push => {
                let own = LinkFlags::CONFIRMED.with(LinkFlags::KEY_IN_DOUBT, true);
                // Whoever finds that something is wanted says so, and nobody takes that back.
                let flags = LinkFlags(without(own).0 | taken(own.with(LinkFlags::WANTED, true)).0);
                Link { flags, msi: now.msi, ..meant }
            }
            Self::WriteBack => {
                let flags = LinkFlags(without(LinkFlags::NOT_WRITABLE).0 | taken(LinkFlags::NOT_WRITABLE).0);
                Link { flags, msi: meant.msi, ..now }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{Guid, RecordId, Table};

    use super::*;

    #[test]
    fn each_changes_only_its_share() {
        let link = |flags: &[LinkFlags], marketo_id, confirmed: &[u8], msi: &[u8]| Link {
            flags: flags.iter().fold(LinkFlags::default(), |all, flag| all.with(*flag, true)),
            marketo_id,
            confirmed: confirmed.to_vec(),
            msi: msi.to_vec(),
            ..Link::new(RecordId::new(Table::Lead, Guid::from_u128(7)))
        };
        let now = link(&[LinkFlags::WANTED, LinkFlags::CLOSED, LinkFlags::KEY_IN_DOUBT], None, &[], &[9]);
        let pushed = link(&[LinkFlags::CONFIRMED], Some(4), &[1], &[]);
        let after = Share::Push.merged(pushed.clone(), now.clone());
        assert_eq!(after, link(&[LinkFlags::WANTED, LinkFlags::CLOSED, LinkFlags::CONFIRMED], Some(4), &[1], &[9]));
        let written = link(&[LinkFlags::NOT_WRITABLE], None, &[], &[5]);
        let flags = [LinkFlags::WANTED, LinkFlags::CLOSED, LinkFlags::CONFIRMED, LinkFlags::NOT_WRITABLE];
        assert_eq!(Share::WriteBack.merged(written, after), link(&flags, Some(4), &[1], &[5]));
    }
}
