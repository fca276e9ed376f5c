//! Drawing a history: a small organisation, and what happens to it, all from one seed.

use base::Dice;
use emulator::{Effect, Fault, When};
use sandbox::control::{Expiring, Operation, Side};
use serde_json::{Value, json};

use super::{
    cast::{Cast, lookup, row, word},
    event::{Event, Person},
    history::{History, Move},
    settings,
};
use crate::{
    step::{Kill, Step, Trouble},
    tap::{Moment, Nth},
};

/// Calls a day that the emulated subscription has.
const QUOTA: u64 = 50_000;

/// The history of a seed.
#[must_use]
pub fn history(seed: u64) -> History {
    let mut dice = Dice::new(seed);
    let settings = settings::draw(&mut dice.fork());
    let mut cast = Cast::new(3 + dice.below(20));
    let given = organisation(&mut cast, &mut dice.fork());
    let moves = moves(&mut cast, &mut dice.fork());
    History { seed, settings, given, moves }
}

/// What there is at first.
fn organisation(cast: &mut Cast, dice: &mut Dice) -> Vec<Event> {
    let mut given = Vec::new();
    (0..2 + dice.below(3)).for_each(|_| given.push(cast.new_user(dice)));
    (0..dice.below(3)).for_each(|_| given.push(cast.new_team(dice)));
    (0..1 + dice.below(3)).for_each(|_| given.push(cast.new_role_name(dice)));
    (0..1 + dice.below(4)).for_each(|_| given.push(cast.new_account(dice)));
    (0..2 + dice.below(8)).for_each(|_| given.push(cast.new_lead(dice)));
    (0..2 + dice.below(10)).for_each(|_| given.push(cast.new_contact(dice)));
    (0..dice.below(4)).for_each(|_| given.push(cast.new_deal(dice)));
    (0..dice.below(6)).for_each(|_| given.extend(cast.new_connection(dice)));
    for _ in 0..dice.below(5) {
        let spelled = dice.percent(25.0);
        given.push(cast.new_form(dice, spelled));
    }
    given
}

/// What happens: some events, a cycle, some events, a cycle …
fn moves(cast: &mut Cast, dice: &mut Dice) -> Vec<Move> {
    let mut moves = Vec::new();
    // Many histories begin in step, some with everything at once.
    if dice.percent(60.0) {
        moves.push(Move::Cycle { meanwhile: Vec::new(), kill: None });
    }
    let rounds = 2 + dice.below(4);
    for _ in 0..rounds {
        let events = dice.below(7);
        for _ in 0..events {
            moves.extend(event(cast, dice).map(Move::Event));
        }
        trouble(dice, &mut moves);
        wear(dice, &mut moves);
        moves.push(cycle(cast, dice));
        if dice.percent(30.0) {
            moves.push(Move::Step(Step::Heal));
        }
        if dice.percent(60.0) {
            moves.push(Move::Step(Step::Pass(1 + dice.below(3600))));
        }
    }
    moves
}

fn cycle(cast: &mut Cast, dice: &mut Dice) -> Move {
    let mut meanwhile = Vec::new();
    if dice.percent(35.0) {
        for _ in 0..1 + dice.below(3) {
            let moment = moment(dice);
            meanwhile.extend(event(cast, dice).map(|event| (moment, event)));
        }
    }
    let kill = dice.percent(30.0).then(|| match dice.below(4) {
        0 => Kill::Polls(2 + dice.below(160)),
        1 => Kill::Before(nth(dice)),
        2 => Kill::After(nth(dice)),
        _ => Kill::Ms(20 + dice.below(4_000)),
    });
    Move::Cycle { meanwhile, kill }
}

fn nth(dice: &mut Dice) -> Nth {
    match dice.below(6) {
        0 => Nth::Call(1 + dice.below(30)),
        1 => Nth::DynamicsCall(1 + dice.below(40)),
        2 => Nth::DynamicsWrite(1),
        _ => Nth::Write(1 + dice.below(10)),
    }
}

fn moment(dice: &mut Dice) -> Moment {
    let nth = nth(dice);
    if dice.percent(50.0) { Moment::Before(nth) } else { Moment::After(nth) }
}

