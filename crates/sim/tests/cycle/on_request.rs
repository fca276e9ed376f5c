//! What people ask for: one person erased (R9), a sales person made anew (R6).

use base::Object;
use engine::{
    erase, mend,
    options::{PersonParting, TeamOwner},
};
use marketo_emulator::Object as Theirs;
use serde_json::json;

use crate::world::{ANN, BEN, FIRM, World, id};

const BO: u64 = 0x201;
const LEA: u64 = 0x101;
const DEAL: u64 = 0x501;
const TEAM: u64 = 0x31;

#[tokio::test(start_paused = true)]
async fn an_erased_person_is_gone_and_does_not_come_back() {
    for how in [PersonParting::Delete, PersonParting::Unlink, PersonParting::Keep] {
        let world = World::small();
        world.contact(BO, "Bo", json!({}));
        world.lead(LEA, "Bo", json!({"statecode": 1, "statuscode": 3, "parentcontactid": ["contact", BO]}));
        world.deal(DEAL, json!({"parentcontactid": ["contact", BO]}));
        world.clean_cycle().await;
        let person = world.persons_of(BO)[0];
        let bridge = world.bridge().await;
        let erasure = erase::find(&bridge, &person.to_string(), Some(how)).await.unwrap().unwrap();
        assert_eq!((erasure.records.len(), &*erasure.persons), (2, &[person][..]));
        // Whoever asks twice gets the same.
        erase::erase(&bridge, &erasure).await.unwrap();
        erase::erase(&bridge, &erasure).await.unwrap();
        bridge.close().await.unwrap();
        world.update("contact", BO, json!({"jobtitle": "Boss"}));
        world.clean_cycle().await;
        let there = world.sandbox.marketo.state().lead(person);
        match how {
            PersonParting::Delete => assert!(world.people().is_empty()),
            PersonParting::Unlink => assert_eq!(there.unwrap().get("externalPersonId"), None),
            PersonParting::Keep => assert_eq!(there.unwrap().get("title"), None),
        }
        assert!(world.roles(DEAL).is_empty(), "{how:?}");
        assert_eq!(world.clean_cycle().await.written(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sales_person_with_a_frozen_e_mail_is_made_anew_wherever_that_is_cut_off() {
    for cut_off_at in [None, Some("leads.sync"), Some("salespersons.delete"), Some("salespersons.sync"), Some("opportunities.sync")] {
        let world = World::small_with(|options| options.marketo.sales_person_email_frozen = true);
        world.contact(BO, "Bo", json!({}));
        world.deal(DEAL, json!({}));
        world.clean_cycle().await;
        world.update("systemuser", ANN, json!({"internalemailaddress": "new@seller.example"}));
        let ran = world.cycle().await;
        assert!(ran.summary.warnings.iter().any(|text| text.starts_with("owner-email-frozen") && text.contains("3 records")), "{ran:?}");
        if let Some(operation) = cut_off_at {
            world.marketo_fault(operation, emulator::Effect::DropAfter, None);
            let bridge = world.bridge().await;
            let mending = mend::plan(&bridge, id(ANN), Some(id(BEN))).await.unwrap();
            assert!(mend::mend(&bridge, &mending).await.is_err(), "{operation}");
            bridge.close().await.unwrap();
            world.heal();
        }
        let bridge = world.bridge().await;
        let mending = mend::plan(&bridge, id(ANN), None).await.unwrap();
        assert_eq!((mending.via, mending.begun, mending.owned.values().sum::<u64>()), (id(BEN), cut_off_at.is_some(), 3));
        mend::mend(&bridge, &mending).await.unwrap();
        bridge.close().await.unwrap();
        let ann = world.records(Theirs::SalesPersons).into_iter().find(|record| record["externalSalesPersonId"] == json!(id(ANN))).unwrap();
        assert_eq!(ann["email"], json!("new@seller.example"), "{cut_off_at:?}");
        assert_eq!(world.person(BO)["externalSalesPersonId"], json!(id(ANN)));
        let ran = world.clean_cycle().await;
        assert_eq!((ran.written(), &*ran.summary.warnings), (0, &[][..]));
        world.assert_agreed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_team_s_records_are_its_administrator_s_a_named_user_s_or_held() {
    for policy in [TeamOwner::Administrator, TeamOwner::User(id(BEN)), TeamOwner::Hold] {
        let mut world = World::small();
        world.insert("team", json!({"teamid": id(TEAM), "name": "Sales", "administratorid": ["systemuser", ANN]}));
        world.contact(BO, "Bo", json!({"ownerid": ["team", TEAM]}));
        world.options.owners.team = policy;
        let ran = world.cycle().await;
        match policy {
            TeamOwner::Administrator => assert_eq!(world.person(BO)["externalSalesPersonId"], json!(id(ANN))),
            TeamOwner::User(user) => assert_eq!(world.person(BO)["externalSalesPersonId"], json!(user)),
            TeamOwner::Hold => assert_eq!(ran.held(Object::Lead), [("team-owned".to_owned(), 1)]),
        }
        // Another policy is followed at once.
        world.options.owners.team = TeamOwner::Administrator;
        world.clean_cycle().await;
        assert_eq!(world.person(BO)["externalSalesPersonId"], json!(id(ANN)));
        let _ = FIRM;
    }
}

#[tokio::test(start_paused = true)]
async fn two_users_with_one_e_mail_are_told() {
    let world = World::small();
    world.insert(
        "systemuser",
        json!({"systemuserid": id(0x03), "domainname": "x@x", "firstname": "Cid", "lastname": "Seller", "internalemailaddress": "ann@seller.example",
            "isdisabled": false, "accessmode": 0}),
    );
    let ran = world.clean_cycle().await;
    assert_eq!(ran.summary.flagged.get("owner-email-twice"), Some(&2), "{:?}", ran.summary.warnings);
}
