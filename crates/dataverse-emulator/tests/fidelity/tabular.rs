//! FetchXML, SQL and `$apply`.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use crate::world::{Answer, World, id};

/// Two accounts; three contacts of the first, one of the second, one of nobody.
fn world() -> World {
    let mut world = World::new();
    for (number, name, revenue, category) in [(1, "Fabrikam", 100, 1), (2, "Contoso", 250, 2), (3, "Litware", 0, 2)] {
        world.seed("account", json!({"accountid": id(number), "name": name, "revenue": revenue, "accountcategorycode": category}));
    }
    for (number, name, account) in [(11, "Roth", 1), (12, "Ortiz", 1), (13, "Ruiz", 1), (14, "Bo", 2), (15, "Nobody", 0)] {
        let parent = if account == 0 { Value::Null } else { json!(id(account)) };
        world.seed("contact", json!({"contactid": id(number), "lastname": name, "emailaddress1": format!("{name}@x.test"), "_parentcustomerid_value": parent}));
    }
    world
}

fn ask(world: &mut World, set: &str, option: &str, text: &str, prefer: &str) -> Answer {
    world.prefer(&format!("{set}?{option}={}", utf8_percent_encode(text, NON_ALPHANUMERIC)), prefer)
}

fn column(answer: &Answer, name: &str) -> Vec<Value> {
    answer.json["value"].as_array().unwrap_or_else(|| panic!("{}", answer.text())).iter().map(|row| row[name].clone()).collect()
}

#[test]
fn fetch_filters_orders_and_joins() {
    let mut world = world();
    let fetch = |inner: &str| format!("<fetch><entity name='contact'><attribute name='lastname'/>{inner}</entity></fetch>");
    for (inner, names) in [
        (
            "<order attribute='lastname' descending='true'/><filter><condition attribute='lastname' operator='like' value='R%'/></filter>",
            vec!["Ruiz", "Roth"],
        ),
        (
            "<order attribute='lastname'/><filter type='or'><condition attribute='lastname' operator='eq' value='bo'/><condition attribute='lastname' operator='in'><value>Ruiz</value></condition></filter>",
            vec!["Bo", "Ruiz"],
        ),
        ("<order attribute='lastname'/><filter><condition attribute='parentcustomerid' operator='null'/></filter>", vec!["Nobody"]),
        (
            "<order attribute='lastname'/><link-entity name='account' from='accountid' to='parentcustomerid'><filter><condition attribute='name' operator='begins-with' value='Fab'/></filter></link-entity>",
            vec!["Ortiz", "Roth", "Ruiz"],
        ),
        (
            "<order attribute='lastname'/><link-entity name='account' from='accountid' to='parentcustomerid' link-type='outer' alias='a'/><filter><condition entityname='a' attribute='accountid' operator='null'/></filter>",
            vec!["Nobody"],
        ),
        (
            "<order attribute='lastname'/><link-entity name='account' from='accountid' to='parentcustomerid' link-type='not any'/>",
            vec!["Nobody"],
        ),
        (
            "<order attribute='lastname'/><filter><condition attribute='lastname' operator='not-begin-with' value='R'/></filter>",
            vec!["Bo", "Nobody", "Ortiz"],
        ),
        (
            "<order attribute='lastname'/><filter><condition attribute='createdon' operator='today'/><condition attribute='contactid' operator='eq' value='{0f210000-0000-4000-8000-00000000000e}'/></filter>",
            vec!["Bo"],
        ),
    ] {
        let answer = ask(&mut world, "contacts", "fetchXml", &fetch(inner), "");
        assert_eq!(column(&answer, "lastname"), names.iter().map(|name| json!(name)).collect::<Vec<_>>(), "{inner}");
    }
    let linked = "<attribute name='parentcustomerid'/><link-entity name='account' from='accountid' to='parentcustomerid' alias='a'><attribute name='name'/><attribute name='revenue' alias='money'/></link-entity><filter><condition attribute='lastname' operator='eq' value='Bo'/></filter>";
    let answer = ask(&mut world, "contacts", "fetchXml", &fetch(linked), "odata.include-annotations=\"*\"");
    let row = &answer.json["value"][0];
    assert_eq!(
        (&row["a.name"], &row["money"], &row["_parentcustomerid_value"]),
        (&json!("Contoso"), &json!(250.0), &json!(id(2))),
        "{}",
        answer.text()
    );
    assert_eq!(row["money@OData.Community.Display.V1.FormattedValue"], "$250.00");
    assert_eq!(row["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"], "account");
}

#[test]
fn fetch_pages_with_a_cookie() {
    let mut world = world();
    let prefer = "odata.include-annotations=\"Microsoft.Dynamics.CRM.fetchxmlpagingcookie,Microsoft.Dynamics.CRM.morerecords\"";
    let (mut names, mut extra) = (Vec::new(), String::new());
    for page in 1..=3 {
        let text = format!(
            "<fetch count='2' page='{page}'{extra}><entity name='contact'><attribute name='lastname'/><order attribute='lastname'/></entity></fetch>"
        );
        let answer = ask(&mut world, "contacts", "fetchXml", &text, prefer);
        names.extend(column(&answer, "lastname"));
        assert_eq!(answer.json["@Microsoft.Dynamics.CRM.morerecords"], page < 3, "{}", answer.text());
        let Some(cookie) = answer.json["@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"].as_str() else { break };
        assert!(cookie.starts_with(&format!("<cookie pagenumber=\"{}\" pagingcookie=\"%253ccookie%2520page", page + 1)), "{cookie}");
        let inner = cookie.split("pagingcookie=\"").nth(1).unwrap().split('"').next().unwrap();
        let once = percent_decode_str(inner).decode_utf8().unwrap().into_owned();
        let inner = percent_decode_str(&once).decode_utf8().unwrap().replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        extra = format!(" paging-cookie=\"{inner}\"");
    }
    assert_eq!(names, ["Bo", "Nobody", "Ortiz", "Roth", "Ruiz"]);
    let altered = "<fetch count='2' page='2' paging-cookie='nonsense'><entity name='contact'/></fetch>";
    assert_eq!(ask(&mut world, "contacts", "fetchXml", altered, "").status, 400);
}

