//! HTTP plumbing that knows neither vendor: calls as values, and the pipeline that sends them.
