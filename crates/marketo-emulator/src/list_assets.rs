//! Static lists as assets: made, renamed, deleted and browsed the way the Asset API does it.
//!
//! The Asset API takes forms, pages by offset, and says that it found nothing in a warning. Folders are taken as given: there are none.

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::Call,
    lists::{StaticList, WORKSPACE},
    route::ListStep,
    state::State,
    text::{fold, instant},
};

/// Assets on a page when nothing else is asked for, and at most: Adobe's "assets" page.
const PAGE: (i64, i64) = (20, 200);

impl State {
    /// Everything the Asset API does with static lists.
    pub(crate) fn list_asset_call(&mut self, step: &ListStep, call: &Call<'_>, now: i64) -> Answer {
        match step {
            ListStep::Browse => self.browse_list_assets(call),
            ListStep::ByName => self.list_asset_by_name(call),
            ListStep::ById(id) => self.list_asset_by_id(id, call),
            ListStep::Create => self.create_list_asset(call, now),
            ListStep::Update(id) => self.update_list_asset(id, call, now),
            ListStep::Delete(id) => self.delete_list_asset(id),
        }
    }

    /// `GET /rest/asset/v1/staticLists`.
    fn browse_list_assets(&self, call: &Call<'_>) -> Answer {
        let offset = usize::try_from(call.number("offset")?.unwrap_or(0)).unwrap_or(0);
        let size = usize::try_from(call.number("maxReturn")?.unwrap_or(PAGE.0).clamp(1, PAGE.1)).unwrap_or(1);
        let bound = |name: &str| match call.param(name) {
            Some(text) => instant(text).map(Some).ok_or_else(|| Reason::of("704")),
            None => Ok(None),
        };
        let (from, to) = (bound("earliestUpdatedAt")?, bound("latestUpdatedAt")?);
        let within = |list: &StaticList| from.is_none_or(|from| list.updated >= from) && to.is_none_or(|to| list.updated <= to);
        let found = self.lists.rows.iter().filter(|(_, list)| within(list)).skip(offset).take(size);
        Ok(found_or_warned(found.map(|(id, list)| self.list_asset(*id, list, call)).collect()).into())
    }

    /// `GET /rest/asset/v1/staticList/{id}`.
    fn list_asset_by_id(&self, id: &str, call: &Call<'_>) -> Answer {
        let found = self.lists.find(id).ok().map(|(id, list)| self.list_asset(id, list, call));
        Ok(found_or_warned(found.into_iter().collect()).into())
    }

    /// `GET /rest/asset/v1/staticList/byName`.
    fn list_asset_by_name(&self, call: &Call<'_>) -> Answer {
        let found = self.lists.named(call.required("name")?).map(|(id, list)| self.list_asset(id, list, call));
        Ok(found_or_warned(found.into_iter().collect()).into())
    }

    /// `POST /rest/asset/v1/staticLists`: 709 for a name that is taken.
    fn create_list_asset(&mut self, call: &Call<'_>, now: i64) -> Answer {
        let name = call.required("name")?;
        call.required("folder")?;
        self.name_is_free(name, None)?;
        let id = self.make_list(name, call.param("description").map(str::to_owned), now);
        self.list_asset_by_id(&id.to_string(), call)
    }

    /// `POST /rest/asset/v1/staticList/{id}`: a new name, a new description.
    fn update_list_asset(&mut self, id: &str, call: &Call<'_>, now: i64) -> Answer {
        let (number, _) = self.lists.find(id)?;
        if let Some(name) = call.param("name") {
            self.name_is_free(name, Some(number))?;
        }
        if let Some(list) = self.lists.rows.get_mut(&number) {
            list.name = call.param("name").map_or_else(|| list.name.clone(), str::to_owned);
            list.description = call.param("description").map(str::to_owned).or_else(|| list.description.take());
            list.updated = now;
        }
        self.list_asset_by_id(id, call)
    }

    /// `POST /rest/asset/v1/staticList/{id}/delete`.
    fn delete_list_asset(&mut self, id: &str) -> Answer {
        let (id, _) = self.lists.find(id)?;
        self.lists.rows.remove(&id);
        Ok(Reply::one(json!({"id": id})).into())
    }

    fn name_is_free(&self, name: &str, own: Option<i64>) -> Result<(), Reason> {
        match self.lists.rows.iter().find(|(id, list)| Some(**id) != own && fold(&list.name) == fold(name)) {
            Some(_) => Err(Reason::new("709", format!("Static List with name '{name}' already exists"))),
            None => Ok(()),
        }
    }

    fn list_asset(&self, id: i64, list: &StaticList, call: &Call<'_>) -> Value {
        // Assets write their times with both a Z and an offset.
        let at = |second| format!("{}+0000", crate::text::stamp(second));
        json!({
            "id": id, "name": list.name, "description": list.description, "createdAt": at(list.created), "updatedAt": at(list.updated),
            "workspace": WORKSPACE, "folder": {"id": 1, "type": "Folder"}, "computedUrl": format!("{}/#ST{id}A1", call.request.origin),
        })
    }
}

/// The Asset API leaves an empty result out and warns instead.
fn found_or_warned(found: Vec<Value>) -> Reply {
    if found.is_empty() {
        return Reply { warnings: vec!["No assets found for the given search criteria.".into()], ..Reply::default() };
    }
    Reply::of(found)
}
