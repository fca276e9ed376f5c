//! Links between rows through `$ref`, as Microsoft's "Associate and disassociate table rows" page has them.

use base::Guid;
use http::Method;
use serde_json::json;
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{
    key::Key,
    odata::{self, encoded},
};

/// Adds a row to a collection of another, such as a user to a team.
#[derive(Debug, Clone)]
pub struct Associate {
    /// The owning row's set.
    pub set: String,
    /// The owning row's key.
    pub id: Guid,
    /// The collection's navigation property; its case matters.
    pub navigation: String,
    /// The other row's full address; [`crate::Client::address_of`] makes it.
    pub target: String,
}

impl Endpoint for Associate {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        let path = format!("{}/{}/$ref", Key::Id(self.id).path(&self.set)?, odata::name(&self.navigation)?);
        odata::send("rows.associate", Method::POST, path, &json!({ "@odata.id": self.target }), Replay::Safe)
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

/// Takes a row out of a collection of another, or clears a lookup.
#[derive(Debug, Clone)]
pub struct Disassociate {
    /// The owning row's set.
    pub set: String,
    /// The owning row's key.
    pub id: Guid,
    /// The navigation property; its case matters.
    pub navigation: String,
    /// The other row's full address; `None` clears a lookup.
    pub target: Option<String>,
}

impl Endpoint for Disassociate {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        let which = self.target.as_ref().map(|target| format!("?$id={}", encoded(target))).unwrap_or_default();
        let path = format!("{}/{}/$ref{which}", Key::Id(self.id).path(&self.set)?, odata::name(&self.navigation)?);
        Ok(odata::delete("rows.disassociate", path))
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wire::Target;

    use super::*;

    #[test]
    fn references_read_as_documented() {
        let (id, target) = (Guid::from_u128(1), "https://x.test/api/data/v9.2/contacts(2)".to_owned());
        let associate = Associate { set: "accounts".into(), id, navigation: "contact_customer_accounts".into(), target: target.clone() };
        let request = associate.request().unwrap();
        assert_eq!(request.target, Target::Below(format!("/accounts({id})/contact_customer_accounts/$ref")));
        assert_eq!(request.body.as_ref(), br#"{"@odata.id":"https://x.test/api/data/v9.2/contacts(2)"}"#);
        let mut away = Disassociate { set: "leads".into(), id, navigation: "parentaccountid".into(), target: None };
        assert_eq!(away.request().unwrap().target, Target::Below(format!("/leads({id})/parentaccountid/$ref")));
        away.target = Some(target);
        assert_eq!(
            away.request().unwrap().target,
            Target::Below(format!("/leads({id})/parentaccountid/$ref?$id=https:%2F%2Fx.test%2Fapi%2Fdata%2Fv9.2%2Fcontacts(2)"))
        );
    }
}
