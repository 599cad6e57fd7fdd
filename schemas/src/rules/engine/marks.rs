//! Marks of the words that entries have in common: systems, environments, tools, scopes, and who signs but is no agent.

use crate::map::Map;
use crate::mark::{Mark, NOTHING, mark};

/// Words that are known at a time.
const WORDS_MAX: usize = 1024;
/// A longer text is hardly a word.
const WORD_BYTES_MAX: usize = 32;

/// The marks of words met lately, which cost more to hash than to look up. Nothing depends on which they are.
#[derive(Default, Debug)]
pub(crate) struct Marks(Map<Box<str>, Mark>);

impl Marks {
    /// The mark of a word that may be absent.
    pub(crate) fn of(&mut self, word: Option<&str>) -> Mark {
        let Some(word) = word else { return NOTHING };
        if let Some(known) = self.0.get(word) {
            return *known;
        }
        let mark = mark(word);
        if word.len() <= WORD_BYTES_MAX {
            if self.0.len() >= WORDS_MAX {
                self.0.clear();
            }
            self.0.insert(word.into(), mark);
        }
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_its_mark_whether_it_is_known_or_forgotten() {
        let mut marks = Marks::default();
        for _ in 0..2 {
            for n in 0..=WORDS_MAX {
                let word = format!("word-{n}");
                assert_eq!(marks.of(Some(&word)), mark(&word));
                assert!(marks.0.len() <= WORDS_MAX);
            }
        }
        assert_eq!(marks.of(None), NOTHING);
    }
}
