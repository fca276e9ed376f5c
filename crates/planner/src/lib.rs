//! The pure core: decides what to send and never does it.
