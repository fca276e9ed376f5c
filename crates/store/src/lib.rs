//! Durable state behind one interface.
