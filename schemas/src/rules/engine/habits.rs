//! What an agent usually does: its actions by the hour, the hours of each class, its tools and its targets.
//!
//! Bytes an agent, at most: 49 for this hour, 5,568 for the hours of 29 days in which it acted, 100 for the hours of
//! each class, 3,073 for tools and targets: 9 KiB. Only the 49 are written at every action; the rest when an hour
//! begins or something is new.

use super::HOUR_US;
use super::pack::{Pack, Unpack};
use super::rows::{Rows, key};
use crate::id::Micros;
use crate::limits::{HABIT_TARGETS_MAX, HABIT_TOOLS_MAX};
use crate::mark::{Mark, NOTHING};

/// Hours before this one that volume is not held against.
const RECENT_HOURS: u32 = 24;
/// Hours before this one that are remembered.
const HOURS_KEPT: u32 = 29 * 24;
/// Days before this one that tell the usual hours of a class.
const DAYS: u32 = 28;
/// An hour beside one that the class is active in on one day of so many is not odd.
const NEAR: u32 = 4;
const CLASSES: [&str; 5] = ["read", "write", "destructive", "payment", "communication"];

/// What an agent has done so far, and how this action compares.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Habits {
    /// Actions before this one.
    pub(crate) total: u64,
    hour: u32,
    /// Actions of this hour, this one included.
    pub(crate) count: u32,
    /// Three times the 95th percentile of its active hours; zero if there were none.
    pub(crate) usual: u32,
    /// Classes seen in this hour.
    seen: u8,
    tool: Mark,
    group: Mark,
    /// This action is the first of its class in this hour, on hardly any day of which there was one.
    pub(crate) is_odd: bool,
    pub(crate) is_new_tool: bool,
    /// If its group of targets is new: how many were known.
    pub(crate) groups_before: Option<u64>,
}

/// What an action is for its agent's habits.
pub(crate) struct Doing<'a> {
    pub(crate) agent: Mark,
    pub(crate) at: Micros,
    pub(crate) class: &'a str,
    pub(crate) tool: Mark,
    pub(crate) group: Mark,
    /// Active days from which on an hour can be odd.
    pub(crate) days_min: u32,
}

impl Habits {
    /// Takes an action in.
    pub(crate) fn take<R: Rows>(rows: &mut R, doing: &Doing<'_>) -> Result<Self, R::Error> {
        let at = key(b'B', &doing.agent);
        let mut habits = rows.get(&at)?.and_then(Self::unpack).unwrap_or_default();
        let hour = u32::try_from(doing.at.0 / HOUR_US).unwrap_or(u32::MAX);
        if hour != habits.hour {
            habits.turn(rows, doing, hour)?;
        }
        habits.count = habits.count.saturating_add(1);
        habits.take_class(rows, doing)?;
        habits.learn(rows, doing)?;
        habits.pack(&mut Pack(rows.put(at)));
        Ok(habits)
    }

    /// A new hour: the last one joins those of the past.
    fn turn<R: Rows>(
        &mut self,
        rows: &mut R,
        doing: &Doing<'_>,
        hour: u32,
    ) -> Result<(), R::Error> {
        let at = key(b'V', &doing.agent);
        let mut hours = past_hours(rows.get(&at)?.unwrap_or_default());
        if self.count > 0 {
            hours.push((self.hour, self.count));
        }
        hours.retain(|(past, _)| past.saturating_add(HOURS_KEPT) >= hour);
        let mut row = Pack(rows.put(at));
        row.room(hours.len() * 8);
        for (hour, count) in &hours {
            row.u32(*hour).u32(*count);
        }
        self.usual = usual(&hours, hour);
        (self.hour, self.count, self.seen) = (hour, 0, 0);
        Ok(())
    }

    fn take_class<R: Rows>(&mut self, rows: &mut R, doing: &Doing<'_>) -> Result<(), R::Error> {
        let Some(class) = CLASSES.iter().position(|name| *name == doing.class) else {
            return Ok(());
        };
        let bit = 1_u8.checked_shl(u32::try_from(class).unwrap_or_default()).unwrap_or_default();
        if self.seen & bit == 0 {
            let at = key(b'O', &doing.agent).with(&[bit]);
            let mut hours = ClassHours::unpack(rows.get(&at)?.unwrap_or_default());
            hours.turn(self.hour / 24);
            let hour = usize::try_from(self.hour % 24).unwrap_or_default();
            self.is_odd = hours.is_odd(hour, doing.days_min);
            hours.mark(hour);
            hours.pack(&mut Pack(rows.put(at)));
            self.seen |= bit;
        }
        Ok(())
    }

    /// Takes its tool and its group of targets in, where they are others than the last ones.
    fn learn<R: Rows>(&mut self, rows: &mut R, doing: &Doing<'_>) -> Result<(), R::Error> {
        let changed = |last, now| Some(now).filter(|now| *now != last && *now != NOTHING);
        let (tool, group) = (changed(self.tool, doing.tool), changed(self.group, doing.group));
        if tool.is_none() && group.is_none() {
            return Ok(());
        }
        let at = key(b'T', &doing.agent);
        let (tools, groups) = lists(rows.get(&at)?.unwrap_or_default());
        let new_tools = tool.and_then(|tool| learnt(tools, tool, HABIT_TOOLS_MAX));
        let new_groups = group.and_then(|group| learnt(groups, group, HABIT_TARGETS_MAX));
        self.is_new_tool = tool.is_some_and(|tool| !has(tools, tool));
        let known = u64::try_from(groups.len() / 8).unwrap_or(u64::MAX);
        self.groups_before = group.filter(|group| !has(groups, *group)).map(|_| known);
        if new_tools.is_some() || new_groups.is_some() {
            let new_tools = new_tools.unwrap_or_else(|| tools.to_vec());
            let new_groups = new_groups.unwrap_or_else(|| groups.to_vec());
            let mut row = Pack(rows.put(at));
            row.u8(u8::try_from(new_tools.len() / 8).unwrap_or(u8::MAX));
            row.raw(&new_tools).raw(&new_groups);
        }
        self.tool = tool.unwrap_or(self.tool);
        self.group = group.unwrap_or(self.group);
        Ok(())
    }

