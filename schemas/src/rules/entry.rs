//! A finding as an entry: what the ledger writes, and whether an entry is the finding that the log gives.

use super::Finding;
use crate::body::Body;
use crate::encode::{Value, bytes, encode, map, value};
use crate::kind::Kind;
use crate::limits::CAUSES_MAX;

impl Finding {
    /// The fields of its entry besides those that every entry of the ledger's own has.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        let causes = self.causes.iter().take(CAUSES_MAX).map(|id| bytes(&id.0));
        let rule =
            [("name", Value::from(self.rule.name)), ("version", Value::from(self.rule.version))];
        let mut fields = vec![("causes", Value::Array(causes.collect())), ("rule", map(rule))];
        let detail = self.detail.as_deref().filter(|detail| !detail.is_empty());
        let agent = self.agent.as_deref().map(|id| map([("id", Value::from(id))]));
        let correlation = self.correlation.as_deref().map(Value::from);
        fields.extend(agent.map(|agent| ("agent", agent)));
        fields.extend(correlation.map(|correlation| ("correlation", correlation)));
        fields.extend(detail.map(|detail| ("reason", Value::from(detail))));
        fields.extend(self.contract.map(|digest| ("contract", bytes(digest.as_bytes()))));
        fields.extend(self.count.map(|count| ("count", Value::from(count))));
        fields
    }

    /// Whether an entry says this.
    #[must_use]
    pub fn is_said_by(&self, body: &Body<'_>) -> bool {
        let told = ["causes", "rule", "agent", "correlation", "reason", "contract", "count"];
        let said = told.into_iter().filter_map(|name| Some((name, value(body.field(name)?))));
        body.kind() == Kind::Finding && encode(&map(said)) == encode(&map(self.fields()))
    }
}
