//! Descriptions, leads, objects, activities and usage.

use base::Object;
use marketo::{
    Activities, ActivityTypes, Days, Describe, DescribeLeads, DescribeLeadsOld, LeadChanges, PagingTokenSince, QueryRoles, Usage,
};
use marketo_emulator::UnknownLead;
use serde_json::json;
use wire::Class;

use crate::world::{record, texts, world, world_with};

#[tokio::test(start_paused = true)]
async fn every_object_is_described() {
    let world = world();
    let leads = world.client.call(&DescribeLeads).await.unwrap();
    assert!(leads.is_searchable("externalPersonId") && leads.field("EMAIL").unwrap().updateable);
    let old = world.client.call(&DescribeLeadsOld).await.unwrap();
    assert_eq!(old.field("email").unwrap().data_type, leads.field("email").unwrap().data_type);
    for object in Object::ALL {
        let told = world.client.call(&Describe { object }).await.unwrap();
        assert!(!told.fields.is_empty() && !told.searchable.is_empty(), "{object}");
        assert!(told.dedupe_fields.iter().all(|name| told.field(name).is_some()), "{object}");
    }
}

#[tokio::test(start_paused = true)]
async fn leads_are_read_in_pieces_and_page_by_page() {
    let world = world_with(|instance| instance.page_size_max = Some(70), |_| ());
    world.insert_leads(650, |i| json!({"email": format!("p{i}@x.example"), "firstName": "Zoë"}));
    let emails: Vec<String> = (0..650).map(|i| format!("p{i}@x.example")).collect();
    let mut found = world.client.leads("email", &emails, &texts(&["id", "email"])).await.unwrap();
    assert_eq!(found.len(), 650);
    found.dedup_by_key(|lead| lead["id"].clone());
    assert_eq!(found.len(), 650);
    assert_eq!(world.arrived("leads.get"), 5 + 5 + 1, "300 values in 70s, twice, and 50");
}

#[tokio::test(start_paused = true)]
async fn a_query_that_matches_too_many_is_halved() {
    let world = world_with(|instance| instance.matches_max = 40, |_| ());
    world.insert_leads(150, |i| json!({"email": format!("p{}@x.example", i % 50)}));
    let emails: Vec<String> = (0..50).map(|i| format!("p{i}@x.example")).collect();
    assert_eq!(world.client.leads("email", &emails, &[]).await.unwrap().len(), 150);
    world.served.state().options_mut().matches_max = 2;
    let error = world.client.leads("email", &emails, &[]).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Some(Class::Split), "1003"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_lead_is_none_whichever_way_it_is_said() {
    for unknown_lead in [UnknownLead::Error, UnknownLead::Empty] {
        let world = world_with(|instance| instance.unknown_lead = unknown_lead, |_| ());
        let id = world.insert_leads(1, |_| json!({"email": "a@x.example"}))[0];
        assert_eq!(world.client.lead(id, &[]).await.unwrap().unwrap()["email"], "a@x.example");
        assert_eq!(world.client.lead(999_999, &[]).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn roles_are_found_by_their_compound_key() {
    let world = world();
    let lead = world.insert_leads(1, |_| json!({"email": "a@x.example"}))[0];
    let now = world.served.now();
    let key = json!({"externalOpportunityId": "o-1", "leadId": lead, "role": "Decision Maker"});
    world.served.state().insert(marketo_emulator::Object::Opportunities, record(json!({"externalOpportunityId": "o-1"})), now).unwrap();
    world.served.state().insert(marketo_emulator::Object::Roles, record(key.clone()), now).unwrap();
    let absent = json!({"externalOpportunityId": "o-1", "leadId": lead, "role": "User"});
    let call = QueryRoles { keys: vec![record(absent), record(key)], fields: texts(&["marketoGUID", "role"]), next: None };
    let page = world.client.call(&call).await.unwrap();
    assert_eq!((page.rows.len(), page.rows[0]["role"].as_str(), page.next), (1, Some("Decision Maker"), None));
    let by_lead = world.client.objects(Object::Role, "leadId", &[lead.to_string()], &texts(&["role"])).await.unwrap();
    assert_eq!(by_lead.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn activities_go_on_behind_empty_pages_in_every_spelling_of_time() {
    let change = |instance: &mut marketo_emulator::Options| {
        (instance.empty_pages, instance.offset_datetimes, instance.page_size_max) = (true, true, Some(3));
    };
    let world = world_with(change, |_| ());
    let lead = world.insert_leads(1, |_| json!({"email": "a@x.example"}))[0];
    let now = world.served.now();
    for i in 0..7 {
        assert!(world.served.state().interesting_moment(lead, "Web", &format!("page {i}"), "campaign", now));
    }
    assert!(world.client.call(&ActivityTypes).await.unwrap().iter().any(|kind| kind.id == marketo::activity_type::INTERESTING_MOMENT));
    let mut token = world.client.call(&PagingTokenSince { at: now }).await.unwrap();
    let mut found = Vec::new();
    loop {
        let page = world.client.call(&Activities { token, type_ids: vec![46], lead_ids: vec![] }).await.unwrap();
        assert!(page.unreadable.is_empty());
        found.extend(page.activities);
        token = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(found.len(), 7);
    assert_eq!((found[0].lead_id, found[0].primary_value.as_deref(), found[0].at), (lead, Some("Web"), now));
    assert!(found.iter().any(|moment| moment.text("Description").as_deref() == Some("page 6")));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_lead_is_told_with_both_values() {
    let world = world();
    let lead = world.insert_leads(1, |_| json!({"email": "a@x.example", "firstName": "An"}))[0];
    let now = world.served.now();
    let token = world.client.call(&PagingTokenSince { at: now }).await.unwrap();
    assert!(world.served.state().update_lead(lead, record(json!({"firstName": "Ann"})), now));
    let call = LeadChanges { token, fields: texts(&["firstName"]), lead_ids: vec![] };
    let page = world.client.call(&call).await.unwrap();
    let change = page.activities.iter().flat_map(|activity| &activity.changes).next().unwrap();
    assert_eq!((change.name.as_str(), &change.old, &change.new), ("firstName", &json!("An"), &json!("Ann")));
}

#[tokio::test(start_paused = true)]
async fn usage_counts_everybody() {
    let world = world();
    world.served.state().set_usage(1_000, world.served.now());
    world.client.call(&DescribeLeads).await.unwrap();
    let days = world.client.call(&Usage { days: Days::Last7 }).await.unwrap();
    assert!(days.iter().any(|day| day.total >= 1_001), "{days:?}");
}
