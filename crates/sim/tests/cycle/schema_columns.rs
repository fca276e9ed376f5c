//! A Sales Insight column that can't be written any more stops alone, and nothing in it is blanked.

use std::time::Duration;

use dataverse_emulator::schema::Kind;
use engine::check::Grade;
use marketo_emulator::{DataType, FieldSpec};
use serde_json::json;

use crate::{
    schema_changes::{A_DAY, add_field, assert_named, edit, look, make, remove, remove_field, rename},
    world::World,
};

const EVE: u64 = 0x41;

/// A change that stops the column of a score, or of a moment's description, of leads.
struct Written {
    name: &'static str,
    happens: fn(&World),
    code: &'static str,
    told: (&'static str, &'static str),
    mended: fn(&World),
}

const PRIORITY: &str = "mkt_priority";
const DESCRIPTION: &str = "mkt_lastinterestingmomentdesc";

const COLUMNS: &[Written] = &[
    Written {
        name: "removed",
        happens: |world| remove(world, "lead", PRIORITY),
        code: "field-stopped",
        told: ("Dynamics' table lead no longer has the column mkt_priority", "[msi.lead]"),
        mended: |world| make(world, "lead", PRIORITY, "Engagement", Kind::Integer(0, 1_000_000)),
    },
    Written {
        name: "renamed",
        happens: |world| rename(world, "lead", PRIORITY, "new_rank"),
        code: "field-stopped",
        told: ("perhaps it is called new_rank now", "priority = \"new_rank\""),
        mended: |world| rename(world, "lead", "new_rank", PRIORITY),
    },
    Written {
        name: "read-only",
        happens: |world| edit(world, "lead", PRIORITY, |column| column.updatable = false),
        code: "field-stopped",
        told: ("column mkt_priority of lead can no longer be written", "written again"),
        mended: |world| edit(world, "lead", PRIORITY, |column| column.updatable = true),
    },
    Written {
        name: "another type",
        happens: |world| {
            remove(world, "lead", PRIORITY);
            make(world, "lead", PRIORITY, "Engagement", Kind::Boolean);
        },
        code: "field-stopped",
        told: ("and is yes/no now", "[msi.lead]"),
        mended: |world| {
            remove(world, "lead", PRIORITY);
            make(world, "lead", PRIORITY, "Engagement", Kind::Integer(0, 1_000_000));
        },
    },
    Written {
        name: "removed in Marketo",
        happens: |world| remove_field(world, "priority"),
        code: "field-stopped",
        told: ("Marketo's person no longer has the field priority", "[msi.lead]"),
        mended: |world| add_field(world, FieldSpec { read_only: true, ..FieldSpec::new("priority", DataType::Integer) }),
    },
    Written {
        name: "shortened",
        happens: |world| world.sandbox.dataverse.state().resize_column("lead", DESCRIPTION, 10).unwrap(),
        code: "field-shortened",
        told: ("column mkt_lastinterestingmomentdesc of lead was", "longer again"),
        mended: |world| world.sandbox.dataverse.state().resize_column("lead", DESCRIPTION, 2_000).unwrap(),
    },
];

#[tokio::test(start_paused = true)]
async fn a_sales_insight_column_stops_alone() {
    for case in COLUMNS {
        let name = case.name;
        let world = World::small();
        world.lead(EVE, "Eve", json!({}));
        world.clean_cycle().await;
        let happens = |what: &str, priority: i64| {
            let (person, now) = (world.persons_of(EVE)[0], world.now());
            assert!(world.sandbox.marketo.state().interesting_moment(person, "Web", what, "Website", now));
            assert!(world.sandbox.marketo.state().change_score(person, priority, 2, 3, now));
        };
        happens("Read the price list", 17);
        world.clean_cycle().await;
        (case.happens)(&world);
        assert_named(&look(&world).await, if case.code == "field-stopped" { Grade::Red } else { Grade::Amber }, case.code, case.told, name);
        world.pass(Duration::from_secs(60)).await;
        happens("Asked for a price", 18);
        let ran = world.cycle().await;
        let eve = world.dynamics("lead", EVE);
        let stops = case.code == "field-stopped";
        assert_eq!(ran.summary.exit_code, if stops { 3 } else { 0 }, "{name}: {:#?}", ran.summary);
        assert!(ran.summary.written_back.refused.is_empty(), "{name}");
        // A lead's and a contact's column come from one field of Marketo.
        assert!(ran.summary.schema_changes.iter().all(|change| change.code == case.code && change.written_back), "{name}");
        assert!(ran.summary.schema_changes.iter().any(|change| change.text.contains(case.told.0)), "{name}: {:#?}", ran.summary);
        let description = if stops { "Asked for a price" } else { "Asked for " };
        assert_eq!(eve[DESCRIPTION], json!(description), "{name}");
        if !stops {
            assert_eq!(eve[PRIORITY], json!(18), "{name}");
        }
        let again = world.cycle().await;
        assert_eq!((again.summary.written_back.written, again.written()), (0, 0), "{name}");

        (case.mended)(&world);
        world.pass(A_DAY).await;
        if name == "removed in Marketo" {
            happens("Asked for a price", 18);
        }
        world.clean_cycle().await;
        assert_eq!(world.dynamics("lead", EVE)[PRIORITY], json!(18), "{name}: what was missed arrives");
        assert_eq!(world.clean_cycle().await.written(), 0, "{name}");
    }
}
