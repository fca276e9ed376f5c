//! A history: what there is at first, how both sides and the bridge are set, and what happens then.

use serde::{Deserialize, Serialize};

use super::event::{Event, Names};
use crate::{
    step::{Kill, Step},
    tap::Moment,
};

/// All of one history. The same history always gives the same trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Where the emulators' own chance and the bridge's comes from.
    pub seed: u64,
    /// Settings of both emulators and the bridge, before anything else.
    pub settings: Vec<Step>,
    /// What both sides hold at first.
    pub given: Vec<Event>,
    /// What happens.
    pub moves: Vec<Move>,
}

/// One step of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Move {
    /// Somebody does something between two cycles.
    Event(Event),
    /// A cycle, and what happens in its middle.
    Cycle {
        /// When what happens.
        meanwhile: Vec<(Moment, Event)>,
        /// When the process dies.
        kill: Option<Kill>,
    },
    /// Anything else.
    Step(Step),
}

impl History {
    /// All its events.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        let of_moves = self.moves.iter().flat_map(|step| match step {
            Move::Event(event) => vec![event],
            Move::Cycle { meanwhile, .. } => meanwhile.iter().map(|(_, event)| event).collect(),
            Move::Step(_) => Vec::new(),
        });
        self.given.iter().chain(of_moves)
    }

    /// Its numbers.
    #[must_use]
    pub fn names(&self) -> Names {
        Names::of(self.events())
    }
}
