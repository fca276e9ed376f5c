//! The real binary over loopback: what it prints, its exit codes, what it sends, and what is left when it is killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test that can't go on has failed")]

mod answers;
mod bad_file;
mod bad_side;
mod control;
mod deploy;
mod fix;
mod held;
mod init;
mod kill;
mod limits;
mod on_terminal;
mod output;
mod pages;
mod planned;
mod rows;
mod serve;
mod serving;
mod shown;
mod shown_bad;
mod shown_good;
mod stop;
mod support_bundle;
mod tap;
mod terminal;
mod watched;
mod world;
