//! The build's own program.
fn main() {}
