//! How many rejection leaves a subject makes in one second; beyond the bound they are only counted.

use std::collections::HashMap;

use schemas::id::Micros;
use schemas::limits::REJECTIONS_PER_SUBJECT_SECOND_MAX;

/// Rejection leaves by subject, in the current second.
#[derive(Default)]
pub(crate) struct Rejections {
    second: u64,
    by_subject: HashMap<String, u32>,
}

impl Rejections {
    /// Counts one more; true if it is beyond the bound.
    pub(crate) fn floods(&mut self, subject: &str, received_at: Micros) -> bool {
        let second = received_at.0 / 1_000_000;
        if second != self.second {
            self.second = second;
            self.by_subject.clear();
        }
        let count = self.by_subject.entry(subject.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count > REJECTIONS_PER_SUBJECT_SECOND_MAX
    }
}
