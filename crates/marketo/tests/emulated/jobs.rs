//! Bulk import and bulk extract.

use std::time::Duration;

use base::Timestamp;
use marketo::{
    CreateExtract, EnqueueExtract, ExtractFile, ExtractFilter, ExtractState, GetExtract, GetImport, ImportFailures, ImportFile,
    ImportLeads, ImportState, extract::extracted_rows,
};
use serde_json::json;
use tokio::time::sleep;
use wire::Class;

use crate::world::{record, texts, world};

#[tokio::test(start_paused = true)]
async fn a_file_is_imported_and_its_bad_rows_come_back() {
    let world = world();
    let people =
        [json!({"email": "a@x.example", "firstName": "Zoë, \"Z\"", "leadScore": 3}), json!({"email": "b@x.example", "leadScore": "many"})];
    let mut file = ImportFile::new(texts(&["email", "firstName", "leadScore"])).unwrap();
    people.map(record).iter().for_each(|person| assert!(file.push(person).unwrap()));
    let call = ImportLeads { file: file.finish().unwrap(), lookup_field: "email".into(), partition: None, list_id: None };
    let mut job = world.client.call(&call).await.unwrap();
    assert_eq!(job.state, ImportState::Queued);
    while !job.state.is_final() {
        sleep(Duration::from_secs(10)).await;
        job = world.client.call(&GetImport { batch_id: job.batch_id }).await.unwrap();
    }
    assert_eq!((job.state.clone(), job.processed, job.failed), (ImportState::Complete, 1, 1));
    let failures = world.client.import_failures(&job, "email").await.unwrap();
    assert_eq!((failures[0].key.as_str(), failures.len()), ("b@x.example", 1));
    assert!(!failures[0].reason.is_empty());
    assert!(world.client.import_warnings(&job, "email").await.unwrap().is_empty());
    let found = world.client.leads("email", &texts(&["a@x.example"]), &texts(&["firstName", "leadScore"])).await.unwrap();
    assert_eq!((found[0]["firstName"].as_str(), found[0]["leadScore"].as_i64()), (Some("Zoë, \"Z\""), Some(3)));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_exist_is_missing() {
    let world = world();
    assert_eq!(world.client.call(&GetImport { batch_id: 77 }).await.unwrap_err().class(), Some(Class::Missing));
    assert_eq!(world.client.call(&ImportFailures { batch_id: 77, key: "email".into() }).await.unwrap_err().class(), Some(Class::Missing));
}

#[tokio::test(start_paused = true)]
async fn leads_are_extracted_into_a_file() {
    let world = world();
    world.insert_leads(3, |i| json!({"email": format!("p{i}@x.example"), "createdAt": "2026-08-02T10:00:00Z"}));
    let range: [Timestamp; 2] = ["2026-08-01T00:00:00Z", "2026-08-03T00:00:00Z"].map(|text| text.parse().unwrap());
    let call = CreateExtract { fields: texts(&["id", "email", "lastName"]), filter: ExtractFilter::CreatedAt(range[0], range[1]) };
    let made = world.client.call(&call).await.unwrap();
    assert_eq!(made.state, ExtractState::Created);
    let export_id = made.export_id;
    world.client.call(&EnqueueExtract { export_id: export_id.clone() }).await.unwrap();
    world.client.call(&EnqueueExtract { export_id: export_id.clone() }).await.expect("being queued already is what was wanted");
    let early = world.client.call(&ExtractFile { export_id: export_id.clone(), size_bytes: None }).await.unwrap_err();
    assert_eq!(early.class(), Some(Class::Missing));
    let job = loop {
        let job = world.client.call(&GetExtract { export_id: export_id.clone() }).await.unwrap();
        if job.state.is_final() {
            break job;
        }
        sleep(Duration::from_secs(60)).await;
    };
    assert_eq!((job.state, job.records), (ExtractState::Completed, Some(3)));
    let file = world.client.call(&ExtractFile { export_id, size_bytes: job.size_bytes }).await.unwrap();
    let rows = extracted_rows(&file).unwrap();
    assert_eq!((rows.len(), rows[2]["email"].as_deref(), rows[2]["lastName"].as_deref()), (3, Some("p2@x.example"), None));
}
