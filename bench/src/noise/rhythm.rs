//! When agents work: by hour, weekday, and how long they have been at it.

use super::{HOUR_US, day};
use crate::random::Random;

/// The hours of an agent's work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    /// Share of the busiest hour's sessions in each hour, in thousandths.
    hours: [u64; 24],
    /// Share of a working day's on a Saturday or Sunday, in thousandths.
    weekend: u64,
    /// Growth of a day, in thousandths.
    growth: u64,
    /// Twice as much in the last three days of a month.
    month_end: bool,
}

/// People's hours, and a few late ones.
pub(crate) const OFFICE: Rhythm = Rhythm {
    hours: [
        0, 0, 0, 0, 0, 0, 20, 150, 600, 1000, 1000, 950, 700, 900, 1000, 950, 850, 600, 200, 60,
        20, 0, 0, 0,
    ],
    weekend: 0,
    growth: 5,
    month_end: false,
};
/// The same with month ends.
pub(crate) const BOOKS: Rhythm = Rhythm { growth: 0, month_end: true, ..OFFICE };
/// Around the clock, for customers who sleep at night.
pub(crate) const ALWAYS: Rhythm = Rhythm {
    hours: [
        150, 120, 100, 90, 90, 110, 200, 350, 600, 850, 1000, 1000, 950, 950, 1000, 950, 900, 850,
        800, 750, 600, 450, 300, 200,
    ],
    weekend: 600,
    growth: 8,
    month_end: false,
};
/// Machines' hours: by schedule, and more where people work.
pub(crate) const MACHINES: Rhythm = Rhythm {
    hours: [
        400, 400, 900, 900, 400, 400, 400, 500, 700, 800, 800, 800, 800, 800, 800, 800, 700, 600,
        500, 450, 400, 400, 400, 400,
    ],
    weekend: 800,
    growth: 3,
    month_end: false,
};

impl Rhythm {
    /// When the next session begins after `from`; `per_hour` is the mean of the busiest hour, in thousandths.
    pub(crate) fn next(&self, random: &mut Random, zone_h: u64, per_hour: u64, from: u64) -> u64 {
        let mut at = from;
        loop {
            let rate = self.rate(zone_h, per_hour, at);
            let hour_ends = (at / HOUR_US + 1) * HOUR_US;
            let wait = match rate {
                0 => HOUR_US,
                rate => random.wait(HOUR_US.saturating_mul(1_000_000) / rate),
            };
            if at.saturating_add(wait) < hour_ends {
                return at + wait;
            }
            at = hour_ends;
        }
    }

    /// Sessions an hour at a time, in millionths.
    fn rate(&self, zone_h: u64, per_hour: u64, at: u64) -> u64 {
        let local = at + zone_h * HOUR_US;
        let day = day(local);
        let hour = usize::try_from(local / HOUR_US % 24).unwrap_or_default();
        let share = self.hours.get(hour).copied().unwrap_or_default();
        let week = if day % 7 >= 5 { self.weekend } else { 1000 };
        // Day 29 is the last of March, and day 59 that of April.
        let ends_month = self.month_end && (27..=29).contains(&(day % 30));
        let grown = 1000 + self.growth * day;
        let rate = per_hour * share / 1000 * week * grown / 1000;
        if ends_month { rate * 2 } else { rate }
    }
}

/// Whether people are at their desks, so that somebody answers.
pub(crate) fn is_staffed(at: u64) -> bool {
    day(at) % 7 < 5 && (7..18).contains(&(at / HOUR_US % 24))
}
