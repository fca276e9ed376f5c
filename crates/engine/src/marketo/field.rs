//! A custom field of people that was asked for.

use ::marketo::{CreateLeadFields, DataType, create_fields::NewLeadField};
use wire::CallError;

use super::{Marketo, Verdict, verdict};

/// What people read about a key field that was made here.
const DESCRIPTION: &str = "The GUID of the Dynamics lead or contact. Written by Insight Bridge; nothing else may write it.";

impl Marketo {
    /// Makes a custom text field of people.
    ///
    /// # Errors
    /// What became of the call as a whole.
    pub async fn create_person_field(&self, name: &str) -> Result<Verdict, CallError> {
        let field = NewLeadField {
            name: name.to_owned(),
            // A label may have no special characters.
            display_name: name.replace('_', " "),
            description: DESCRIPTION.to_owned(),
            data_type: DataType::String,
        };
        let answered = self.client.call(&CreateLeadFields { fields: vec![field] }).await?;
        answered.into_iter().next().map(verdict).ok_or_else(|| CallError::Garbled("an answer without its only row".into()))
    }
}
