//! Creating a row together with the rows nested in its body, in one transaction.

use base::Guid;

use super::{Call, payload::Payload};
use crate::{
    error::{Outcome, Refusal},
    odata::query::Link,
    rules::By,
    state::State,
};

impl State {
    /// Creates what a body describes; `id` names the row when the address does.
    pub(crate) fn create_deep(&mut self, call: &Call<'_>, table: usize, id: Option<Guid>, payload: Payload) -> Outcome<Guid> {
        self.transact(|state| state.create_level(call, table, id, payload))
    }

    fn create_level(&mut self, call: &Call<'_>, table: usize, id: Option<Guid>, payload: Payload) -> Outcome<Guid> {
        self.require(table, "Create")?;
        let mut cells = payload.cells;
        for (column, to, parent) in payload.parents {
            let parent = self.create_level(call, to, None, parent)?;
            let value = self.reference(self.table_name(to), parent).ok_or_else(|| Refusal::no_segment("table"))?;
            cells.insert(column, value);
        }
        let own = self.create(table, id.or(payload.id), cells, call.actor, By::Client)?;
        let name = self.table_name(table).to_owned();
        for (link, children) in payload.children {
            for mut child in children {
                match link {
                    Link::Many(to, column) => {
                        let value = self.reference(&name, own).ok_or_else(|| Refusal::no_segment(&name))?;
                        child.cells.insert(column, value);
                        self.create_level(call, to, None, child)?;
                    }
                    Link::Across(across) => {
                        let other = self.create_level(call, across.table, None, child)?;
                        self.tie(across, own, other, call.actor)?;
                    }
                    Link::One(..) | Link::Principal(_) => {}
                }
            }
        }
        Ok(own)
    }
}
