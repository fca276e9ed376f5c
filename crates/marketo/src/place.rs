//! Where each object is in the API, and which fields are its keys.
//!
//! From Adobe's pages on leads, companies, sales persons, opportunities and opportunity roles.

use base::Object;

/// What the vendor fixes about an object.
pub trait Place {
    /// Its path, without `.json`.
    fn path(self) -> &'static str;
    /// The field with the id that Marketo gives.
    fn id_field(self) -> &'static str;
    /// The fields that are its key for writers; several are one compound key. Leads have no fixed one: `email` unless a call says
    /// otherwise.
    fn dedupe_fields(self) -> &'static [&'static str];
    /// Whether its id is a number (else a GUID as text).
    fn has_number_id(self) -> bool;
}

impl Place for Object {
    fn path(self) -> &'static str {
        match self {
            Self::Lead => "/rest/v1/leads",
            Self::Company => "/rest/v1/companies",
            Self::SalesPerson => "/rest/v1/salespersons",
            Self::Opportunity => "/rest/v1/opportunities",
            Self::Role => "/rest/v1/opportunities/roles",
        }
    }

    fn id_field(self) -> &'static str {
        if self.has_number_id() { "id" } else { "marketoGUID" }
    }

    fn dedupe_fields(self) -> &'static [&'static str] {
        match self {
            Self::Lead => &["email"],
            Self::Company => &["externalCompanyId"],
            Self::SalesPerson => &["externalSalesPersonId"],
            Self::Opportunity => &["externalOpportunityId"],
            Self::Role => &["externalOpportunityId", "leadId", "role"],
        }
    }

    fn has_number_id(self) -> bool {
        match self {
            Self::Lead | Self::Company | Self::SalesPerson => true,
            Self::Opportunity | Self::Role => false,
        }
    }
}
