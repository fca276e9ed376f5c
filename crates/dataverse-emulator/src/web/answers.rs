//! Answers about tables and columns, kept because clients ask for them again and again and nothing is slower to write down.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use emulator::Response;

use crate::schema::MsiColumns;

/// Answers of environments whose tables nobody changed: the same in all of this process. By tables' shape and question.
static PRISTINE: Mutex<BTreeMap<(String, String), Response>> = Mutex::new(BTreeMap::new());

/// Answers that are kept, at most.
const KEPT_MAX: usize = 1_000;

/// The answers of one environment.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// What tells the shape of its tables as long as nobody changes them.
    shape: Option<String>,
    own: BTreeMap<String, Response>,
}

impl Answers {
    /// Of an environment with these columns, in which these tables are tracked and which nobody has changed yet.
    pub(crate) fn pristine(msi: MsiColumns, tracked: &[bool]) -> Self {
        Self { shape: Some(format!("{msi:?} {tracked:?}")), own: BTreeMap::new() }
    }

    /// Whether nobody has changed the tables yet.
    pub(crate) fn is_pristine(&self) -> bool {
        self.shape.is_some()
    }

    /// Something changes: nothing is known any more.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn get(&self, question: &str) -> Option<Response> {
        match &self.shape {
            Some(shape) => {
                let kept = PRISTINE.lock().unwrap_or_else(PoisonError::into_inner);
                kept.get(&(shape.clone(), question.to_owned())).cloned()
            }
            None => self.own.get(question).cloned(),
        }
    }

    pub(crate) fn put(&mut self, question: String, answer: &Response) {
        match &self.shape {
            Some(shape) => {
                let mut kept = PRISTINE.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() < KEPT_MAX {
                    kept.insert((shape.clone(), question), answer.clone());
                }
            }
            None if self.own.len() < KEPT_MAX => drop(self.own.insert(question, answer.clone())),
            None => {}
        }
    }
}
