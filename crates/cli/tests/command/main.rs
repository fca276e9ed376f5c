//! The real binary over loopback: what it prints, its exit codes, what it sends, and what is left when it is killed.

mod bad_file;
mod kill;
mod rows;
mod tap;
mod world;
