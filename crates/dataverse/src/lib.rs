//! Typed client for the Dataverse Web API.
