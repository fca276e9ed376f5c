//! Access tokens: one per custom service, the same one until it expires.
//!
//! Adobe's "authentication" page: asking again returns the same token with a smaller `expires_in`; there is no refresh and no way to
//! force a new one. The first use of an expired token answers 602, later uses 601.

use std::{collections::BTreeMap, time::Duration};

use base::{Dice, Timestamp, time};

use crate::options::{ApiClient, Options};

#[derive(Debug, Clone)]
struct Token {
    text: String,
    expires: Timestamp,
}

/// All tokens of a subscription.
#[derive(Debug)]
pub(crate) struct Tokens {
    dice: Dice,
    /// By client id.
    current: BTreeMap<String, Token>,
    /// Tokens that expired and haven't been told so yet.
    expired: Vec<String>,
}

/// Expired tokens remembered, so that each gets its 602.
const EXPIRED_KEPT: usize = 64;

/// What a token turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It belongs to this client.
    Valid(ApiClient),
    /// It was valid once, and nobody has said yet that it isn't any more.
    Expired,
    /// It isn't one.
    Invalid,
}

impl Tokens {
    /// No tokens yet. A subscription that was reset issues others than before, or a token from before the reset would come to life again.
    pub(crate) fn new(seed: u64, resets: u64) -> Self {
        let dice = Dice::new(0x6d6b_746f ^ seed.rotate_left(32) ^ resets.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { dice, current: BTreeMap::new(), expired: Vec::new() }
    }

    /// The client's token and the seconds it has left, 3600 when fresh.
    pub(crate) fn issue(&mut self, client: &str, options: &mut Options, now: Timestamp) -> (String, u64) {
        self.retire(now);
        let life = Duration::from_secs(options.token_life_s);
        if !self.current.contains_key(client) {
            let text = format!("{}:{}", self.dice.guid(), ["ab", "sj", "lon"].get(self.dice.below(3) as usize).unwrap_or(&"ab"));
            self.current.insert(client.to_owned(), Token { text, expires: time::later(now, life) });
        }
        let Some(token) = self.current.get_mut(client) else { return (String::new(), 0) };
        if options.expires_in_zero > 0 {
            options.expires_in_zero -= 1;
            token.expires = token.expires.min(time::later(now, Duration::from_secs(1)));
            return (token.text.clone(), 0);
        }
        (token.text.clone(), time::since(now, token.expires).as_secs())
    }

    /// What a token is worth, without telling anybody.
    pub(crate) fn standing(&self, text: &str, options: &Options, now: Timestamp) -> Standing {
        match self.current.iter().find(|(_, token)| token.text == text) {
            Some((_, token)) if token.expires <= now => Standing::Expired,
            Some((client, _)) => client_of(client, options).map_or(Standing::Invalid, Standing::Valid),
            None if self.expired.iter().any(|expired| expired == text) => Standing::Expired,
            None => Standing::Invalid,
        }
    }

    /// The same, and an expired token is invalid from now on.
    pub(crate) fn judge(&mut self, text: &str, options: &Options, now: Timestamp) -> Standing {
        self.retire(now);
        let standing = self.standing(text, options, now);
        self.expired.retain(|expired| expired != text);
        standing
    }

    /// Moves tokens whose time is over to the expired ones.
    fn retire(&mut self, now: Timestamp) {
        let expired = self.current.extract_if(.., |_, token| token.expires <= now).map(|(_, token)| token.text);
        self.expired.extend(expired);
        let surplus = self.expired.len().saturating_sub(EXPIRED_KEPT);
        self.expired.drain(..surplus);
    }

    /// Every token expires now: the next use answers 602.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        for token in self.current.values_mut() {
            token.expires = now;
        }
        self.retire(now);
    }

    /// Every token is forgotten: the next use answers 601.
    pub(crate) fn revoke(&mut self) {
        self.current.clear();
        self.expired.clear();
    }
}

/// The custom service with this id.
pub(crate) fn client_of(id: &str, options: &Options) -> Option<ApiClient> {
    if id == options.client_id {
        let (id, secret, user) = (options.client_id.clone(), options.client_secret.clone(), options.api_user.clone());
        return Some(ApiClient { id, secret, user, permissions: options.permissions.clone() });
    }
    options.other_clients.iter().find(|client| client.id == id).cloned()
}