    fn pack(&self, row: &mut Pack<'_>) {
        row.room(37).u64(self.total.saturating_add(1));
        row.u32(self.hour).u32(self.count).u32(self.usual);
        row.u8(self.seen).raw(&self.tool).raw(&self.group);
    }

    fn unpack(row: &[u8]) -> Option<Self> {
        let mut row = Unpack(row);
        Some(Self {
            total: row.u64()?,
            hour: row.u32()?,
            count: row.u32()?,
            usual: row.u32()?,
            seen: row.u8()?,
            tool: row.array()?,
            group: row.array()?,
            ..Self::default()
        })
    }

    /// What is known of an agent as of its last action: its actions, and the bound that its volume sets.
    pub(crate) fn known<R: Rows>(rows: &mut R, agent: Mark) -> Result<Self, R::Error> {
        let row = rows.get(&key(b'B', &agent))?;
        Ok(row.and_then(Self::unpack).unwrap_or_default())
    }
}

/// The hours in a row, each with its actions.
fn past_hours(row: &[u8]) -> Vec<(u32, u32)> {
    let mut hours = Vec::with_capacity(row.len() / 8 + 1);
    let mut past = Unpack(row);
    while let (Some(hour), Some(count)) = (past.u32(), past.u32()) {
        hours.push((hour, count));
    }
    hours
}

/// Three times the 95th percentile (nearest rank) of the active hours in the 28 days before the last 24 hours.
fn usual(hours: &[(u32, u32)], now: u32) -> u32 {
    let newest = now.saturating_sub(RECENT_HOURS);
    let oldest = newest.saturating_sub(DAYS * 24);
    let within = hours.iter().filter(|(hour, _)| (oldest..newest).contains(hour));
    let mut counts: Vec<u32> = within.map(|(_, count)| *count).collect();
    counts.sort_unstable();
    let rank = (counts.len() * 95).div_ceil(100).saturating_sub(1);
    counts.get(rank).map_or(0, |count| count.saturating_mul(3))
}

/// The tools in a row, and the groups.
fn lists(row: &[u8]) -> (&[u8], &[u8]) {
    let (tools, rest) = row.split_first().unwrap_or((&0, &[]));
    rest.split_at_checked(usize::from(*tools) * 8).unwrap_or_default()
}

fn has(list: &[u8], mark: Mark) -> bool {
    list.chunks_exact(8).any(|known| known == mark)
}

/// A list with a mark put into it, if that changes it. A full one forgets what was not seen for the longest time; so
/// that not every action writes it, only what stands in the older half is moved to the front.
fn learnt(list: &[u8], mark: Mark, max: usize) -> Option<Vec<u8>> {
    let known = list.len() / 8;
    let place = list.chunks_exact(8).position(|known| known == mark);
    let mut list = match place {
        Some(place) if known < max || place >= max / 2 => return None,
        _ => list.to_vec(),
    };
    match place {
        Some(place) => drop(list.drain(place * 8..(place + 1) * 8)),
        None if known >= max => drop(list.drain(..8)),
        None => {}
    }
    list.extend_from_slice(&mark);
    Some(list)
}

/// For each hour of the day, a bit for each of the last days on which a class was active: the lowest is today's.
struct ClassHours {
    day: u32,
    bits: [u32; 24],
}

impl ClassHours {
    fn unpack(row: &[u8]) -> Self {
        let mut words = row.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word));
        let mut hours = Self { day: words.next().unwrap_or_default(), bits: [0; 24] };
        hours.bits.iter_mut().zip(words).for_each(|(bits, word)| *bits = word);
        hours
    }

    fn pack(&self, row: &mut Pack<'_>) {
        let bits = self.bits.map(u32::to_be_bytes);
        row.room(4 + self.bits.len() * 4).u32(self.day).raw(bits.as_flattened());
    }

    fn turn(&mut self, day: u32) {
        let days = day.saturating_sub(self.day);
        for bits in &mut self.bits {
            *bits = bits.checked_shl(days).unwrap_or_default();
        }
        self.day = day;
    }

    /// Whether the class had at least `days_min` active days of the 28 before today, at most one of them in this hour,
    /// and in no hour beside it more than one in [`NEAR`].
    fn is_odd(&self, hour: usize, days_min: u32) -> bool {
        let before = ((1_u32 << DAYS) - 1) << 1;
        let days = (self.bits.iter().fold(0, |days, bits| days | bits) & before).count_ones();
        let at = |hour: usize| {
            let bits = self.bits.get(hour % 24).copied().unwrap_or_default();
            (bits & before).count_ones()
        };
        // Working hours have ragged ends; but whoever creeps from one to the next needs days for each.
        let near = at(hour + 1).max(at(hour + 23));
        days >= days_min && at(hour) <= 1 && near * NEAR < days
    }

    fn mark(&mut self, hour: usize) {
        if let Some(bits) = self.bits.get_mut(hour) {
            *bits |= 1;
        }
    }
}
