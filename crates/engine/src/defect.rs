//! Mistakes on purpose, for the simulation to find: each is one that a bridge like this could have.
//!
//! Without the feature `defects` there are none, and nothing of this is compiled in: [`has`] is false.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// What was sent counts as done before its answer came.
    SavedBeforeAnswer,
    /// The first record's result counts for its whole batch.
    OneResultForAll,
    /// The cursor moves before what it covers is saved.
    CursorMovedEarly,
    /// GUIDs are compared as texts.
    GuidsAsText,
    /// A person is created without a look at who is there.
    BlindCreate,
    /// Our own write-back comes round and is sent again.
    EchoSent,
    /// A record that stands for another gets a person of its own.
    AliasSent,
    /// A role is removed under another person's id.
    RoleOfAnother,
    /// Nothing is too much.
    BrakeIgnored,
    /// Consent that Dynamics doesn't withhold is given in Marketo.
    ConsentGiven,
    /// What a team owns is nobody's.
    TeamsIgnored,
    /// What Dynamics has deleted goes on as before.
    DeletionsForgotten,
}

impl Defect {
    /// All.
    pub const ALL: [Self; 12] = [
        Self::SavedBeforeAnswer,
        Self::OneResultForAll,
        Self::CursorMovedEarly,
        Self::GuidsAsText,
        Self::BlindCreate,
        Self::EchoSent,
        Self::AliasSent,
        Self::RoleOfAnother,
        Self::BrakeIgnored,
        Self::ConsentGiven,
        Self::TeamsIgnored,
        Self::DeletionsForgotten,
    ];
}

#[cfg(feature = "defects")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// All bridges of this thread have this mistake from now on.
#[cfg(feature = "defects")]
pub fn plant(defect: Option<Defect>) {
    PLANTED.set(defect);
}

/// Whether the bridge has this mistake.
#[cfg(feature = "defects")]
pub(crate) fn has(defect: Defect) -> bool {
    PLANTED.get() == Some(defect)
}

/// Whether the bridge has this mistake: never.
#[cfg(not(feature = "defects"))]
pub(crate) const fn has(_: Defect) -> bool {
    false
}
