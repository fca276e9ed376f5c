//! R7: which company a person or opportunity belongs to, and what never goes with a person.

use base::Object;
use marketo_emulator::{Object as Theirs, options::CompanyFields};
use serde_json::{Value, json};

use crate::world::{ANN, FIRM, World, id};

const BO: u64 = 0x31;
const CY: u64 = 0x32;
const DI: u64 = 0x33;
const EVE: u64 = 0x41;
const DEAL: u64 = 0x51;
const OTHER: u64 = 0x22;

/// Fields of Marketo's company that its people show too.
const COMPANY_FIELDS: [&str; 13] = [
    "company",
    "website",
    "mainPhone",
    "industry",
    "annualRevenue",
    "numberOfEmployees",
    "sicCode",
    "billingStreet",
    "billingCity",
    "billingState",
    "billingCountry",
    "billingPostalCode",
    "companyNotes",
];

fn company(world: &World, n: u64) -> Option<Value> {
    world.person(n).get("externalCompanyId").cloned()
}

fn assert_no_company_fields(world: &World) {
    for record in world.to_marketo.records("leads.json") {
        for field in COMPANY_FIELDS {
            assert!(!record.contains_key(field), "{field} in {record:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_without_account_goes_without() {
    for company_fields in [CompanyFields::RefusedWhenLinked, CompanyFields::Refused, CompanyFields::Spread] {
        let world = World::small_with(|options| options.marketo.company_fields = company_fields);
        world.lead(EVE, "Eve", json!({"companyname": "Eve's", "address1_city": "Ulm", "websiteurl": "https://eve.example", "revenue": 7}));
        world.contact(BO, "Bo", json!({"parentcustomerid": null}));
        world.contact(CY, "Cy", json!({"address1_city": "Ulm"}));
        world.clean_cycle().await;
        assert_no_company_fields(&world);
        assert_eq!((company(&world, EVE), company(&world, BO), company(&world, CY)), (None, None, Some(json!(id(FIRM)))));
        world.assert_agreed();
        world.update("contact", CY, json!({"address1_city": "Bonn"}));
        world.update("lead", EVE, json!({"companyname": "Eve's Ltd", "lastname": "Evans"}));
        world.clean_cycle().await;
        assert_no_company_fields(&world);
        world.assert_agreed();
    }
}

#[tokio::test(start_paused = true)]
async fn the_creating_call_names_the_company_where_that_is_asked_for() {
    let mut world = World::small();
    world.options.policy.send_company_name = true;
    world.lead(EVE, "Eve", json!({"companyname": "Eve's"}));
    world.lead(0x42, "Fay", json!({"companyname": "Fay's", "parentaccountid": ["account", FIRM]}));
    world.clean_cycle().await;
    let named: Vec<Value> = world.to_marketo.records("leads.json").iter().filter_map(|record| record.get("company").cloned()).collect();
    assert_eq!(named, [json!("Eve's")], "Fay has an account");
    world.update("lead", EVE, json!({"companyname": "Other", "lastname": "Evans"}));
    world.clean_cycle().await;
    assert_no_company_fields(&world);
}

#[tokio::test(start_paused = true)]
async fn who_must_have_an_account_is_held_without() {
    let mut world = World::small();
    world.options.policy.require_company = true;
    world.contact(BO, "Bo", json!({"parentcustomerid": null}));
    world.contact(CY, "Cy", json!({}));
    world.deal(DEAL, json!({"customerid": ["contact", BO]}));
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("company-required".to_owned(), 1)]);
    assert_eq!(ran.held(Object::Opportunity), [("company-required".to_owned(), 1)]);
    assert_eq!(world.people().len(), 1);
    world.update("contact", BO, json!({"parentcustomerid": ["account", FIRM]}));
    world.clean_cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_contact_under_a_contact_has_that_one_s_account() {
    let world = World::small();
    world.account(OTHER, "Other");
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({"parentcustomerid": ["contact", BO]}));
    // The lower number comes first, so that its parent is read after it.
    world.contact(0x30, "Ada", json!({"parentcustomerid": ["contact", CY]}));
    world.deal(DEAL, json!({"customerid": ["contact", CY]}));
    world.clean_cycle().await;
    for n in [BO, CY, 0x30] {
        assert_eq!(company(&world, n), Some(json!(id(FIRM))), "{n:x}");
    }
    world.assert_agreed();

    // The one at the top moves, and all below with it.
    world.update("contact", BO, json!({"parentcustomerid": ["account", OTHER]}));
    let ran = world.clean_cycle().await;
    for n in [BO, CY, 0x30] {
        assert_eq!(company(&world, n), Some(json!(id(OTHER))), "{n:x}");
    }
    assert_eq!(world.records(Theirs::Opportunities)[0]["externalCompanyId"], json!(id(OTHER)));
    assert_eq!(ran.written(), 4);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn contacts_in_a_circle_have_no_account_and_hold_nobody() {
    let world = World::small();
    world.contact(BO, "Bo", json!({"parentcustomerid": null}));
    world.contact(CY, "Cy", json!({"parentcustomerid": ["contact", BO]}));
    world.update("contact", BO, json!({"parentcustomerid": ["contact", CY]}));
    world.contact(DI, "Di", json!({}));
    world.clean_cycle().await;
    assert_eq!((company(&world, BO), company(&world, CY), company(&world, DI)), (None, None, Some(json!(id(FIRM)))));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_person_moves_to_another_account_and_one_that_leaves_keeps_the_last() {
    let world = World::small();
    world.account(OTHER, "Other");
    world.contact(BO, "Bo", json!({}));
    world.clean_cycle().await;
    world.update("contact", BO, json!({"parentcustomerid": ["account", OTHER]}));
    let ran = world.clean_cycle().await;
    assert_eq!((company(&world, BO), ran.fields()), (Some(json!(id(OTHER))), 1));
    // Marketo can't take a person out of a company: nothing is refused again and again.
    world.update("contact", BO, json!({"_parentcustomerid_value": null}));
    world.clean_cycle().await;
    let again = world.clean_cycle().await;
    assert_eq!(again.written(), 0);
    world.assert_agreed();
    world.update("contact", BO, json!({"parentcustomerid": ["account", FIRM]}));
    world.clean_cycle().await;
    assert_eq!(company(&world, BO), Some(json!(id(FIRM))));
}

#[tokio::test(start_paused = true)]
async fn the_custom_company_field_gets_the_same_id_besides() {
    let mut world = World::small();
    let spec = marketo_emulator::FieldSpec::new("crmAccountId", marketo_emulator::DataType::String);
    assert!(world.sandbox.marketo.state().add_field(Theirs::Companies, spec));
    world.options.keys.company = Some("crmAccountId".into());
    world.contact(BO, "Bo", json!({}));
    world.clean_cycle().await;
    let firm = &world.records(Theirs::Companies)[0];
    assert_eq!((&firm["externalCompanyId"], &firm["crmAccountId"]), (&json!(id(FIRM)), &json!(id(FIRM))));
    assert_eq!(company(&world, BO), Some(json!(id(FIRM))));
    assert_no_company_fields(&world);
    assert!(world.to_marketo.records("leads.json").iter().all(|record| !record.contains_key("crmAccountId")));
    assert_eq!(world.person(BO)["externalSalesPersonId"], json!(id(ANN)));
}

#[tokio::test(start_paused = true)]
async fn an_account_merged_into_another_is_no_company_and_its_people_are_the_others() {
    let world = World::small();
    for n in [0x22, 0x23] {
        world.account(n, "Old Firm");
        world.update("account", n, json!({"merged": true, "masterid": ["account", FIRM], "statecode": 1, "statuscode": 2}));
    }
    world.contact(BO, "Bo", json!({"parentcustomerid": ["account", 0x23]}));
    world.clean_cycle().await;
    let companies: Vec<String> = world.records(Theirs::Companies).iter().map(|record| record["externalCompanyId"].to_string()).collect();
    assert_eq!(companies, [json!(id(FIRM)).to_string()]);
    assert_eq!(company(&world, BO), Some(json!(id(FIRM))));
    world.assert_agreed();
    assert_eq!(world.clean_cycle().await.written(), 0);
}
