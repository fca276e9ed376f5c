//! The part of OData that Dataverse speaks: addresses, filters, selections. Text comes in, plain structures go out.

pub mod fit;
pub mod like;
pub mod literal;
pub mod query;
pub mod syntax;
pub mod test;
pub mod uri;
