//! What is sent for a person: fields by name until it is packed into a call, and their JSON from then on, which is a quarter as large and is made
//! only once, however often the call is repeated.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, value::RawValue};

/// A person as it is sent.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// Not packed yet.
    Fields(Map<String, Value>),
    /// In a call.
    Json {
        /// The fields.
        text: Arc<RawValue>,
        /// Whether the key is among them.
        has_key: bool,
    },
}

impl Body {
    /// Its fields, until it is packed.
    pub(super) fn fields(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Fields(fields) => Some(fields),
            Self::Json { .. } => None,
        }
    }

    /// Its fields, read again where it is packed.
    pub(super) fn read(&self) -> Map<String, Value> {
        match self {
            Self::Fields(fields) => fields.clone(),
            Self::Json { text, .. } => serde_json::from_str(text.get()).unwrap_or_default(),
        }
    }

    /// Adds fields, until it is packed.
    pub(super) fn extend(&mut self, more: impl Iterator<Item = (String, Value)>) {
        debug_assert!(matches!(self, Self::Fields(_)), "what is packed doesn't change");
        if let Self::Fields(fields) = self {
            fields.extend(more);
        }
    }

    /// Packs it; gives its bytes.
    pub(super) fn pack(&mut self, key_field: &str) -> usize {
        if let Self::Fields(fields) = self
            && let Ok(text) = serde_json::value::to_raw_value(fields)
        {
            *self = Self::Json { has_key: fields.contains_key(key_field), text: text.into() };
        }
        match self {
            Self::Fields(_) => 0,
            Self::Json { text, .. } => text.get().len(),
        }
    }

    /// Whether nothing has to be sent.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Fields(fields) if fields.is_empty())
    }

    /// Whether the person's key is among what is sent.
    pub(super) fn has_key(&self, key_field: &str) -> bool {
        match self {
            Self::Fields(fields) => fields.contains_key(key_field),
            Self::Json { has_key, .. } => *has_key,
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Fields(Map::new())
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fields(fields) => fields.serialize(serializer),
            Self::Json { text, .. } => text.serialize(serializer),
        }
    }
}
