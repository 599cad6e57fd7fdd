//! How many grants of each signer count against its limit, that one signer cannot fill the registry: those in force, and
//! those that were given within a day, whatever became of them, for each stays in the registry for ever.

use std::collections::BTreeSet;

use super::sound::DAY_US;
use super::{GrantRecord, Map};
use crate::id::{EventId, Micros};

/// Grants by who gave them, each with until when it counts. Those that count no more go with the next one given.
#[derive(Clone, Default, Debug)]
pub(super) struct Given(Map<String, BTreeSet<(Micros, EventId)>>);

impl Given {
    /// Takes a grant in as it is now.
    pub(super) fn take(&mut self, record: &GrantRecord) {
        let id = record.grant.id;
        let day = Micros(record.granted_at.0.saturating_add(DAY_US));
        let end = record.grant.expires.unwrap_or(Micros(u64::MAX)).max(day);
        let given = self.0.entry(record.by.clone()).or_default();
        if record.revoked.is_none() {
            given.insert((end, id));
        } else {
            given.remove(&(end, id));
            given.insert((day, id));
        }
    }

    /// Forgets those of a signer that count no more: the ledger's clock never goes back.
    pub(super) fn forget(&mut self, signer: &str, now: Micros) {
        if let Some(given) = self.0.get_mut(signer) {
            *given = given.split_off(&after(now));
        }
    }

    /// How many of a signer's grants count.
    pub(super) fn counted(&self, signer: &str, now: Micros) -> usize {
        self.0.get(signer).map_or(0, |given| {
            let over = given.range(..after(now)).count();
            given.len().saturating_sub(over)
        })
    }
}

/// What ends at `now` has ended.
fn after(now: Micros) -> (Micros, EventId) {
    (Micros(now.0.saturating_add(1)), EventId([0; 16]))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::as_conversions,
        reason = "tests"
    )]

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::body::{Body, from_json};
    use crate::id::Index;
    use crate::limits::GRANTS_PER_SIGNER_MAX;
    use crate::registry::Registry;
    use crate::reject::{Reason, Reject};

    const END: u64 = 3 * DAY_US;

    fn grant(by: &str, n: u64, expires: Option<u64>) -> Vec<u8> {
        let bounds = expires.map_or(json!({}), |end| json!({ "expires": end }));
        grant_with(by, n, &bounds)
    }

    fn grant_with(by: &str, n: u64, bounds: &Json) -> Vec<u8> {
        let id = |kind: &str| format!("019d6b2c-ee80-7{kind}-8000-{n:012x}");
        let mut grant = json!({ "id": id("001"), "to": "worker", "scope": ["mail:send"] });
        for (name, bound) in bounds.as_object().unwrap() {
            grant[name] = bound.clone();
        }
        from_json(&json!({
            "v": 1, "kind": "delegation.granted", "id": id("002"), "salt": "00".repeat(16), "tenant": "t",
            "time": 1, "signer": by, "session": "019d6b2cee8070038000000000000000",
            "seq": { "n": 1, "prev": "00".repeat(32) }, "grant": grant,
        }))
        .unwrap()
    }

    fn revocation(by: &str, n: u64) -> Vec<u8> {
        from_json(&json!({
            "v": 1, "kind": "delegation.revoked", "id": "019d6b2c-ee80-7004-8000-000000000000",
            "salt": "00".repeat(16), "tenant": "t", "time": 1, "signer": by,
            "session": "019d6b2cee8070038000000000000000",
            "seq": { "n": 1, "prev": "00".repeat(32) },
            "grant": { "id": format!("019d6b2c-ee80-7001-8000-{n:012x}") },
        }))
        .unwrap()
    }

    struct World(Registry);

    impl World {
        fn give(&mut self, by: &str, n: u64, expires: Option<u64>, now: u64) -> Result<(), Reject> {
            let bytes = grant(by, n, expires);
            let body = Body::parse(&bytes).unwrap();
            self.0.change_is_sound(&body, Micros(now))?;
            self.0.apply(Index(n), Micros(now), &body);
            Ok(())
        }

        fn take_back(&mut self, by: &str, n: u64, now: u64) {
            let bytes = revocation(by, n);
            self.0.apply(Index(n), Micros(now), &Body::parse(&bytes).unwrap());
        }
    }

    #[test]
    fn one_signer_has_so_many_grants_in_force() {
        let max = u64::try_from(GRANTS_PER_SIGNER_MAX).unwrap();
        let mut world = World(Registry::default());
        for n in 0..max {
            world.give("ann", n, (n % 2 == 0).then_some(END), 1).unwrap();
        }
        let refused = world.give("ann", max, None, END - 1).unwrap_err();
        assert_eq!((refused.reason, refused.cause.path.as_str()), (Reason::InvalidField, "grant"));
        let expected =
            "at most 10000 grants of one signer that are in force or were given within a day";
        assert_eq!(refused.cause.expected, expected);
        world.give("bob", max, None, END - 1).unwrap();
        // One that was taken back makes room for one.
        world.take_back("ann", 1, END - 1);
        world.give("ann", max + 1, None, END - 1).unwrap();
        world.give("ann", max + 2, None, END - 1).unwrap_err();
        // Those that ended make room, and a registry read back from its records counts the same.
        let mut again = World(Registry::default());
        for record in world.0.grants() {
            again.0.insert(crate::registry::Record::Grant(Box::new(record.clone())));
        }
        for world in [&mut world, &mut again] {
            assert_eq!(world.0.given.counted("ann", Micros(END - 1)), GRANTS_PER_SIGNER_MAX);
            assert_eq!(world.0.given.counted("ann", Micros(END)), GRANTS_PER_SIGNER_MAX / 2);
            world.give("ann", max + 3, None, END).unwrap();
            assert_eq!(world.0.given.counted("ann", Micros(END)), GRANTS_PER_SIGNER_MAX / 2 + 1);
        }
    }

    #[test]
    fn what_ended_at_once_counts_for_a_day() {
        let max = u64::try_from(GRANTS_PER_SIGNER_MAX).unwrap();
        let mut world = World(Registry::default());
        for n in 0..max {
            if n % 2 == 0 {
                world.give("ann", n, Some(2), 1).unwrap();
            } else {
                world.give("ann", n, None, 1).unwrap();
                world.take_back("ann", n, 1);
            }
        }
        let mut again = World(Registry::default());
        for record in world.0.grants() {
            again.0.insert(crate::registry::Record::Grant(Box::new(record.clone())));
        }
        for world in [&mut world, &mut again] {
            assert_eq!(world.give("ann", max, None, DAY_US).unwrap_err().cause.path, "grant");
            world.give("ann", max, None, DAY_US + 1).unwrap();
            assert_eq!(world.0.given.counted("ann", Micros(DAY_US + 1)), 1);
        }
    }

    #[test]
    fn what_has_ended_already_or_is_too_long_is_not_given() {
        let mut world = World(Registry::default());
        assert_eq!(world.give("ann", 1, Some(7), 7).unwrap_err().cause.path, "grant.expires");
        world.give("ann", 1, Some(8), 7).unwrap();
        for (targets, expected) in [(7, None), (8, Some("grant"))] {
            let targets = vec!["x".repeat(512); targets];
            let bytes = grant_with("ann", targets.len() as u64, &json!({ "targets": targets }));
            let body = Body::parse(&bytes).unwrap();
            let refused = world.0.change_is_sound(&body, Micros(7)).err();
            assert_eq!(refused.map(|refused| refused.cause.path).as_deref(), expected);
        }
    }
}
