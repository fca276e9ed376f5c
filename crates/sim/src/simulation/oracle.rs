//! Whether both sides are in step in the end, by rules that share no code with the planner.

use crate::world::World;

use super::watch::{Violation, Watch};

/// What is wrong in the end; nothing when all is right.
#[must_use]
pub fn differences(world: &World, _watch: &Watch) -> Vec<Violation> {
    let agreement = world.sandbox.agreement();
    if agreement.is_full() { Vec::new() } else { vec![Violation::new("in-step", agreement.to_string())] }
}
