//! Pages: nothing is lost and nothing comes twice, whatever their size.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    activities::token,
    bench::{Bench, check, code, map},
};

fn fill(bench: &mut Bench, count: usize) {
    for at in 0..count {
        bench.state.insert_lead(map(json!({"email": "same@x.test", "firstName": format!("L{at}")})), bench.now);
    }
}

/// Follows the tokens of a form query to the end.
fn pages(bench: &mut Bench, query: &str) -> Vec<Vec<i64>> {
    let (mut pages, mut token) = (Vec::new(), None::<String>);
    loop {
        let next = token.as_ref().map(|token| format!("&nextPageToken={}", token.replace('=', "%3D"))).unwrap_or_default();
        let answer = bench.form("/rest/v1/leads.json?_method=GET", &format!("{query}{next}"));
        pages.push(
            answer["result"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(|lead| lead["id"].as_i64().unwrap()).collect(),
        );
        match answer.get("nextPageToken").and_then(Value::as_str) {
            Some(next) => token = Some(next.to_owned()),
            None => return pages,
        }
    }
}

#[test]
fn a_thousand_matches_come_in_pages_and_one_more_is_too_many() {
    let mut bench = Bench::new();
    fill(&mut bench, 1000);
    let found = pages(&mut bench, "filterType=email&filterValues=same@x.test");
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [300, 300, 300, 100]);
    assert_eq!(found.concat().into_iter().collect::<BTreeSet<_>>().len(), 1000);
    assert_eq!(pages(&mut bench, "filterType=email&filterValues=same@x.test&batchSize=999").len(), 4, "300 is the most");
    fill(&mut bench, 1);
    assert_eq!(code(&bench.get("/rest/v1/leads.json?filterType=email&filterValues=same@x.test")), "1003");
}

#[test]
fn a_token_belongs_to_its_query_and_lives_a_day() {
    let mut bench = Bench::new();
    fill(&mut bench, 5);
    let query = "/rest/v1/leads.json?filterType=email&filterValues=same@x.test&batchSize=2";
    let answer = bench.get(query);
    check(&answer, &json!({"nextPageToken": "*", "moreResult": true}));
    let token = answer["nextPageToken"].as_str().unwrap().replace('=', "%3D");
    assert_eq!(code(&bench.get(&format!("{query}&nextPageToken={token}"))), "none");
    assert_eq!(code(&bench.get(&format!("/rest/v1/leads.json?filterType=email&filterValues=other@x.test&nextPageToken={token}"))), "1003");
    bench.wait(24 * 3600 + 1);
    bench.log_in();
    assert_eq!(code(&bench.get(&format!("{query}&nextPageToken={token}"))), "1003");
}

#[test]
fn shrunken_and_empty_pages_lose_nothing() {
    let mut bench = Bench::with(|options| {
        options.page_size_max = Some(7);
        options.empty_pages = true;
    });
    fill(&mut bench, 40);
    assert_eq!(pages(&mut bench, "filterType=email&filterValues=same@x.test").concat().len(), 40);
    let (mut token, mut seen, mut empty) = (token(&mut bench, "2026-08-17"), Vec::new(), 0);
    loop {
        let answer = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=12&nextPageToken={token}"));
        let rows = answer["result"].as_array().unwrap();
        empty += usize::from(rows.is_empty());
        seen.extend(rows.iter().map(|row| row["marketoGUID"].as_str().unwrap().to_owned()));
        token = answer["nextPageToken"].as_str().unwrap().replace('=', "%3D");
        if answer["moreResult"] == false {
            break;
        }
    }
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len(), empty), (40, 40, 6));
}

#[test]
fn objects_page_with_a_place_per_page() {
    let mut bench = Bench::new();
    let companies: Vec<_> = (0..5).map(|at| json!({"externalCompanyId": format!("c-{at}"), "company": "Same"})).collect();
    bench.outcomes("/rest/v1/companies.json", &json!({"input": companies}));
    let query = "/rest/v1/companies.json?filterType=company&filterValues=same&batchSize=3";
    let first = bench.get(query);
    check(&first, &json!({"moreResult": true, "result": [{"seq": 0}, {"seq": 1}, {"seq": 2}]}));
    let token = first["nextPageToken"].as_str().unwrap().replace('=', "%3D");
    let second = bench.get(&format!("{query}&nextPageToken={token}"));
    check(&second, &json!({"result": [{"seq": 0, "externalCompanyId": "c-3"}, {"seq": 1, "externalCompanyId": "c-4"}]}));
    assert!(second.get("nextPageToken").is_none() && second.get("moreResult").is_none());
}
