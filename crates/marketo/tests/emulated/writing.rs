//! Writing, deleting and merging, and what is said of bad records.

use base::Object;
use marketo::{Action, DeleteLeads, DeleteObjects, KeyBy, MergeLeads, Status, SyncLeads, SyncObjects, Verdict};
use serde_json::{Value, json};
use wire::{CallError, Class};

use crate::world::{World, record, world, world_with};

fn sync(action: Action, lookup: &str, records: Vec<Value>) -> SyncLeads {
    SyncLeads { action, lookup_field: lookup.into(), records: records.into_iter().map(record).collect(), partition: None }
}

fn codes(verdicts: &[Verdict]) -> Vec<&str> {
    verdicts.iter().map(Verdict::code).collect()
}

#[tokio::test(start_paused = true)]
async fn each_bad_record_has_its_own_verdict_in_the_order_sent() {
    let world = world();
    world.insert_leads(2, |_| json!({"email": "twice@x.example"}));
    let call = sync(
        Action::CreateOrUpdate,
        "email",
        vec![
            json!({"email": "new@x.example", "firstName": "Ann"}),
            json!({"email": "twice@x.example"}),
            json!({"email": "b@x.example", "numberOfEmployees": "many"}),
            json!({"email": "c@x.example", "noSuchField": 1}),
            json!({"email": "d@x.example", "priority": 1}),
            json!({"email": "e@x.example"}),
        ],
    );
    let verdicts = world.client.call(&call).await.unwrap();
    assert_eq!(verdicts.iter().map(Verdict::is_confirmed).collect::<Vec<_>>(), [true, false, false, false, false, true]);
    assert_eq!((codes(&verdicts)[1], codes(&verdicts)[3]), ("1007", "1006"));
    assert_eq!(verdicts[0].status, Status::Created);
    let again = world.client.call(&sync(Action::UpdateOnly, "id", vec![json!({"id": verdicts[0].id, "firstName": null})])).await.unwrap();
    assert_eq!((again[0].status.clone(), again[0].id), (Status::Updated, verdicts[0].id));
    let missing = world.client.call(&sync(Action::UpdateOnly, "email", vec![json!({"email": "nobody@x.example"})])).await.unwrap();
    assert_eq!(codes(&missing), ["1004"]);
    let known = world.client.call(&sync(Action::CreateOnly, "email", vec![json!({"email": "new@x.example"})])).await.unwrap();
    assert_eq!(codes(&known), ["1005"]);
}

#[tokio::test(start_paused = true)]
async fn three_hundred_go_and_one_more_does_not_even_leave() {
    let world = world();
    let people = |number: usize| (0..number).map(|i| json!({"email": format!("p{i}@x.example")})).collect();
    assert_eq!(world.client.call(&sync(Action::CreateOrUpdate, "email", people(300))).await.unwrap().len(), 300);
    let error = world.client.call(&sync(Action::CreateOrUpdate, "email", people(301))).await.unwrap_err();
    assert!(matches!(error, CallError::Unwritable(_)));
    assert_eq!(world.arrived("leads.sync"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_instance_does_not_allow_is_for_the_operator() {
    let world = world_with(|instance| instance.external_person_id_lookup = false, |_| ());
    let error = world.client.call(&sync(Action::UpdateOnly, "externalPersonId", vec![json!({"externalPersonId": "x"})])).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Some(Class::Config), "1011"));
    assert!(error.refusal().unwrap().request_id.is_some());
    world.served.state().options_mut().native_crm = true;
    let error = write_company(&world, "c-1").await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Some(Class::Config), "1018"));
}

async fn write_company(world: &World, key: &str) -> Result<Vec<Verdict>, CallError> {
    let call = SyncObjects {
        object: Object::Company,
        action: Action::CreateOrUpdate,
        dedupe_by: KeyBy::DedupeFields,
        records: vec![record(json!({"externalCompanyId": key, "company": "Northwind"}))],
    };
    world.client.call(&call).await
}

#[tokio::test(start_paused = true)]
async fn an_object_is_written_read_and_deleted_by_its_key() {
    let world = world();
    let created = write_company(&world, "c-1").await.unwrap();
    assert_eq!(created[0].status, Status::Created);
    assert_eq!(write_company(&world, "c-1").await.unwrap()[0].id, created[0].id);
    let rows = world.client.objects(Object::Company, "dedupeFields", &["c-1".to_owned()], &["company".to_owned()]).await.unwrap();
    assert_eq!(rows[0]["company"], "Northwind");
    let keys = ["c-1", "c-2"].map(|key| record(json!({"externalCompanyId": key}))).to_vec();
    let call = DeleteObjects { object: Object::Company, by: KeyBy::DedupeFields, keys };
    let verdicts = world.client.call(&call).await.unwrap();
    assert_eq!((verdicts[0].is_confirmed(), verdicts[1].code()), (true, "1013"));
    assert!(verdicts.iter().all(Verdict::is_gone));
}

#[tokio::test(start_paused = true)]
async fn an_opportunity_without_its_owner_is_told_apart() {
    let world = world();
    let call = SyncObjects {
        object: Object::Opportunity,
        action: Action::CreateOrUpdate,
        dedupe_by: KeyBy::DedupeFields,
        records: vec![record(json!({"externalOpportunityId": "o-1", "name": "Renewal", "externalSalesPersonId": "nobody"}))],
    };
    let error = world.client.call(&call).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Some(Class::Record), marketo::code::UNKNOWN_SALES_PERSON));
}

#[tokio::test(start_paused = true)]
async fn leads_are_merged_and_deleted_and_the_second_time_says_so() {
    let world = world();
    let ids = world.insert_leads(3, |i| json!({"email": format!("p{i}@x.example")}));
    world.client.call(&MergeLeads { winner: ids[0], losers: vec![ids[1]] }).await.unwrap();
    let error = world.client.call(&MergeLeads { winner: ids[0], losers: vec![ids[1]] }).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Some(Class::Missing), "1004"));
    let verdicts = world.client.call(&DeleteLeads { ids: vec![ids[2], ids[1]] }).await.unwrap();
    assert!(verdicts.iter().all(Verdict::is_gone) && verdicts[0].is_confirmed() && !verdicts[1].is_confirmed());
}
