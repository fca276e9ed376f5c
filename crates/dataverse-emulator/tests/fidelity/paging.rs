//! Pages: links that have to come back unchanged, in every order.

use std::collections::BTreeSet;

use serde_json::json;

use crate::world::{BASE, World, id};

/// Follows nextLinks as they are.
fn walk(world: &mut World, url: &str, size: usize) -> Vec<Vec<String>> {
    let prefer = format!("odata.maxpagesize={size}");
    let mut pages = Vec::new();
    let mut next = Some(url.to_owned());
    while let Some(url) = next {
        let answer = world.prefer(&url, &prefer);
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        assert_eq!(answer.header("preference-applied"), Some(prefer.as_str()));
        pages.push(answer.ids("leadid"));
        next = answer.json["@odata.nextLink"].as_str().map(str::to_owned);
        assert!(pages.len() < 100, "no end");
    }
    pages
}

#[test]
fn every_row_comes_once_in_every_order() {
    let mut world = World::new();
    world.leads(23);
    for number in [3, 7, 11] {
        world.later(1);
        world
            .state
            .update(
                "lead",
                id(number),
                crate::world::object(json!({"companyname": "Fabrikam & \"Söhne\" <x>", "revenue": 12.5})),
                world.now,
            )
            .unwrap();
    }
    for order in [
        "",
        "&$orderby=leadid",
        "&$orderby=leadid%20desc",
        "&$orderby=modifiedon",
        "&$orderby=modifiedon,leadid",
        "&$orderby=modifiedon%20desc",
        "&$orderby=companyname,lastname%20desc",
        "&$orderby=revenue",
        "&$orderby=_ownerid_value",
        "&$filter=companyname%20ne%20'x'&$orderby=createdon",
    ] {
        let pages = walk(&mut world, &format!("leads?$select=fullname{order}"), 5);
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 5, 5, 3], "{order}");
        let all: BTreeSet<_> = pages.iter().flatten().collect();
        assert_eq!(all.len(), 23, "{order}");
        let whole = world.get(&format!("leads?$select=fullname{order}")).ids("leadid");
        assert_eq!(pages.concat(), whole, "{order}: pages and the whole agree");
    }
}

#[test]
fn a_full_last_page_has_no_link() {
    let mut world = World::new();
    world.leads(10);
    assert_eq!(walk(&mut world, "leads?$select=leadid", 5).len(), 2);
}

#[test]
fn the_link_looks_as_documented_and_survives_only_unchanged() {
    let mut world = World::new();
    world.leads(3);
    let answer = world.prefer("leads?$select=fullname,modifiedon&$orderby=leadid", "odata.maxpagesize=2");
    let link = answer.json["@odata.nextLink"].as_str().unwrap().to_owned();
    let start = format!(
        "{BASE}/leads?$select=fullname,modifiedon&$orderby=leadid&$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%2520page%253d%25221%2522"
    );
    assert!(link.starts_with(&start), "{link}");
    assert!(link.ends_with("%20istracking=%22False%22%20/%3E"), "{link}");
    assert_eq!(world.get(&link).json["value"].as_array().unwrap().len(), 1);
    // A library that decodes and encodes parameters as a form keeps the meaning.
    let again = link.replace("$skiptoken", "%24skiptoken").replace("%20", "+").replace("=%22", "%3D%22").replace("/%3E", "%2F%3E");
    assert_eq!(world.get(&again).status, 200, "{again}");
    for broken in [
        link.replace("%253c", "%3c"),
        link.replace("%2522", "%22"),
        link.replace("pagenumber=%222", "pagenumber=%223"),
        link.replace("%257b", "%257B"),
    ] {
        let answer = world.get(&broken);
        assert_eq!(answer.status, 400, "{broken}");
    }
}

#[test]
fn top_is_ignored_with_a_page_size_and_pages_have_a_maximum() {
    let mut world = World::new();
    world.leads(6);
    assert_eq!(world.prefer("leads?$select=leadid&$top=1", "odata.maxpagesize=4").json["value"].as_array().unwrap().len(), 4);
    world.state.options_mut().page_max = 3;
    let answer = world.prefer("leads?$select=leadid", "odata.maxpagesize=5000");
    assert_eq!(answer.json["value"].as_array().unwrap().len(), 3);
    assert!(answer.json["@odata.nextLink"].is_string());
}

#[test]
fn rows_deleted_during_a_walk_do_not_stop_it() {
    let mut world = World::new();
    world.leads(6);
    let answer = world.prefer("leads?$select=leadid", "odata.maxpagesize=2");
    let link = answer.json["@odata.nextLink"].as_str().unwrap().to_owned();
    world.state.delete("lead", id(2), world.now).unwrap();
    assert_eq!(world.prefer(&link, "odata.maxpagesize=2").ids("leadid"), [id(3).to_string(), id(4).to_string()]);
}

#[test]
fn overlapping_pages_on_request() {
    let mut world = World::new();
    world.leads(5);
    world.state.options_mut().repeat_between_pages = true;
    let all = walk(&mut world, "leads?$select=leadid", 2).concat();
    assert!(all.len() > 5, "rows come twice");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 5, "and all of them come");
}

#[test]
fn a_top_above_the_page_limit_comes_in_pages() {
    let mut world = World::new();
    world.leads(9);
    world.state.options_mut().page_max = 3;
    let (mut found, mut url) = (Vec::new(), "leads?$select=leadid&$top=7".to_owned());
    loop {
        let page = world.get(&url);
        found.push(page.ids("leadid").len());
        let Some(next) = page.json["@odata.nextLink"].as_str() else { break };
        url = next.to_owned();
    }
    assert_eq!(found, [3, 3, 1]);
    assert!(world.get("leads?$select=leadid&$top=3").json["@odata.nextLink"].is_null());
}

#[test]
fn nested_collections_are_paged_when_neighbours_bring_neighbours() {
    let mut world = World::new();
    let account = world.seed("account", json!({"accountid": id(1), "name": "Fabrikam"}));
    for number in 2..=6 {
        world.seed("contact", json!({"contactid": id(number), "lastname": "It's & so", "_parentcustomerid_value": account}));
    }
    let collection = "contact_customer_accounts($select=contactid;$filter=contains(lastname,'%26');$expand=createdby($select=fullname))";
    let page = world.prefer(&format!("accounts?$select=name&$expand={collection}"), "odata.maxpagesize=2");
    let row = &page.json["value"][0];
    assert_eq!(row["contact_customer_accounts"].as_array().map(Vec::len), Some(2), "{}", page.text());
    let mut rest = Vec::new();
    let mut link = row["contact_customer_accounts@odata.nextLink"].as_str().map(str::to_owned);
    while let Some(url) = link {
        let page = world.prefer(&url, "odata.maxpagesize=2");
        assert!(page.json["value"][0]["createdby"].is_object(), "{}", page.text());
        rest.extend(page.ids("contactid"));
        link = page.json["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(rest, [4, 5, 6].map(|number| id(number).to_string()));
    let plain = world.prefer("accounts?$select=name&$expand=contact_customer_accounts($select=contactid)", "odata.maxpagesize=2");
    assert_eq!(plain.json["value"][0]["contact_customer_accounts"].as_array().map(Vec::len), Some(5), "a single level isn't paged");
}
