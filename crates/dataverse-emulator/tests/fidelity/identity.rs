//! Tokens, their refusals, the bearer check, who the caller is.

use dataverse_emulator::options::ApplicationUser;
use serde_json::json;

use crate::world::{ORIGIN, World};

#[test]
fn token_refusals_carry_their_numbers() {
    let mut world = World::new();
    let options = world.state.options().clone();
    let (tenant, client) = (options.tenant_id.as_str(), options.client_id.as_str());
    let scope = "scope=https%3A%2F%2Fcontoso.crm.dynamics.com%2F.default";
    let secret = "client_secret=sandbox-secret~%2B%2F%3D";
    let grant = "grant_type=client_credentials";
    let assertion = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=";
    for (tenant, body, status, number) in [
        (tenant, format!("client_id={client}&{scope}&{secret}&{grant}"), 200, 0),
        ("elsewhere", format!("client_id={client}&{scope}&{secret}&{grant}"), 400, 90_002),
        (tenant, format!("client_id=nobody&{scope}&{secret}&{grant}"), 400, 700_016),
        (tenant, format!("client_id={client}&{scope}&client_secret=wrong&{grant}"), 401, 7_000_215),
        (tenant, format!("client_id={client}&{scope}&{grant}"), 401, 7_000_218),
        (tenant, format!("client_id={client}&{scope}&{secret}"), 400, 900_144),
        (tenant, format!("client_id={client}&{secret}&{grant}"), 400, 900_144),
        (tenant, format!("client_id={client}&scope=https%3A%2F%2Fcontoso.crm.dynamics.com&{secret}&{grant}"), 400, 70_011),
        (tenant, format!("client_id={client}&scope=https%3A%2F%2Fother.example%2F.default&{secret}&{grant}"), 400, 500_011),
        (tenant, format!("client_id={client}&{scope}&{assertion}e30.e30.x&{grant}"), 200, 0),
        (tenant, format!("client_id={client}&{scope}&{assertion}e30.eyJleHAiOjF9.x&{grant}"), 401, 500_133),
    ] {
        let answer = world.raw("POST", &format!("{ORIGIN}/{tenant}/oauth2/v2.0/token"), &[], &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        if number == 0 {
            assert_eq!(answer.json["expires_in"], 3599);
            assert_eq!(answer.json["token_type"], "Bearer");
        } else {
            assert_eq!(answer.json["error_codes"], json!([number]), "{body}");
            assert!(answer.json["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{number}: ")));
        }
    }
}

#[test]
fn basic_credentials_and_the_older_endpoint_work() {
    let mut world = World::new();
    let tenant = world.state.options().tenant_id.clone();
    // 7d0c2c6e-54a3-4d0b-9b7e-0f1f3a5c9e21:sandbox-secret~+/=
    let basic = "Basic N2QwYzJjNmUtNTRhMy00ZDBiLTliN2UtMGYxZjNhNWM5ZTIxOnNhbmRib3gtc2VjcmV0fisvPQ==";
    let body = "grant_type=client_credentials&resource=https%3A%2F%2Fcontoso.crm.dynamics.com";
    let answer = world.raw("POST", &format!("{ORIGIN}/{tenant}/oauth2/token"), &[("authorization", basic)], body);
    assert_eq!((answer.status, answer.json["expires_in"].as_str()), (200, Some("3599")), "{}", answer.text());
}

#[test]
fn managed_identity_writes_numbers_as_texts() {
    let mut world = World::new();
    let url = format!("{ORIGIN}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcontoso.crm.dynamics.com");
    let without = world.raw("GET", &url, &[], "");
    assert_eq!((without.status, without.json["error"].as_str()), (400, Some("bad_request_102")));
    let answer = world.raw("GET", &url, &[("metadata", "true")], "");
    assert_eq!(answer.json["expires_in"], "3599");
    assert_eq!(answer.json["resource"], "https://contoso.crm.dynamics.com");
    world.token = answer.json["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.get("WhoAmI").status, 200);
}

#[test]
fn discovery_stays_on_this_server() {
    let mut world = World::new();
    let tenant = world.state.options().tenant_id.clone();
    let answer = world.raw("GET", &format!("{ORIGIN}/{tenant}/v2.0/.well-known/openid-configuration"), &[], "");
    assert_eq!(answer.json["token_endpoint"], format!("{ORIGIN}/{tenant}/oauth2/v2.0/token"));
    let answer = world.raw("GET", &format!("{ORIGIN}/common/discovery/instance?api-version=1.1"), &[], "");
    assert!(answer.json["tenant_discovery_endpoint"].as_str().unwrap().starts_with(ORIGIN));
}

#[test]
fn without_a_valid_token_the_answer_is_an_empty_401() {
    let mut world = World::new();
    assert_eq!(world.get("WhoAmI()").status, 200);
    world.state.revoke_tokens();
    let answer = world.get("WhoAmI");
    assert_eq!((answer.status, answer.text().as_str()), (401, ""));
    let expected = format!("Bearer authorization_uri={ORIGIN}/{}/oauth2/authorize, resource_id={ORIGIN}/", world.state.options().tenant_id);
    assert_eq!(answer.header("www-authenticate"), Some(expected.as_str()));
    world.sign_in();
    assert_eq!(world.get("WhoAmI").status, 200);
    world.later(3600);
    assert_eq!(world.get("WhoAmI").status, 401, "expired");
}

#[test]
fn a_token_alone_is_not_enough() {
    let mut world = World::new();
    for (user, code) in [(ApplicationUser::Missing, "0x80072560"), (ApplicationUser::Disabled, "0x80040225")] {
        world.state.options_mut().application_user = user;
        let answer = world.get("WhoAmI");
        assert_eq!((answer.status, answer.code()), (403, code));
    }
}

#[test]
fn a_missing_privilege_is_named() {
    let mut world = World::new();
    world.state.options_mut().missing_privileges.insert("prvReadLead".to_owned());
    let answer = world.get("leads?$select=subject");
    assert_eq!((answer.status, answer.code()), (403, "0x80040220"));
    assert!(answer.message().contains("prvReadLead"));
    assert_eq!(world.get("contacts?$select=fullname").status, 200);
}

#[test]
fn who_am_i_names_the_application_user() {
    let mut world = World::new();
    let answer = world.get("WhoAmI");
    let user = answer.json["UserId"].as_str().unwrap().to_owned();
    assert_eq!(user, world.state.fixtures().application_user.to_string());
    assert_eq!(answer.json["@odata.context"], format!("{}/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse", crate::world::BASE));
    assert_eq!(answer.header("x-ms-dop-hint"), Some("8"));
    assert_eq!(answer.header("odata-version"), Some("4.0"));
    let row = world.get(&format!("systemusers({user})?$select=applicationid,isdisabled"));
    assert_eq!(row.json["applicationid"], world.state.options().client_id);
    assert_eq!(row.json["ownerid"], user, "a user is a principal");
}
