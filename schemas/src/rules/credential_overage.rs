//! `credential_overage`: a credential was used past its end, or lives longer than the contract allows.

use super::{Flag, Rule, Sorts, View};
use crate::id::Micros;
use crate::kind::Kind;
use crate::registry::Holder;

pub(super) static RULE: Rule = Rule::at_entry(
    "credential_overage",
    check,
    "The credential had ended when it was used, or its life from issue to end is longer \
     than the contract's max_credential_age. The second is told when it is registered as \
     well. Issue a shorter one, and see which system still takes one that has ended.",
).about(Sorts::USE.or(Sorts::CREDENTIAL)).by_contract();

fn check(view: &View<'_>) -> Option<Flag> {
    let is_registered = view.facts.kind == Kind::CredentialRegistered;
    if !view.uses_credential() && !is_registered {
        return None;
    }
    let time = |name: &str| view.facts.credential_told?.get(name)?.uint().map(Micros);
    let claimed = (time("issued"), time("expires"));
    let held = holder(view).filter(|_| !is_registered).map(|holder| (holder.issued, holder.expires));
    let lives = std::iter::once(claimed).chain(held);
    let max = view.contract.and_then(|contract| contract.max_credential_age);
    Flag::each(lives.filter_map(|life| fault(life, max, view.facts.at)))
}

/// Who holds the credential: its agent, else whoever else does.
fn holder<'v>(view: &View<'v>) -> Option<&'v Holder> {
    let record = view.credential?;
    let own = record.holders.iter().find(|holder| Some(holder.agent.as_str()) == view.facts.agent);
    own.or_else(|| record.holders.first())
}

fn fault(life: (Option<Micros>, Option<Micros>), max: Option<u64>, at: Micros) -> Option<&'static str> {
    let (issued, expires) = life;
    if expires.is_some_and(|end| end <= at) {
        return Some("expired");
    }
    // Of one without an end, as long as it has lived already.
    let (from, to) = (issued?, expires.unwrap_or(at));
    (to.0.saturating_sub(from.0) > max?).then_some("lifetime")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::tests::testing::*;

    fn world(credential: &serde_json::Value) -> (World, Vec<String>) {
        let mut world = World::new();
        world.contract("a", "owner", &json!({ "max_credential_age": "1h" }));
        let registered = json!({ "agent": { "id": "a" }, "credential": credential });
        let found = world.entry("credential.registered", "op", registered);
        (world, found)
    }

    #[test]
    fn ninety_days_are_more_than_an_hour() {
        let long = json!({ "id": "c", "issued": "2026-04-08T03:00:00Z", "expires": "2026-07-07T03:00:00Z" });
        let (mut long_lived, found) = world(&long);
        assert_eq!(found, ["credential_overage lifetime"]);
        let used = json!({ "credential": { "id": "c" } });
        assert_eq!(long_lived.intent("a", &used), ["credential_overage lifetime"]);
        let short = json!({ "id": "c", "issued": "2026-04-08T03:00:00Z", "expires": "2026-04-08T04:00:00Z" });
        let (mut short_lived, found) = world(&short);
        assert_eq!(found, NONE);
        assert_eq!(short_lived.intent("a", &used), NONE);
        short_lived.now = time("2026-04-08T04:00:00Z");
        assert_eq!(short_lived.intent("a", &used), ["credential_overage expired"]);
    }
}
