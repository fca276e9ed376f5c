//! Pairs of a many-to-many relationship: made, taken apart, and gone with either of their rows.

use base::Guid;

use super::{Actor, By};
use crate::{
    error::{Outcome, Refusal},
    row::Record,
    schema::Across,
    state::State,
    value::Value,
};

impl State {
    /// Ties two rows. A pair that is there already is refused.
    pub(crate) fn tie(&mut self, across: Across, near: Guid, far: Guid, actor: Actor) -> Outcome<()> {
        if !self.pairs(across, near, far).is_empty() {
            return Err(Refusal::new(412, "0x80040237", "Cannot insert duplicate key."));
        }
        let cells = Record::from([(across.near, Value::Guid(near)), (across.far, Value::Guid(far))]);
        self.create(across.intersect, None, cells, actor, By::Service).map(|_| ())
    }

    /// Takes a pair apart; one that isn't there is no fault.
    pub(crate) fn untie(&mut self, across: Across, near: Guid, far: Guid) -> Outcome<()> {
        for pair in self.pairs(across, near, far) {
            self.store.put(across.intersect, pair, None);
        }
        Ok(())
    }

    /// Takes all pairs of a row apart.
    pub(crate) fn untie_all(&mut self, table: usize, id: Guid) {
        let name = self.table_name(table).to_owned();
        let navs: Vec<String> = self.store.schema.directions(&name).map(|(_, (near, _))| near.nav.clone()).collect();
        for across in navs.iter().filter_map(|nav| self.store.schema.across(&name, nav)).collect::<Vec<_>>() {
            let pairs = self.store.table(across.intersect).rows.iter().filter(|(_, row)| row.get(across.near).as_guid() == Some(id));
            for pair in pairs.map(|(pair, _)| *pair).collect::<Vec<_>>() {
                self.store.put(across.intersect, pair, None);
            }
        }
    }

    fn pairs(&self, across: Across, near: Guid, far: Guid) -> Vec<Guid> {
        let rows = self.store.table(across.intersect).rows.iter();
        let both = rows.filter(|(_, row)| row.get(across.near).as_guid() == Some(near) && row.get(across.far).as_guid() == Some(far));
        both.map(|(pair, _)| *pair).collect()
    }
}
