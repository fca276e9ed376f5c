//! The shell: reads, plans, saves, sends.
