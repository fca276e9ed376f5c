//! The Web API as clients see it: requests in, answers out. What a write means is decided in [`crate::rules`].

pub mod actions;
pub mod batch;
pub mod bulk;
pub mod changes;
pub mod column_write;
pub mod cookie;
pub mod csdl;
pub mod deep;
pub mod definition;
pub mod formatted;
pub mod list;
pub mod metadata;
pub mod metadata_write;
pub mod multipart;
pub mod operation;
pub mod option_sets;
pub mod payload;
pub mod projection;
pub mod refs;
pub mod relationships;
pub mod render;
pub mod route;
pub mod serve;
pub mod single;
pub mod tabular;
pub mod write;

use std::collections::BTreeMap;

use base::{Guid, Timestamp};
use emulator::Request;

use crate::{
    headers::Preferences,
    odata::{
        test::Context,
        uri::{Options, Segment, segments},
    },
    rules::Actor,
};

/// Rows that earlier parts of a change set made: content id to table and row.
pub(crate) type ContentIds = BTreeMap<String, (usize, Guid)>;

/// A request taken apart.
pub(crate) struct Call<'a> {
    pub request: &'a Request,
    /// Scheme, authority and `/api/data/v9.x`, without a slash at the end.
    pub base: String,
    pub segments: Vec<Segment>,
    pub options: Options,
    pub preferences: Preferences,
    pub actor: Actor,
    pub now: Timestamp,
    pub content_ids: ContentIds,
}

/// The part of a path after `/api/data/v9.x`, and that prefix; none for another path.
pub(crate) fn split_version(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/api/data/v9.")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest.get(digits..)?;
    if digits == 0 || !(after.is_empty() || after.starts_with('/')) {
        return None;
    }
    Some((path.get(..path.len() - after.len())?, after))
}

impl<'a> Call<'a> {
    /// Takes a request apart; none when it isn't for the Web API.
    pub(crate) fn new(request: &'a Request, actor: Actor, now: Timestamp, content_ids: ContentIds) -> Option<Self> {
        let (version, rest) = split_version(&request.path)?;
        Some(Self {
            request,
            base: format!("{}{version}", request.origin),
            segments: segments(rest),
            options: Options::parse(&request.query),
            preferences: Preferences::of(request),
            actor,
            now,
            content_ids,
        })
    }

    pub(crate) fn context(&self) -> Context {
        Context { now: self.now.as_second(), user: self.actor.user }
    }
}
