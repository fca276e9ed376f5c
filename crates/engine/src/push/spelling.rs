//! Whether Marketo stores our keys in another spelling (rule R2): a sample is asked for once, and all where it answers.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{Batch, StoreExt, record::Fact};

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
};

/// Values in one look-up (Adobe, "Lead database": filter values).
const VALUES_MAX: usize = 300;

/// Spellings that a key may have besides the canonical one; an index into [`Guid::spellings`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Spellings {
    /// Those that Marketo was found to use. The canonical one, 0, is always asked for.
    others: BTreeSet<usize>,
    /// Whether any key of the sample was stored in another spelling, however it is found.
    #[serde(default)]
    stored: bool,
}

impl Spellings {
    /// Reads what was learnt about an object; none when it was never asked.
    pub(super) async fn load(bridge: &Bridge, object: Object, key_field: &str) -> Result<Option<Self>, SyncError> {
        let fact = bridge.store.read_one::<Fact>(fact_name(object, key_field).into()).await?;
        Ok(fact.and_then(|fact| serde_json::from_value(fact.value).ok()))
    }

    /// Asks for a sample of keys in all spellings, and keeps what is learnt.
    pub(super) async fn sample(bridge: &Bridge, object: Object, key_field: &str, ids: &[Guid]) -> Result<Self, SyncError> {
        let size = VALUES_MAX / ids.first().map_or(1, |id| id.spellings().len());
        let step = ids.len().div_ceil(size).max(1);
        let sample: Vec<Guid> = ids.iter().copied().step_by(step).take(size).collect();
        let values: Vec<String> = sample.iter().flat_map(|id| id.spellings()).collect();
        let found = bridge
            .marketo
            .query(object, key_field, values, &[key_field])
            .await
            .map_err(|error| SyncError::of_call(Side::Marketo, error))?;
        let mut stored: BTreeMap<Guid, String> = BTreeMap::new();
        for text in found.iter().filter_map(|record| text_of(record, key_field)) {
            if let Ok(id) = text.parse::<Guid>()
                && id.to_string() != text
            {
                stored.insert(id, text);
            }
        }
        let mut spellings = Self::default();
        if !stored.is_empty() {
            // Where Marketo compares without case, the canonical spelling finds them too, and nothing else needs to be asked.
            let plain = stored.keys().map(Guid::to_string).collect();
            let met = bridge
                .marketo
                .query(object, key_field, plain, &[key_field])
                .await
                .map_err(|error| SyncError::of_call(Side::Marketo, error))?;
            let met: BTreeSet<String> = met.iter().filter_map(|record| text_of(record, key_field)).collect();
            let unmet = stored.iter().filter(|(_, text)| !met.contains(*text));
            spellings.others = unmet.filter_map(|(id, text)| id.spellings().iter().position(|spelling| spelling == text)).collect();
            spellings.stored = !stored.is_empty();
        }
        let mut batch = Batch::new();
        batch.put(&Fact { name: fact_name(object, key_field), value: serde_json::to_value(&spellings).unwrap_or_default() });
        bridge.commit(batch).await?;
        if spellings.stored {
            tracing::warn!(object = object.name(), "Marketo holds keys in another spelling; all are looked up so");
        }
        Ok(spellings)
    }

    /// In how many spellings a key is asked for.
    pub(super) fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// How a key may be stored, the canonical spelling first.
    pub(super) fn of(&self, id: Guid) -> Vec<String> {
        let all = id.spellings();
        let mut spellings = vec![all[0].clone()];
        spellings.extend(self.others.iter().filter_map(|index| all.get(*index).cloned()));
        spellings
    }

    /// The keys as Marketo stores them, where that isn't the canonical spelling.
    pub(super) async fn stored_keys(
        &self,
        bridge: &Bridge,
        object: Object,
        key_field: &str,
        ids: &[Guid],
    ) -> Result<BTreeMap<Guid, String>, SyncError> {
        let mut stored = BTreeMap::new();
        if !self.stored {
            return Ok(stored);
        }
        for chunk in ids.chunks(VALUES_MAX / self.count()) {
            let values: Vec<String> = chunk.iter().flat_map(|id| self.of(*id)).collect();
            let found = bridge
                .marketo
                .query(object, key_field, values, &[key_field])
                .await
                .map_err(|error| SyncError::of_call(Side::Marketo, error))?;
            for text in found.iter().filter_map(|record| text_of(record, key_field)) {
                if let Ok(id) = text.parse::<Guid>()
                    && id.to_string() != text
                {
                    stored.insert(id, text);
                }
            }
        }
        Ok(stored)
    }
}

fn fact_name(object: Object, key_field: &str) -> String {
    format!("spellings/{}/{key_field}", object.code())
}

/// A field's text; vendor samples show ids with blanks around.
fn text_of(record: &Map<String, Value>, field: &str) -> Option<String> {
    record.get(field)?.as_str().map(|text| text.trim().to_owned())
}
