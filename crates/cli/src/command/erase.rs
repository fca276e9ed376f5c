//! `erase`: one person, from Marketo by policy and from our state.

use engine::{
    Bridge, Progress,
    erase::{self, Erasure},
    options::{PersonParting, RunOptions},
};

use crate::{
    args::Erase,
    exit::{Failure, IN_STEP, ONLY_SHOWN},
    out::Out,
};

/// Runs it. No pass changes meanwhile what was found.
pub(crate) async fn erase(bridge: &Bridge, args: &Erase, out: &Out) -> Result<u8, Failure> {
    let _turn = bridge.turn().await;
    let bridge = &bridge.pass(RunOptions::default(), Progress::silent());
    let marketo = args.marketo.as_deref().map(|how| match how {
        "delete" => PersonParting::Delete,
        "keep" => PersonParting::Keep,
        _ => PersonParting::Unlink,
    });
    let Some(erasure) = erase::find(bridge, args.id.trim(), marketo).await? else {
        let text = format!("neither the state nor Marketo knows {}; give the GUID of the lead or contact, or Marketo's id", args.id);
        return Err(Failure::Other(anyhow::anyhow!(text)));
    };
    if args.yes {
        erase::erase(bridge, &erasure).await?;
    }
    match args.json {
        true => out.data(serde_json::to_string_pretty(&erasure).map_err(anyhow::Error::from)?),
        false => out.data(told(&erasure, args.yes)),
    }
    Ok(if args.yes { IN_STEP } else { ONLY_SHOWN })
}

fn told(erasure: &Erasure, done: bool) -> String {
    let list = |ids: Vec<String>| if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
    let marketo = match (erasure.marketo, done) {
        (PersonParting::Delete, true) => "deleted",
        (PersonParting::Delete, false) => "to be deleted",
        (PersonParting::Unlink, true) => "unlinked: the external id is cleared",
        (PersonParting::Unlink, false) => "to be unlinked: the external id is cleared",
        (PersonParting::Keep, _) => "kept as they are",
    };
    let end = match done {
        true if erasure.marketo == PersonParting::Unlink && !erasure.persons.is_empty() => {
            "Our state has forgotten it, and it isn't sent again while Dynamics still has it. Marketo still has the person and its data; to \
             delete it there too, run erase with Marketo's id and --marketo delete."
        }
        true if erasure.records.is_empty() => {
            "Erased in Marketo. Our state knows no Dynamics record of it: if there is one, give its GUID to erase, or it may be sent again."
        }
        true => "Erased. It isn't sent again while Dynamics still has it; only its GUID is remembered for that.",
        false => "Nothing was changed. To do it, run the same command with --yes.",
    };
    format!(
        "Dynamics records: {}\nMarketo persons: {} ({marketo})\n{end}",
        list(erasure.records.iter().map(ToString::to_string).collect()),
        list(erasure.persons.iter().map(ToString::to_string).collect()),
    )
}
