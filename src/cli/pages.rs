//! The pages of one query, all of the same state of the log.

use schemas::limits::PAGE_ENTRIES_MAX;
use schemas::printable::printable;
use serde_json::Value as Json;

use crate::cli::failure::Failure;
use crate::cli::incomplete::{self, worst};
use crate::cli::member::{number, text};
use crate::cli::out::note;
use crate::client::{Client, ClientError};
use crate::exit::Exit;

/// Reads page after page of what `path` answers.
pub(crate) struct Pages<'c> {
    client: &'c Client,
    path: &'static str,
    params: Vec<(&'static str, String)>,
    cursor: Option<String>,
    /// Whether there was a page; the window and the plan are told with the first.
    begun: bool,
}

impl<'c> Pages<'c> {
    pub(crate) fn new(
        client: &'c Client,
        path: &'static str,
        params: Vec<(&'static str, String)>,
    ) -> Self {
        Self { client, path, params, cursor: None, begun: false }
    }

    /// The next page, of at most `limit` entries where pages hold entries; `None` after the last.
    ///
    /// # Errors
    /// [`Failure::Client`].
    pub(crate) fn next(&mut self, limit: Option<usize>) -> Result<Option<Json>, Failure> {
        if self.begun && self.cursor.is_none() {
            return Ok(None);
        }
        let limit = limit.map(|limit| limit.to_string());
        let mut params: Vec<_> = self.params.iter().map(|(k, v)| (*k, v.as_str())).collect();
        params.extend(limit.as_deref().map(|limit| ("limit", limit)));
        params.extend(self.cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = self.client.json(self.path, &params)?;
        self.cursor = page.get("next_cursor").and_then(Json::as_str).map(str::to_owned);
        if !self.begun {
            window(&page);
            plan(&page);
        }
        self.begun = true;
        Ok(Some(page))
    }

    /// All pages as one answer, of which there is no next one.
    ///
    /// # Errors
    /// [`Failure::Client`].
    pub(crate) fn whole(mut self) -> Result<Json, Failure> {
        let (mut answer, mut all) = (Json::Null, Vec::new());
        while let Some(mut page) = self.next(Some(PAGE_ENTRIES_MAX))? {
            all.extend(self.items(&mut page)?);
            if answer.is_null() {
                answer = page;
            }
        }
        if let Json::Object(answer) = &mut answer {
            answer.retain(|name, _| !matches!(name.as_str(), "next_cursor" | "incomplete"));
            answer.insert("items".to_owned(), all.into());
        }
        Ok(answer)
    }

    /// Whether the last page was not the end.
    pub(crate) fn is_cut(&self) -> bool {
        self.cursor.is_some()
    }

    /// The page's items.
    ///
    /// # Errors
    /// [`Failure::Client`] where there are none.
    pub(crate) fn items(&self, page: &mut Json) -> Result<Vec<Json>, Failure> {
        match page.get_mut("items").map(Json::take) {
            Some(Json::Array(items)) => Ok(items),
            _ => {
                let (path, expected) = (self.path.to_owned(), "a page of items");
                Err(ClientError::Answer { path, expected }.into())
            }
        }
    }
}

/// Says which of the items are not known whole.
pub(crate) fn ending(items: &[Json], what: &str) -> Exit {
    let mut exit = Exit::Ok;
    for item in items {
        let index = number(item, "index");
        let told = format!("#{index}: too many entries cite it to tell {what}");
        exit = worst([exit, incomplete::ending(item, &told)]);
    }
    exit
}

/// What was looked at, so that nothing found is not mistaken for nothing there.
fn window(page: &Json) {
    if page.get("window").is_none() {
        return;
    }
    let number = |path: &str| page.pointer(path).and_then(Json::as_u64).unwrap_or_default();
    let (from, to, size) = (number("/window/from"), number("/window/to"), number("/as_of/size"));
    let time = |name: &str| text(page, name).map(printable);
    let since = time("window.since").map(|since| format!(" since {since}")).unwrap_or_default();
    let until = time("window.until").map(|until| format!(" until {until}")).unwrap_or_default();
    let range = match to.checked_sub(1).filter(|last| *last >= from) {
        Some(last) => format!("entries #{from} to #{last}"),
        None => "no entries".to_owned(),
    };
    note(&format!("window: {range}{since}{until}, of {size}"));
}

/// How the first page was found, if that was asked for.
fn plan(page: &Json) {
    let Some(explain) = page.get("explain") else { return };
    note("plan:");
    if let Some(read) = explain.pointer("/plan/read") {
        step(read, 1);
    }
    for check in explain.pointer("/plan/check").and_then(Json::as_array).into_iter().flatten() {
        note(&format!("  check {}", printable(check.as_str().unwrap_or_default())));
    }
    let (read, checked) = (number(explain, "postings_read"), number(explain, "entries_checked"));
    note(&format!("  {read} postings looked up, {checked} entries checked"));
}

fn step(step: &Json, depth: usize) {
    let indent = "  ".repeat(depth);
    let Some((name, value)) = step.as_object().and_then(|step| step.iter().next()) else { return };
    match value {
        Json::Array(steps) if steps.iter().any(Json::is_object) => {
            note(&format!("{indent}{} of", printable(name)));
            steps.iter().for_each(|inner| self::step(inner, depth + 1));
        }
        Json::String(text) => {
            let postings = step.get("postings").and_then(Json::as_u64);
            let count = postings.map(|count| format!(" ({count} entries)")).unwrap_or_default();
            note(&format!("{indent}{} {}{count}", printable(name), printable(text)));
        }
        value => note(&format!("{indent}{} {value}", printable(name))),
    }
}
