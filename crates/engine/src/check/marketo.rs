//! The Marketo side: features, permissions, and how much of today's quota is used.

use base::{Guid, Object};
use serde_json::{Map, Value};
use wire::CallError;

use super::finding::Finding;
use crate::{
    bridge::Bridge,
    calls::Quota,
    error::{Side, SyncError},
    marketo::{Marketo, SyncMode, Verdict, key_field},
};

const PERMISSIONS: &str = "docs/guide/marketo-setup.md";

/// From which share of the day's quota on people should know.
const USED_MUCH: f64 = 0.8;

/// Adobe's refusal of a call that the role doesn't allow, or from an address that isn't allowed (Adobe, "Error codes").
const DENIED: &str = "603";

/// The permission that writing an object needs (Adobe, "Endpoint permissions").
const fn permission(object: Object) -> &'static str {
    match object {
        Object::SalesPerson => "Read-Write Sales Person",
        Object::Company => "Read-Write Company",
        Object::Lead => "Read-Write Person (Lead)",
        Object::Opportunity | Object::Role => "Read-Write Opportunity",
    }
}

/// Each object is asked for a record that isn't there, and given an update of it: both change nothing, and who may not is refused all the same.
pub(super) async fn permissions(marketo: &Marketo, findings: &mut Vec<Finding>) -> Result<(), SyncError> {
    let mut denied = Vec::new();
    for object in Object::ALL {
        match probe(marketo, object).await {
            Ok(()) => {}
            Err(error) if error.code() == DENIED => denied.push(permission(object)),
            Err(error) => {
                let what = format!("Marketo: {} can be read and written", object.plural());
                findings.push(Finding::failed(what, &SyncError::of_call(Side::Marketo, error)));
                // A native CRM sync, or a side that is away, says the same of all.
                return Ok(());
            }
        }
    }
    match marketo.activity_types(&[]).await {
        Ok(_) => {}
        Err(error) if error.code() == DENIED => denied.push("Read-Only Activity"),
        Err(error) => findings.push(Finding::failed("Marketo: activities", &SyncError::of_call(Side::Marketo, error))),
    }
    denied.dedup();
    let what = "Marketo: permissions, and no native CRM sync";
    findings.push(match denied.len() {
        0 => Finding::green(what, "people, companies, sales persons, opportunities and roles can be read and written, activities read"),
        5 => Finding::red(
            what,
            "every call is refused (603)",
            "put this machine's address on the IP allow-list (Marketo: Admin, Web Services), or give the API user's role its permissions",
        )
        .explained("marketo-refused", PERMISSIONS),
        _ => Finding::red(
            what,
            format!("the API user's role lacks: {}", denied.join(", ")),
            format!("Marketo: Admin, Users & Roles: give the API role {}", denied.join(" and ")),
        )
        .explained("marketo-refused", PERMISSIONS),
    });
    Ok(())
}

async fn probe(marketo: &Marketo, object: Object) -> Result<(), CallError> {
    let nobody = Guid::from_u128(u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..))).to_string();
    let key = key_field(object);
    let record = |values: &[(&str, Value)]| values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Map<_, _>>();
    match object {
        Object::Lead => {
            // No person has this id.
            let nobody = i64::from(i32::MAX);
            marketo.people("id", vec![nobody.to_string()], &["id".to_owned()]).await?;
            refused(marketo.sync_people(SyncMode::UpdateOnly, "id", vec![record(&[("id", nobody.into())])]).await?)
        }
        Object::Role => {
            marketo.query(object, key, vec![nobody.clone()], &[key]).await?;
            let role = record(&[(key, nobody.into()), ("leadId", i64::from(i32::MAX).into()), ("role", "Nobody".into())]);
            refused(marketo.sync(object, SyncMode::UpdateOnly, vec![role]).await?)
        }
        Object::SalesPerson | Object::Company | Object::Opportunity => {
            marketo.query(object, key, vec![nobody.clone()], &[key]).await?;
            refused(marketo.sync(object, SyncMode::UpdateOnly, vec![record(&[(key, nobody.into())])]).await?)
        }
    }
}

/// That the record isn't there is what is meant to be said.
#[allow(clippy::unnecessary_wraps)] // the answer of a call
fn refused(_: Vec<Verdict>) -> Result<(), CallError> {
    Ok(())
}

/// Whether people can be looked up by the key.
pub(super) async fn look_up(bridge: &Bridge, person_key: &str, findings: &mut Vec<Finding>) {
    let what = format!("Marketo: people are found by {person_key} (MSI Non-Native)");
    let nobody = Guid::from_u128(u128::from(fastrand::u64(..))).to_string();
    match bridge.marketo.people(person_key, vec![nobody.clone()], &["id".to_owned()]).await {
        Ok(_) => {}
        Err(error) => {
            let text = format!("Marketo refuses to look people up by it: {error}");
            let remedy = "have Marketo enable the feature \"MSI Non-Native\", or name a custom field of type string in keys.person";
            return findings.push(Finding::red(what, text, remedy).coded("person-key-not-searchable"));
        }
    }
    // Nobody has this key, so that nothing is changed.
    let record: Map<String, Value> = [(person_key.to_owned(), nobody.into())].into_iter().collect();
    findings.push(match bridge.marketo.sync_people(SyncMode::UpdateOnly, person_key, vec![record]).await {
        Ok(_) => Finding::green(what, "the field is there, and people can be looked up and created by it"),
        Err(error) => Finding::amber(
            what,
            format!("people can be looked up by it, and not created by it (it is no lookup field: {error}): who has no e-mail of its own is held"),
            "give such people an e-mail, or name a custom field of type string in keys.person",
        )
        .coded("no-email-of-its-own"),
    });
}

/// How much of today's quota is used, by everybody.
pub(super) async fn quota(marketo: &Marketo, quota: Option<Quota>, findings: &mut Vec<Finding>) {
    let Ok(Some((day, used))) = marketo.usage().await else { return };
    let what = "Marketo: today's quota";
    let Some(total) = quota.map(|quota| quota.daily_quota).filter(|total| *total > 0 && *total < u64::MAX) else {
        findings.push(Finding::green(what, format!("{used} calls by all integrations on {day}")));
        return;
    };
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    let share = used as f64 / total as f64;
    let text = format!("{used} of {total} calls used by all integrations on {day} ({:.0} %)", share * 100.0);
    findings.push(match share > USED_MUCH {
        false => Finding::green(what, text),
        true => Finding::amber(what, text, "see docs/guide/quota.md for what to do when it is too little").coded("quota"),
    });
}
