//! How many grants of each signer are in force: so many may be, that one signer cannot fill the registry.

use std::collections::BTreeSet;

use super::{GrantRecord, Map};
use crate::id::{EventId, Micros};

/// Grants that are not revoked, by who gave them, with when they end. Those that ended go with the next one given.
#[derive(Clone, Default, Debug)]
pub(super) struct Given(Map<String, BTreeSet<(Micros, EventId)>>);

impl Given {
    /// Takes a grant in as it is now.
    pub(super) fn take(&mut self, record: &GrantRecord) {
        let end = (record.grant.expires.unwrap_or(Micros(u64::MAX)), record.grant.id);
        if record.revoked.is_none() {
            self.0.entry(record.by.clone()).or_default().insert(end);
        } else if let Some(given) = self.0.get_mut(&record.by) {
            given.remove(&end);
        }
    }

    /// Forgets what a signer's grants were that have ended: the ledger's clock never goes back.
    pub(super) fn forget_ended(&mut self, signer: &str, now: Micros) {
        if let Some(given) = self.0.get_mut(signer) {
            *given = given.split_off(&after(now));
        }
    }

    /// How many of a signer's grants are in force.
    pub(super) fn in_force(&self, signer: &str, now: Micros) -> usize {
        self.0.get(signer).map_or(0, |given| {
            let ended = given.range(..after(now)).count();
            given.len().saturating_sub(ended)
        })
    }
}

/// What ends at `now` has ended.
fn after(now: Micros) -> (Micros, EventId) {
    (Micros(now.0.saturating_add(1)), EventId([0; 16]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::body::{Body, from_json};
    use crate::id::Index;
    use crate::limits::GRANTS_PER_SIGNER_MAX;
    use crate::registry::Registry;
    use crate::reject::{Reason, Reject};

    const END: u64 = 1_000;

    fn grant(by: &str, n: u64, expires: Option<u64>) -> Vec<u8> {
        let id = |kind: &str| format!("019d6b2c-ee80-7{kind}-8000-{n:012x}");
        let mut grant = json!({ "id": id("001"), "to": "worker", "scope": ["mail:send"] });
        if let Some(expires) = expires {
            grant["expires"] = expires.into();
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
        assert_eq!(refused.cause.expected, "at most 10000 grants of one signer in force");
        world.give("bob", max, None, END - 1).unwrap();
        // One that was taken back makes room for one.
        let bytes = revocation("ann", 1);
        world.0.apply(Index(max), Micros(END - 1), &Body::parse(&bytes).unwrap());
        world.give("ann", max + 1, None, END - 1).unwrap();
        world.give("ann", max + 2, None, END - 1).unwrap_err();
        // Those that ended make room, and a registry read back from its records counts the same.
        let mut again = World(Registry::default());
        for record in world.0.grants() {
            again.0.insert(crate::registry::Record::Grant(Box::new(record.clone())));
        }
        for world in [&mut world, &mut again] {
            assert_eq!(world.0.given.in_force("ann", Micros(END - 1)), GRANTS_PER_SIGNER_MAX);
            assert_eq!(world.0.given.in_force("ann", Micros(END)), GRANTS_PER_SIGNER_MAX / 2);
            world.give("ann", max + 3, None, END).unwrap();
            assert_eq!(world.0.given.in_force("ann", Micros(END)), GRANTS_PER_SIGNER_MAX / 2 + 1);
        }
    }
}
