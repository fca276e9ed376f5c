//! R2: GUIDs are one value whatever their case or braces; what is in Marketo under another spelling is met, not made twice.

use base::{Guid, Object};
use marketo_emulator::Object as Theirs;
use serde_json::{Value, json};

use crate::world::{ANN, BEN, FIRM, World, id};

const BO: u64 = 0x31;
const EVE: u64 = 0x41;
const DEAL: u64 = 0x51;

type Spell = fn(Guid) -> String;

fn upper(id: Guid) -> String {
    id.to_string().to_uppercase()
}

fn braces(id: Guid) -> String {
    format!("{{{id}}}")
}

fn upper_braces(id: Guid) -> String {
    braces(id).to_uppercase()
}

const SPELLINGS: [(&str, Spell); 3] = [("upper", upper), ("braces", braces), ("upper braces", upper_braces)];

/// Everything is in Marketo already, spelt so.
fn world(spell: Spell, case_sensitive: bool) -> World {
    let world = World::small_with(|options| options.marketo.case_sensitive_keys = case_sensitive);
    world.contact(BO, "Bo", json!({}));
    world.lead(EVE, "Eve", json!({}));
    world.deal(DEAL, json!({"parentcontactid": ["contact", BO]}));
    for (n, name) in [(ANN, "ann"), (BEN, "ben")] {
        world
            .insert_record(Theirs::SalesPersons, json!({"externalSalesPersonId": spell(id(n)), "email": format!("{name}@seller.example")}));
    }
    world.insert_record(Theirs::Companies, json!({"externalCompanyId": spell(id(FIRM)), "company": "Firm"}));
    world.insert_record(Theirs::Opportunities, json!({"externalOpportunityId": spell(id(DEAL)), "name": "old"}));
    world.insert_person(json!({"externalPersonId": spell(id(BO)), "email": "bo@buyer.example", "lastName": "Buyer"}));
    world.insert_person(json!({"externalPersonId": spell(id(EVE)), "email": "other@prospect.example"}));
    world
}

fn texts(world: &World, object: Theirs, field: &str) -> Vec<String> {
    world.records(object).iter().filter_map(|record| record.get(field)?.as_str().map(str::to_owned)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_there_under_another_spelling_is_met() {
    for (name, spell) in SPELLINGS {
        for case_sensitive in [false, true] {
            let case = format!("{name}, case-sensitive {case_sensitive}");
            let world = world(spell, case_sensitive);
            let ran = world.cycle().await;
            assert_eq!(ran.summary.exit_code, 0, "{case}: {:?}", ran.summary.pushed);
            assert_eq!(ran.pushed(Object::SalesPerson).created, 0, "{case}");
            assert_eq!(ran.pushed(Object::Company).created, 0, "{case}");
            assert_eq!(ran.pushed(Object::Opportunity).created, 0, "{case}");
            assert_eq!(ran.pushed(Object::Lead).created, 0, "{case}");
            // Keys that can't be rewritten stay, and links use them as they are stored.
            assert_eq!(texts(&world, Theirs::Companies, "externalCompanyId"), [spell(id(FIRM))], "{case}");
            assert_eq!(texts(&world, Theirs::Companies, "externalSalesPersonId"), [spell(id(ANN))], "{case}");
            assert_eq!(texts(&world, Theirs::Opportunities, "externalOpportunityId"), [spell(id(DEAL))], "{case}");
            assert_eq!(texts(&world, Theirs::SalesPersons, "externalSalesPersonId").len(), 2, "{case}");
            // People's ids are rewritten.
            let bo = world.person(BO);
            assert_eq!(bo["externalPersonId"], json!(id(BO)), "{case}");
            assert_eq!(bo["externalCompanyId"], json!(spell(id(FIRM))), "{case}");
            assert_eq!(bo["externalSalesPersonId"], json!(spell(id(ANN))), "{case}");
            assert_eq!(world.person(EVE)["externalPersonId"], json!(id(EVE)), "{case}");
            assert_eq!(world.people().len(), 2, "{case}");
            assert_eq!(world.records(Theirs::Roles).len(), 1, "{case}");
            world.assert_agreed();

            let again = world.clean_cycle().await;
            assert_eq!(again.written(), 0, "{case}");
            world.update("account", FIRM, json!({"name": "Firm Ltd"}));
            world.update("opportunity", DEAL, json!({"name": "New"}));
            world.update("contact", BO, json!({"ownerid": ["systemuser", BEN]}));
            world.clean_cycle().await;
            assert_eq!(texts(&world, Theirs::Companies, "company"), ["Firm Ltd"], "{case}");
            assert_eq!(texts(&world, Theirs::Opportunities, "name"), ["New"], "{case}");
            assert_eq!(world.person(BO)["externalSalesPersonId"], json!(spell(id(BEN))), "{case}");
            world.assert_agreed();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mixture_of_spellings_is_met() {
    for case_sensitive in [false, true] {
        let world = World::small_with(|options| options.marketo.case_sensitive_keys = case_sensitive);
        let spells: [Spell; 4] = [|id| id.to_string(), upper, braces, upper_braces];
        let people: Vec<u64> = (0x100..0x120).collect();
        for (n, spell) in people.iter().zip(spells.iter().cycle()) {
            world.contact(*n, &format!("P{n:x}"), json!({}));
            world.account(n + 0x1000, &format!("Firm {n:x}"));
            world.insert_person(json!({"externalPersonId": spell(id(*n)), "email": format!("old-p{n:x}@buyer.example")}));
            world.insert_record(Theirs::Companies, json!({"externalCompanyId": spell(id(n + 0x1000)), "company": "old"}));
        }
        let ran = world.clean_cycle().await;
        assert_eq!(ran.pushed(Object::Lead).created, 0, "{:?}", ran.summary.pushed);
        assert_eq!(ran.pushed(Object::Company).created, 1, "only Ann's own firm is new");
        assert_eq!(world.people().len(), people.len());
        world.assert_agreed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_of_a_person_in_another_spelling_is_not_a_difference_forever() {
    // The company is known under upper case; another integration has linked a person to it.
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.insert_record(Theirs::Companies, json!({"externalCompanyId": upper(id(FIRM)), "company": "Firm"}));
    world.insert_person(json!({"externalPersonId": id(BO), "email": "bo@buyer.example", "externalCompanyId": upper(id(FIRM))}));
    world.clean_cycle().await;
    let again = world.clean_cycle().await;
    assert_eq!(again.written(), 0);
    let sent: Vec<Value> = world.to_marketo.all().into_iter().map(|sent| sent.body).collect();
    assert!(sent.is_empty(), "{sent:?}");
}
