//! The real binary over loopback: what it prints, its exit codes, what it sends, and what is left when it is killed.

mod bad_file;
mod bad_side;
mod kill;
mod limits;
mod output;
mod rows;
mod stop;
mod tap;
mod world;
