//! The client over real sockets: what an HTTP library might do to links and values on the way.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;

use base::Clock;
use dataverse::{Client, Credential, Filter, Item, List, NewValues, Options, Query, UpdateMultiple};
use dataverse_emulator::State;
use emulator::{Effect, Fault, Served, When};
use serde_json::json;

#[tokio::test]
async fn links_and_values_survive_the_network() {
    // A provider may have been installed by another test of this process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let emulated = dataverse_emulator::Options::default();
    let (tenant, client_id, secret) = (emulated.tenant_id.clone(), emulated.client_id.clone(), emulated.client_secret.clone());
    let served = Served::new(State::new(emulated, Clock::system().now()), Clock::system(), 1);
    let bound = emulator::bind(0).await.unwrap();
    let origin = bound.origin();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(bound.serve(served.router(), async move { drop(stopped.await) }));

    let credential = Credential::ClientSecret { client_id, secret: secret.into() };
    let options = Options { authority: origin.clone(), ..Options::new(origin, tenant, credential) };
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let network = wire::transport::network(http);
    let client = Client::new(options, network.clone(), network).unwrap();

    let mut ids = BTreeSet::new();
    for at in 0..25 {
        let row: NewValues = json!({"lastname": format!("O'Neil & Co+{at}%"), "subject": "s"}).as_object().unwrap().clone();
        ids.insert(served.state().insert("lead", row, Clock::system().now()).unwrap());
    }

    let id_column = Some("leadid".to_owned());
    let tracked = List { query: Query::select(["lastname"]), track_changes: true, annotations: true, ..List::default() };
    let sorted = Query::select(["lastname"]).filter(Filter::ne("lastname", "O'Neil & Co+3%")).order_by("lastname desc").order_by("leadid");
    let filtered = List { query: sorted, ..List::default() };
    for (list, expected) in [(tracked, 25), (filtered, 24)] {
        let list = List { set: "leads".into(), page_rows: 10, id_column: id_column.clone(), ..list };
        let mut page = client.call(&list).await.unwrap();
        let mut seen = BTreeSet::new();
        loop {
            seen.extend(page.items.filter_map(|item| if let Item::Row(row) = item { row.guid("leadid") } else { None }));
            let Some(next) = page.next else { break };
            page = client.call(&list.follow(next)).await.unwrap();
        }
        assert_eq!(seen.len(), expected);
        if let Some(delta) = page.delta {
            let changes = client.call(&list.follow(delta)).await.unwrap();
            assert!(changes.items.len() == 0 && changes.delta.is_some());
        }
    }

    // The connection breaks once the change is made; sent again, it changes nothing more.
    served.faults().add(Fault { when: When::operation("lead.update_multiple"), effect: Effect::DropAfter, times: Some(1) });
    let change = json!({"jobtitle": "CTO"}).as_object().unwrap().clone();
    let targets = ids.iter().map(|id| (*id, change.clone())).collect();
    client.call(&UpdateMultiple { set: "leads".into(), table: "lead".into(), id_column: "leadid".into(), targets }).await.unwrap();
    assert_eq!(served.journal().count("lead.update_multiple"), 2);

    drop(stop);
    drop(client);
    serving.await.unwrap().unwrap();
}