/// Something that goes wrong from now on, now and then.
fn trouble(dice: &mut Dice, moves: &mut Vec<Move>) {
    if !dice.percent(35.0) {
        return;
    }
    let effect = match dice.below(10) {
        0 => Effect::DropBefore,
        1..4 => Effect::DropAfter,
        4 => Effect::Truncate,
        5 => Effect::Html,
        6 => Effect::Refuse { code: "500".into(), wait_s: None },
        7 => Effect::Refuse { code: if dice.percent(50.0) { "606".into() } else { "615".into() }, wait_s: None },
        8 => Effect::Hang { ms: 1_000 * (1 + dice.below(400)), applied: dice.percent(50.0) },
        _ => Effect::Refuse { code: "611".into(), wait_s: None },
    };
    let dynamics = dice.percent(25.0);
    let effect = match effect {
        // These are Marketo's.
        Effect::Refuse { .. } if dynamics => {
            Effect::Refuse { code: word_of(dice, &["429", "503", "500"]), wait_s: Some(1 + dice.below(30)) }
        }
        effect @ (Effect::Latency(_)
        | Effect::Refuse { .. }
        | Effect::Fail { .. }
        | Effect::DropBefore
        | Effect::DropAfter
        | Effect::Truncate
        | Effect::Html
        | Effect::Hang { .. }) => effect,
    };
    let operation = if dynamics {
        word_of(dice, &["*", "contact", "lead", "account", "contact.list", "batch", "metadata*"])
    } else {
        word_of(
            dice,
            &["*", "leads.sync", "leads.sync", "leads", "companies", "salespersons.sync", "opportunities.sync", "roles.sync", "leads.get"],
        )
    };
    let nth = dice.percent(50.0).then(|| 1 + dice.below(6));
    let percent = (nth.is_none() && dice.percent(70.0)).then(|| 10.0 + dice.fraction() * 60.0);
    let when = When { operation, nth, percent: percent.map(f64::round), ..When::default() };
    let fault = Fault { when, effect, times: Some(1 + dice.below(4)) };
    let trouble = if dynamics { Trouble::Dynamics(fault) } else { Trouble::Marketo(fault) };
    moves.push(Move::Step(Step::Fault(trouble)));
}

/// What time brings: clocks that are set, tokens and delta links that end, a quota that others use up until midnight US Central.
fn wear(dice: &mut Dice, moves: &mut Vec<Move>) {
    if !dice.percent(25.0) {
        return;
    }
    let step = match dice.below(5) {
        0 => Step::Jump(i64::try_from(dice.below(480)).unwrap_or(0) - 240),
        1 => Step::Expire { side: Side::Dataverse, what: Expiring::DeltaTokens },
        2 => Step::Expire { side: if dice.percent(50.0) { Side::Marketo } else { Side::Dataverse }, what: Expiring::Tokens },
        3 => Step::Do(vec![Operation::MarketoUsage { others: QUOTA.saturating_sub(dice.below(25)) }]),
        // Long enough to come to the next day.
        _ => Step::Pass(16 * 3_600 + dice.below(3_600)),
    };
    moves.push(Move::Step(step));
}

fn word_of(dice: &mut Dice, words: &[&str]) -> String {
    dice.pick(words).map_or_else(String::new, |word| (*word).to_owned())
}

/// Something that somebody does; none where there is nobody to do it to.
fn event(cast: &mut Cast, dice: &mut Dice) -> Option<Event> {
    Some(match dice.below(100) {
        0..22 => edit_person(cast, dice)?,
        22..26 => cast.new_contact(dice),
        26..30 => cast.new_lead(dice),
        30..33 => change_owner(cast, dice)?,
        33..36 => move_person(cast, dice)?,
        36..39 => edit_account(cast, dice)?,
        39..42 => edit_deal(cast, dice)?,
        42..44 => cast.new_account(dice),
        44..46 => cast.new_deal(dice),
        46..50 => cast.new_connection(dice)?,
        50..54 => edit_connection(cast, dice)?,
        54..57 => rename_role(cast, dice)?,
        57..60 => edit_user(cast, dice)?,
        60..62 => edit_team(cast, dice)?,
        62..67 => qualify(cast, dice)?,
        67..70 => merge(cast, dice)?,
        70..73 => delete(cast, dice)?,
        73..75 => close(cast, dice)?,
        _ => in_marketo(cast, dice)?,
    })
}

