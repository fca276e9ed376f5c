//! Single believable values, for edits of rows that are there already.

use base::{Dice, Guid};
use serde_json::{Map, Value};

use super::{companies, names, row::Row};

pub(crate) fn lookup(name: &str, table: &str, id: Guid) -> Map<String, Value> {
    Row::default().look(name, table, id).0
}

pub(crate) fn job_title(dice: &mut Dice) -> String {
    names::job(dice).0
}

pub(crate) fn department(dice: &mut Dice) -> String {
    names::job(dice).1
}

pub(crate) fn last_name(dice: &mut Dice) -> String {
    names::name(dice).last
}

pub(crate) fn telephone(dice: &mut Dice) -> String {
    companies::telephone(dice)
}

pub(crate) fn city(dice: &mut Dice) -> String {
    companies::city(dice).to_owned()
}

pub(crate) fn company(dice: &mut Dice) -> String {
    let number = dice.below(1000);
    companies::company(dice, number).0.chars().take(80).collect::<String>().trim().to_owned()
}
