//! What every answer to a query shares: its filter, its window, its cursor, and how far it got.

use serde_json::{Map, Value, json};

use crate::api::{Api, scanned_to, tree_json};
use crate::cursor::PageCursor;
use crate::error::Error;
use crate::execute::{Hits, Place, Rest};
use crate::filter::Filter;
use crate::params::Params;
use crate::plan::Plan;
use crate::source::{Order, Walk};
use crate::window::Window;

/// One page of an answer to a query.
pub(crate) struct Search {
    filter: Filter,
    cursor: PageCursor,
    resumed: bool,
    explain: bool,
}

impl Search {
    /// The page that the parameters ask for, of an answer of this `kind`; walked in `order`, or as they say.
    pub(crate) fn of(
        api: &Api,
        params: &Params,
        kind: &str,
        order: Option<Order>,
    ) -> Result<Self, Error> {
        let filter = Filter::of(params, kind, order)?;
        let explain = params.flag("explain")?;
        if explain && params.scope().is_some() {
            let expected = "absent: a plan counts what lies outside your scope, too";
            return Err(Error::InvalidParameter { param: "explain", expected });
        }
        let (cursor, resumed) = match params.get("cursor") {
            Some(text) => (PageCursor::read(text, &filter.digest, &api.ledger)?, true),
            None => (first(api, &filter)?, false),
        };
        Ok(Self { filter, cursor, resumed, explain })
    }

    /// Entries in the tree that the answer speaks of.
    pub(crate) fn size(&self) -> u64 {
        self.cursor.size.0
    }

    /// The tree that the answer speaks of.
    pub(crate) fn as_of(&self) -> Value {
        tree_json(self.cursor.size, &self.cursor.root)
    }

    pub(crate) fn window(&self) -> Window {
        self.cursor.window
    }

    /// Whether it is the first page.
    pub(crate) fn is_first(&self) -> bool {
        !self.resumed
    }

    /// The entries that fit, from the page's place on; `None` where its window is empty.
    pub(crate) fn hits<'l>(&self, api: &'l Api) -> Result<Option<Hits<'l>>, Error> {
        let Window { from, to, .. } = self.cursor.window;
        let Some(whole) = Place::whole(from, to, self.filter.order) else { return Ok(None) };
        let start = if self.resumed { self.cursor.start } else { whole.start };
        let plan = Plan::of(&api.ledger, &self.filter.query.expr)?;
        let walk = Walk::of_query(self.filter.order);
        Ok(Some(Hits::new(&api.ledger, plan, Place { start, ..whole }, walk)))
    }

    /// The answer's `members`, with how to go on and what they speak of.
    pub(crate) fn answer<const N: usize>(
        self,
        api: &Api,
        members: [(&str, Value); N],
        hits: Option<&Hits<'_>>,
        rest: Rest,
    ) -> Result<Value, Error> {
        let next = rest.next.map(|start| PageCursor { start, ..self.cursor }.encode());
        let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut answer: Map<_, _> = members.collect();
        answer.insert("next_cursor".to_owned(), json!(next));
        answer.insert("as_of".to_owned(), self.as_of());
        answer.insert("window".to_owned(), self.window().to_json());
        if rest.spent.is_some() {
            answer.insert("incomplete".to_owned(), scanned_to(rest.spent));
        }
        if let Some(hits) = hits.filter(|_| self.explain) {
            answer.insert("explain".to_owned(), explained(api, hits)?);
        }
        Ok(Value::Object(answer))
    }
}

/// The plan, how many postings the walk looked up, and how many entries were read to check them.
fn explained(api: &Api, hits: &Hits<'_>) -> Result<Value, Error> {
    let plan = hits.plan.to_json(&api.ledger)?;
    Ok(json!({ "plan": plan, "postings_read": hits.walk.steps, "entries_checked": hits.read }))
}

fn first(api: &Api, filter: &Filter) -> Result<PageCursor, Error> {
    let head = api.ledger.head();
    let window = Window::of(&api.ledger, &filter.query, head.size, api.now())?;
    let Window { from, .. } = window;
    Ok(PageCursor { filter: filter.digest, size: head.size, root: head.root, window, start: from })
}
