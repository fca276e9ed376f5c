//! The oracle on a small world made by hand: it is content with the good one, and finds each kind of difference in a spoilt one.

#![allow(clippy::unwrap_used)]

use base::{Guid, Timestamp};
use marketo_emulator::Object;
use sandbox::agreement::{Agreement, DifferenceKind, Excuse, Rules, agree};
use serde_json::{Map, Value, json};

fn now() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().unwrap()
}

fn id(n: u128) -> Guid {
    Guid::from_u128(n << 96 | 0x4000_8000_0000_0000_0000)
}

const ANN: u128 = 0x01;
const TEAM: u128 = 0x11;
const FIRM: u128 = 0x21;
const BO: u128 = 0x31;
const CY: u128 = 0x32;
const DI: u128 = 0x33;
const EVE: u128 = 0x41;
const OLD_BO: u128 = 0x42;
const DEAL: u128 = 0x51;
const LINK: u128 = 0x61;
const CHIEF: u128 = 0x71;

/// Everything on both sides, to be spoilt before it is stored.
struct World {
    dynamics: Vec<(&'static str, Map<String, Value>)>,
    people: Vec<Map<String, Value>>,
    objects: Vec<(Object, Map<String, Value>)>,
    /// Role text, index into `people`, primary.
    roles: Vec<(&'static str, usize, bool)>,
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Writes `owner` and other lookups given as `name: [table, number]` in the API's form.
fn row(value: Value) -> Map<String, Value> {
    let mut row = Map::new();
    for (name, value) in map(value) {
        match value.as_array() {
            Some(target) => {
                let number = target[1].as_u64().unwrap();
                row.insert(format!("_{name}_value"), json!(id(number.into())));
                row.insert(format!("_{name}_value@Microsoft.Dynamics.CRM.lookuplogicalname"), target[0].clone());
            }
            None => drop(row.insert(name, value)),
        }
    }
    row
}

fn good() -> World {
    let owner = json!(["systemuser", ANN as u64]);
    let firm = json!(["account", FIRM as u64]);
    let dynamics = vec![
        (
            "systemuser",
            row(
                json!({"systemuserid": id(ANN), "domainname": "ann", "firstname": "Ann", "lastname": "Roe", "internalemailaddress": "ann@x.example", "isdisabled": false, "accessmode": 0}),
            ),
        ),
        ("team", row(json!({"teamid": id(TEAM), "name": "Alone"}))),
        ("account", row(json!({"accountid": id(FIRM), "name": "Firm", "ownerid": owner, "telephone1": "1"}))),
        (
            "lead",
            row(
                json!({"leadid": id(EVE), "lastname": "Eve", "emailaddress1": "eve@x.example", "ownerid": owner, "parentaccountid": firm, "donotemail": true}),
            ),
        ),
        (
            "contact",
            row(
                json!({"contactid": id(BO), "firstname": "Bo", "lastname": "Bo", "emailaddress1": "bo@x.example", "jobtitle": "Chief", "ownerid": owner, "parentcustomerid": firm, "mkt_priority": 7}),
            ),
        ),
        (
            "contact",
            row(
                json!({"contactid": id(CY), "lastname": "Cy", "emailaddress1": "cy@x.example", "ownerid": owner, "parentcustomerid": ["contact", BO as u64]}),
            ),
        ),
        ("contact", row(json!({"contactid": id(DI), "lastname": "Di", "emailaddress1": "di@x.example", "ownerid": ["team", TEAM as u64]}))),
        (
            "lead",
            row(
                json!({"leadid": id(OLD_BO), "lastname": "Bo", "emailaddress1": "bo@x.example", "ownerid": owner, "statecode": 1, "statuscode": 3, "parentcontactid": ["contact", BO as u64]}),
            ),
        ),
        (
            "connectionrole",
            row(json!({"connectionroleid": id(CHIEF), "name": "Executive Sponsor of the Digital Transformation Programme"})),
        ),
        (
            "opportunity",
            row(
                json!({"opportunityid": id(DEAL), "name": "Deal", "ownerid": owner, "customerid": firm, "parentcontactid": ["contact", BO as u64], "statecode": 0, "statuscode": 1}),
            ),
        ),
        (
            "connection",
            row(
                json!({"connectionid": id(LINK), "record1id": ["opportunity", DEAL as u64], "record2id": ["contact", CY as u64], "record2roleid": ["connectionrole", CHIEF as u64], "ownerid": owner}),
            ),
        ),
    ];
    let (ann, firm) = (id(ANN), id(FIRM));
    World {
        dynamics,
        people: vec![
            map(
                json!({"externalPersonId": id(BO), "firstName": "Bo", "lastName": "Bo", "email": "Bo@x.example", "title": "Chief", "externalCompanyId": firm, "externalSalesPersonId": ann, "priority": 7}),
            ),
            map(
                json!({"externalPersonId": id(CY), "lastName": "Cy", "email": "cy@x.example", "externalCompanyId": firm, "externalSalesPersonId": ann}),
            ),
            map(
                json!({"externalPersonId": id(EVE), "lastName": "Eve", "email": "eve@x.example", "externalCompanyId": firm, "externalSalesPersonId": ann, "unsubscribed": true}),
            ),
        ],
        objects: vec![
            (
                Object::SalesPersons,
                map(json!({"externalSalesPersonId": ann, "email": "ann@x.example", "firstName": "Ann", "lastName": "Roe"})),
            ),
            (Object::Companies, map(json!({"externalCompanyId": firm, "company": "Firm", "mainPhone": "1", "externalSalesPersonId": ann}))),
            (
                Object::Opportunities,
                map(json!({"externalOpportunityId": id(DEAL), "name": "Deal", "externalCompanyId": firm, "externalSalesPersonId": ann})),
            ),
        ],
        roles: vec![("Primary Contact", 0, true), ("Executive Sponsor of the Digital Transformation Pr", 1, false)],
    }
}

impl World {
    fn judged(self) -> Agreement {
        let mut dataverse = dataverse_emulator::State::new(dataverse_emulator::Options::default(), now());
        let mut marketo = marketo_emulator::State::new(marketo_emulator::Options::default(), now());
        for (table, row) in self.dynamics {
            dataverse.insert(table, row, now()).unwrap();
        }
        for (object, record) in self.objects {
            marketo.insert(object, record, now()).unwrap();
        }
        let ids: Vec<i64> = self.people.into_iter().map(|person| marketo.insert_lead(person, now())).collect();
        for (role, person, primary) in self.roles {
            let record = json!({"externalOpportunityId": id(DEAL), "leadId": ids[person], "role": role, "isPrimary": primary});
            marketo.insert(Object::Roles, map(record), now()).unwrap();
        }
        agree(&dataverse, &marketo, &Rules::default())
    }

    fn object(&mut self, wanted: Object) -> &mut Map<String, Value> {
        &mut self.objects.iter_mut().find(|(object, _)| *object == wanted).unwrap().1
    }

    fn without(&mut self, unwanted: Object) {
        self.objects.retain(|(object, _)| *object != unwanted);
    }

    fn dynamics(&mut self, wanted: u128) -> &mut Map<String, Value> {
        let wanted = json!(id(wanted));
        &mut self.dynamics.iter_mut().find(|(table, row)| row.get(&format!("{table}id")) == Some(&wanted)).unwrap().1
    }
}

#[test]
fn the_good_world_agrees() {
    let agreement = good().judged();
    assert!(agreement.is_full(), "{agreement}");
    let compared = |what| agreement.compared.get(what).copied();
    assert_eq!(
        [compared("sales persons"), compared("companies"), compared("people"), compared("opportunities"), compared("opportunity roles")],
        [Some(1), Some(1), Some(4), Some(1), Some(2)]
    );
    assert_eq!(agreement.excused.get(&Excuse::TeamWithoutAdministrator), Some(&1), "Di has no owner");
    assert!(agreement.to_string().starts_with("both sides agree: 1 companies"), "{agreement}");
}

type Spoil = fn(&mut World);

#[test]
fn each_difference_is_found() {
    use DifferenceKind as D;
    let cases: &[(D, u64, Spoil)] = &[
        (D::SalesPersonMissing, 1, |w| w.without(Object::SalesPersons)),
        (D::SalesPersonField, 1, |w| drop(w.object(Object::SalesPersons).insert("email".into(), json!("other@x.example")))),
        (D::CompanyMissing, 1, |w| w.without(Object::Companies)),
        (D::CompanyOwner, 1, |w| drop(w.object(Object::Companies).remove("externalSalesPersonId"))),
        (D::CompanyField, 1, |w| drop(w.object(Object::Companies).insert("company".into(), json!("Frim")))),
        (D::PersonMissing, 1, |w| drop(w.people[1].remove("externalPersonId"))),
        (D::PersonTwice, 1, |w| w.people.push(w.people[1].clone())),
        (D::PersonUnderAlias, 1, |w| drop(w.people[0].insert("externalPersonId".into(), json!(id(OLD_BO))))),
        (D::PersonSpelling, 1, |w| drop(w.people[1].insert("externalPersonId".into(), json!(format!("{{{}}}", id(CY)))))),
        (D::PersonOwner, 1, |w| drop(w.people[1].insert("externalSalesPersonId".into(), json!(id(99))))),
        (D::PersonCompany, 1, |w| drop(w.people[1].remove("externalCompanyId"))),
        (D::PersonField, 1, |w| drop(w.people[0].insert("title".into(), json!("Clerk")))),
        (D::PersonField, 1, |w| drop(w.people[2].insert("unsubscribed".into(), json!(false)))),
        (D::OpportunityMissing, 1, |w| w.without(Object::Opportunities)),
        (D::OpportunityExtra, 1, |w| {
            w.objects.push((Object::Opportunities, map(json!({"externalOpportunityId": id(98), "name": "Gone"}))))
        }),
        (D::OpportunityOwner, 1, |w| drop(w.object(Object::Opportunities).remove("externalSalesPersonId"))),
        (D::OpportunityCompany, 1, |w| drop(w.object(Object::Opportunities).remove("externalCompanyId"))),
        (D::OpportunityField, 1, |w| drop(w.object(Object::Opportunities).insert("isClosed".into(), json!(true)))),
        (D::RoleMissing, 1, |w| {
            w.roles.pop();
        }),
        (D::RoleExtra, 1, |w| w.roles.push(("Champion", 1, false))),
        (D::RoleExtra, 1, |w| w.roles.push(("Champion", 2, false))),
        (D::RolePrimary, 1, |w| w.roles[0].2 = false),
        (D::RolePrimary, 1, |w| w.roles[1].2 = true),
        (D::Insight, 1, |w| drop(w.people[0].insert("priority".into(), json!(8)))),
        (D::Insight, 1, |w| drop(w.people[1].insert("msiLastInterestingMomentDate".into(), json!("2026-11-01T00:00:00Z")))),
    ];
    for (kind, count, spoil) in cases {
        let mut world = good();
        spoil(&mut world);
        let agreement = world.judged();
        assert_eq!(agreement.count(*kind), *count, "{kind}: {agreement}");
        let others = agreement.counts.keys().filter(|other| *other != kind).count();
        let drags_along = matches!(kind, D::SalesPersonMissing | D::PersonMissing | D::PersonUnderAlias | D::PersonTwice);
        assert!(others == 0 || drags_along, "{kind} only: {agreement}");
        assert!(!agreement.to_string().contains('@'), "no address is shown: {agreement}");
    }
}

#[test]
fn two_strangers_with_the_address_excuse_a_missing_person() {
    let mut world = good();
    world.people[1].remove("externalPersonId");
    world.people.push(map(json!({"email": "CY@x.example"})));
    world.roles.pop();
    let agreement = world.judged();
    assert!(agreement.is_full(), "{agreement}");
    assert_eq!(agreement.excused.get(&Excuse::Ambiguous), Some(&1));
    assert_eq!(agreement.excused.get(&Excuse::WaitsForPerson), Some(&1), "the role waits for her");
}

#[test]
fn an_inactive_connection_makes_no_role() {
    let mut world = good();
    world.dynamics(LINK).extend(map(json!({"statecode": 1, "statuscode": 2})));
    let agreement = world.judged();
    assert_eq!(agreement.count(DifferenceKind::RoleExtra), 1, "{agreement}");
}

#[test]
fn a_role_may_be_told_apart() {
    let mut world = good();
    world.roles[1].0 = "Executive Sponsor of the Digital Transfor~00000071";
    assert!(world.judged().is_full());
}

#[test]
fn an_empty_column_demands_nothing() {
    let mut world = good();
    world.people[1].insert("title".into(), json!("From a web form"));
    assert!(world.judged().is_full());
}
