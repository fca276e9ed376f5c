//! What other parts of Marketo would list: nothing, said the way Marketo says it.

use crate::{
    answer::{Outcome, Reply},
    state::State,
};

impl State {
    /// Static lists, campaigns, programs, memberships.
    pub(crate) fn empty_list() -> Outcome {
        Reply { more: Some(false), ..Reply::of(Vec::new()) }.into()
    }

    /// The Asset API leaves the result out and warns, with a plain text; clients stop their paging at exactly this one.
    pub(crate) fn no_assets() -> Outcome {
        Reply { warnings: vec!["No assets found for the given search criteria.".into()], ..Reply::default() }.into()
    }
}