#[test]
fn fetch_aggregates() {
    let mut world = world();
    let text = "<fetch aggregate='true'><entity name='contact'><attribute name='contactid' alias='n' aggregate='count'/><link-entity name='account' from='accountid' to='parentcustomerid' alias='a'><attribute name='name' alias='company' groupby='true'/></link-entity><order alias='n' descending='true'/></entity></fetch>";
    let answer = ask(&mut world, "contacts", "fetchXml", text, "");
    assert_eq!(answer.json["value"], json!([{"n": 3, "company": "Fabrikam"}, {"n": 1, "company": "Contoso"}]));
    let text = "<fetch aggregate='true'><entity name='account'><attribute name='revenue' alias='total' aggregate='sum'/><attribute name='createdon' alias='year' groupby='true' dategrouping='year'/></entity></fetch>";
    let answer = ask(&mut world, "accounts", "fetchXml", text, "");
    assert_eq!(answer.json["value"], json!([{"total": 350.0, "year": 2026}]));
}

#[test]
fn sql_selects() {
    let mut world = world();
    for (set, sql, rows) in [
        ("accounts", "SELECT TOP 2 name FROM account ORDER BY name", json!([{"name": "Contoso"}, {"name": "Fabrikam"}])),
        (
            "accounts",
            "select name as Company, revenue from account where revenue >= 100 and name <> 'Contoso'",
            json!([{"Company": "Fabrikam", "revenue": 100.0}]),
        ),
        (
            "accounts",
            "SELECT a.name, COUNT(c.contactid) AS cnt FROM account a LEFT JOIN contact c ON c.parentcustomerid = a.accountid GROUP BY a.name ORDER BY cnt DESC, a.name",
            json!([{"name": "Fabrikam", "cnt": 3}, {"name": "Contoso", "cnt": 1}, {"name": "Litware", "cnt": 0}]),
        ),
        (
            "contacts",
            "SELECT lastname FROM contact WHERE (lastname LIKE 'R%' OR lastname IN ('Bo')) AND NOT lastname = 'Roth' ORDER BY lastname",
            json!([{"lastname": "Bo"}, {"lastname": "Ruiz"}]),
        ),
        ("contacts", "SELECT lastname FROM contact WHERE parentcustomerid IS NULL", json!([{"lastname": "Nobody"}])),
        (
            "contacts",
            "SELECT lastname FROM contact ORDER BY lastname OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY",
            json!([{"lastname": "Nobody"}, {"lastname": "Ortiz"}]),
        ),
        (
            "accounts",
            "SELECT DISTINCT accountcategorycode FROM account ORDER BY accountcategorycode DESC",
            json!([{"accountcategorycode": 2}, {"accountcategorycode": 1}]),
        ),
        (
            "accounts",
            "SELECT SUM(revenue) AS total, COUNT(*) AS n FROM account WHERE name BETWEEN 'C' AND 'G'",
            json!([{"total": 350.0, "n": 2}]),
        ),
    ] {
        let answer = ask(&mut world, set, "sql", sql, "");
        assert_eq!(answer.json["value"], rows, "{sql}: {}", answer.text());
    }
    for sql in [
        "DELETE FROM account",
        "SELECT name FROM contact",
        "SELECT nope FROM account",
        "SELECT name FROM account WHERE name LIKE",
        "SELECT name FROM account; DROP TABLE account",
        "SELECT name, COUNT(*) FROM account",
        "SELECT name FROM account RIGHT JOIN contact ON accountid = parentcustomerid",
        "",
    ] {
        let answer = ask(&mut world, "accounts", "sql", sql, "");
        assert_eq!((answer.status, answer.code()), (400, "0x80060888"), "{sql}");
    }
}

#[test]
fn apply_groups_and_sums_up() {
    let mut world = world();
    for (apply, rows) in [
        ("aggregate($count as n,revenue with sum as total)", json!([{"n": 3, "total": 350.0}])),
        (
            "groupby((accountcategorycode),aggregate($count as n,revenue with max as most))",
            json!([{"accountcategorycode": 1, "n": 1, "most": 100.0}, {"accountcategorycode": 2, "n": 2, "most": 250.0}]),
        ),
        ("filter(revenue gt 0)/groupby((statecode),aggregate(revenue with average as mean))", json!([{"statecode": 0, "mean": 175.0}])),
    ] {
        let answer = ask(&mut world, "accounts", "$apply", apply, "");
        assert_eq!(answer.json["value"], rows, "{apply}: {}", answer.text());
    }
    for apply in ["", "nope(x)", "aggregate(revenue with median as m)", "groupby((nope))"] {
        assert_eq!(ask(&mut world, "accounts", "$apply", apply, "").status, 400, "{apply}");
    }
    assert_eq!(world.get("accounts?$apply=aggregate($count as n)&$filter=revenue gt 0").status, 400, "nothing is passed over");
    assert_eq!(world.get(&format!("accounts?savedQuery={}", id(1))).status, 404);
}
