//! How many entries fit a query, and how many in each span of time.

use schemas::limits::HISTOGRAM_BUCKETS_MAX;
use schemas::query::Bound;
use schemas::shape::time_json;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::member::{number, text};
use crate::cli::out::{Format, note};
use crate::cli::pages::Pages;
use crate::exit::Exit;
use crate::table::Table;

/// Characters of the longest bar.
const BAR: u64 = 40;

/// Prints the number.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn count(
    params: Vec<(&'static str, String)>,
    context: &Context,
) -> Result<Exit, Failure> {
    let (client, out) = (context.client()?, context.out());
    let mut pages = Pages::new(&client, "/api/v1/count", params);
    let (mut count, mut damaged) = (0u64, 0u64);
    while let Some(page) = pages.next(None)? {
        count += number(&page, "count");
        damaged += number(&page, "damaged");
    }
    match out.format() {
        Format::Table => out.line(&count.to_string())?,
        _ => out.json(&json!({ "count": count, "damaged": damaged }))?,
    }
    Ok(unread(damaged))
}

/// Prints a bar for each step of time.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn histogram(
    params: Vec<(&'static str, String)>,
    context: &Context,
) -> Result<Exit, Failure> {
    let (client, out) = (context.client()?, context.out());
    let mut pages = Pages::new(&client, "/api/v1/histogram", params);
    let (mut buckets, mut step, mut damaged) = (Vec::new(), 0, 0);
    while let Some(mut page) = pages.next(None)? {
        step = number(&page, "step_s") * 1_000_000;
        damaged += number(&page, "damaged");
        for bucket in pages.items(&mut page)? {
            add(&mut buckets, &bucket);
        }
    }
    if out.format() != Format::Table {
        let items = buckets.iter().map(|(at, n)| json!({ "start": at_json(*at), "entries": n }));
        out.jsons(&items.collect::<Vec<_>>())?;
        return Ok(unread(damaged));
    }
    let most = buckets.iter().map(|(_, entries)| *entries).max().unwrap_or_default().max(1);
    let mut table = Table::new(["FROM", "ENTRIES", ""]);
    for (at, entries) in filled(&buckets, step) {
        let length = usize::try_from((entries * BAR).div_ceil(most)).unwrap_or_default();
        let start = at_json(at);
        let cells = [start.as_str().unwrap_or_default(), &entries.to_string(), &"#".repeat(length)];
        table.row(cells);
    }
    table.lines().try_for_each(|line| out.line(line.trim_end_matches(" -")))?;
    Ok(unread(damaged))
}

fn at_json(at: u64) -> Json {
    time_json(schemas::id::Micros(at))
}

/// A bucket may be parted between two pages.
fn add(buckets: &mut Vec<(u64, u64)>, bucket: &Json) {
    let Some(Bound::Time(start)) = text(bucket, "start").and_then(Bound::parse) else { return };
    let entries = number(bucket, "entries");
    match buckets.last_mut() {
        Some((last, count)) if *last == start.0 => *count += entries,
        _ => buckets.push((start.0, entries)),
    }
}

/// With the steps that hold nothing, unless these are too many to show.
fn filled(buckets: &[(u64, u64)], step: u64) -> Vec<(u64, u64)> {
    let (Some((first, _)), Some((last, _))) = (buckets.first(), buckets.last()) else {
        return Vec::new();
    };
    let steps = (last - first).checked_div(step).and_then(|steps| usize::try_from(steps).ok());
    if steps.is_none_or(|steps| steps >= HISTOGRAM_BUCKETS_MAX) {
        note("steps that hold nothing are not shown");
        return buckets.to_vec();
    }
    let mut known = buckets.iter().copied().peekable();
    let mut all = Vec::new();
    let mut at = *first;
    while at <= *last {
        let here = known.next_if(|(start, _)| *start == at);
        all.push((at, here.map_or(0, |(_, entries)| entries)));
        at += step;
    }
    all
}

/// What cannot be read may fit or not.
pub(crate) fn unread(damaged: u64) -> Exit {
    if damaged == 0 {
        return Exit::Ok;
    }
    note(&format!("{damaged} entries cannot be read, so nothing tells whether they fit"));
    Exit::Undecidable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_between_are_shown_as_empty() {
        assert_eq!(filled(&[(10, 1), (30, 2)], 10), [(10, 1), (20, 0), (30, 2)]);
        assert_eq!(filled(&[(0, 1), (1_000_000, 2)], 10), [(0, 1), (1_000_000, 2)]);
        assert_eq!(filled(&[], 10), []);
    }
}
