//! Typed client for the Marketo Engage REST API.