fn update(table: &str, n: u64, members: impl IntoIterator<Item = (&'static str, Value)>) -> Event {
    let row = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Event::Update { table: table.into(), n, row }
}

fn edit_person(cast: &Cast, dice: &mut Dice) -> Option<Event> {
    let (table, n) = cast.person(dice)?;
    let columns = 1 + dice.below(3);
    Some(update(table, n, (0..columns).map(|_| cast.person_value(dice)).collect::<Vec<_>>()))
}

fn change_owner(cast: &Cast, dice: &mut Dice) -> Option<Event> {
    let (table, n) = match dice.below(4) {
        0 => ("account", *dice.pick(&cast.accounts)?),
        1 => ("opportunity", *dice.pick(&cast.deals)?),
        _ => cast.person(dice)?,
    };
    Some(update(table, n, [("ownerid", cast.owner(dice)?)]))
}

fn move_person(cast: &Cast, dice: &mut Dice) -> Option<Event> {
    let (table, n) = cast.person(dice)?;
    Some(match table {
        "lead" => {
            update(table, n, [("parentaccountid", dice.pick(&cast.accounts).map_or(json!([]), |account| lookup("account", *account)))])
        }
        _ => update(table, n, [("parentcustomerid", cast.customer(dice).unwrap_or(json!([])))]),
    })
}

fn edit_account(cast: &Cast, dice: &mut Dice) -> Option<Event> {
    let n = *dice.pick(&cast.accounts)?;
    let value = match dice.below(4) {
        0 => ("name", json!(format!("Firm {}", dice.below(1000)))),
        1 => ("telephone1", if dice.percent(40.0) { Value::Null } else { json!(format!("{}", dice.below(1000))) }),
        2 => ("numberofemployees", json!(dice.below(500))),
        _ => ("address1_city", if dice.percent(40.0) { Value::Null } else { json!("Basel") }),
    };
    Some(update("account", n, [value]))
}

fn edit_deal(cast: &Cast, dice: &mut Dice) -> Option<Event> {
    let n = *dice.pick(&cast.deals)?;
    let values = match dice.below(6) {
        0 => vec![("name", json!(format!("Deal {}", dice.below(1000))))],
        1 => vec![("estimatedvalue", json!(dice.below(9000)))],
        2 => vec![("statecode", json!(1)), ("statuscode", json!(3))],
        3 => vec![("customerid", cast.customer(dice)?)],
        _ => vec![("parentcontactid", dice.pick(&cast.contacts).map_or(json!([]), |contact| lookup("contact", *contact)))],
    };
    Some(update("opportunity", n, values))
}

fn edit_connection(cast: &mut Cast, dice: &mut Dice) -> Option<Event> {
    let n = *dice.pick(&cast.connections)?;
    Some(match dice.below(4) {
        0 => {
            cast.connections.retain(|other| *other != n);
            Event::Delete { table: "connection".into(), n }
        }
        1 => update("connection", n, [("statecode", json!(1)), ("statuscode", json!(2))]),
        _ => update("connection", n, [("record2roleid", lookup("connectionrole", *dice.pick(&cast.role_names)?))]),
    })
}

fn rename_role(cast: &mut Cast, dice: &mut Dice) -> Option<Event> {
    if dice.percent(25.0) {
        return Some(cast.new_role_name(dice));
    }
    let n = *dice.pick(&cast.role_names)?;
    Some(update("connectionrole", n, [("name", Cast::role_text(dice))]))
}

fn edit_user(cast: &mut Cast, dice: &mut Dice) -> Option<Event> {
    let n = *dice.pick(&cast.users)?;
    Some(match dice.below(5) {
        0 => cast.new_user(dice),
        1 => update("systemuser", n, [("isdisabled", json!(dice.percent(50.0)))]),
        2 => update("systemuser", n, [("internalemailaddress", json!(format!("u{n:x}.{}@seller.test", dice.below(9))))]),
        _ => update("systemuser", n, [("title", word(dice, &["Sales", "Account Executive"]))]),
    })
}

fn edit_team(cast: &mut Cast, dice: &mut Dice) -> Option<Event> {
    let Some(n) = dice.pick(&cast.teams).copied() else { return Some(cast.new_team(dice)) };
    let administrator = if dice.percent(20.0) { json!([]) } else { lookup("systemuser", *dice.pick(&cast.users)?) };
    Some(update("team", n, [("administratorid", administrator)]))
}

fn qualify(cast: &mut Cast, dice: &mut Dice) -> Option<Event> {
    let lead = *dice.pick(&cast.leads)?;
    if dice.percent(20.0) {
        // It names a contact that is there, and is closed as that.
        let contact = lookup("contact", *dice.pick(&cast.contacts)?);
        return Some(update("lead", lead, [("parentcontactid", contact), ("statecode", json!(1)), ("statuscode", json!(3))]));
    }
    let mut number = |percent: f64, dice: &mut Dice| dice.percent(percent).then(|| cast.number());
    let (contact, account, deal) = (number(90.0, dice), number(30.0, dice), number(30.0, dice));
    cast.contacts.extend(contact);
    cast.accounts.extend(account);
    cast.deals.extend(deal);
    Some(Event::Qualify { lead, contact, account, deal })
}

fn merge(cast: &mut Cast, dice: &mut Dice) -> Option<Event> {
    let (table, rows) = match dice.below(4) {
        0 => ("account", &cast.accounts),
        1 => ("lead", &cast.leads),
        _ => ("contact", &cast.contacts),
    };
    let (winner, loser) = (*dice.pick(rows)?, *dice.pick(rows)?);
    (winner != loser).then(|| Event::Merge { table: table.into(), winner, loser })
}

fn delete(cast: &mut Cast, dice: &mut Dice) -> Option<Event> {
    let (table, rows) = match dice.below(8) {
        0 => ("account", &mut cast.accounts),
        1..3 => ("opportunity", &mut cast.deals),
        3 => ("connectionrole", &mut cast.role_names),
        4..6 => ("lead", &mut cast.leads),
        _ => ("contact", &mut cast.contacts),
    };
    let n = *dice.pick(rows)?;
    rows.retain(|other| *other != n);
    Some(Event::Delete { table: table.into(), n })
}

/// Deactivated, disqualified, or opened again.
fn close(cast: &Cast, dice: &mut Dice) -> Option<Event> {
    Some(match dice.below(5) {
        0 => update("contact", *dice.pick(&cast.contacts)?, [("statecode", json!(1)), ("statuscode", json!(2))]),
        1 => update("account", *dice.pick(&cast.accounts)?, [("statecode", json!(1)), ("statuscode", json!(2))]),
        2 => update("lead", *dice.pick(&cast.leads)?, [("statecode", json!(2)), ("statuscode", json!(4))]),
        3 => update("contact", *dice.pick(&cast.contacts)?, [("statecode", json!(0)), ("statuscode", json!(1))]),
        _ => update("lead", *dice.pick(&cast.leads)?, [("statecode", json!(0)), ("statuscode", json!(1))]),
    })
}

/// What marketing and other integrations do.
fn in_marketo(cast: &mut Cast, dice: &mut Dice) -> Option<Event> {
    let person = match dice.pick(&cast.forms).copied() {
        Some(form) if dice.percent(25.0) => Person::Form(form),
        Some(_) | None => Person::Of(cast.person(dice)?.1),
    };
    Some(match dice.below(25) {
        0..9 => {
            let (field, value) = cast.field_value(dice);
            Event::Edit { person, row: row([(field, value)]) }
        }
        9..13 => cast.new_form(dice, false),
        13..16 => Event::Moment { person, kind: "Web".into(), description: format!("Visit {}", dice.below(1000)) },
        16..18 => {
            let mut tier = || i64::try_from(dice.below(4)).unwrap_or(0);
            let (urgency, score) = (tier(), tier());
            Event::Score { person, priority: i64::try_from(dice.below(100)).unwrap_or(1), urgency, score }
        }
        18 => Event::Recut { seed: dice.bits() },
        19..21 => Event::Remove { person },
        21..24 => Event::Join { winner: person, loser: Person::Of(cast.person(dice)?.1) },
        _ => {
            let (object, rows) = if dice.percent(50.0) { ("companies", &cast.accounts) } else { ("opportunities", &cast.deals) };
            Event::RemoveRecord { object: object.into(), n: *dice.pick(rows)? }
        }
    })
}
