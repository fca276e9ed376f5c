//! The insight-bridge command.
fn main() {}
