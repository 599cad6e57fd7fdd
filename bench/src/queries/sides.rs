//! Both who are asked, in turns.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use super::WARM_UP;
use super::http::Client;
use super::postgres::Postgres;
use super::question::Question;
use super::table::Row;
use crate::round::Failure;

/// Seconds after which a sort is not asked any more, whichever side took them; the first third is not measured.
const SECONDS_MAX: f64 = 90.0;

/// One sort of question.
pub(super) struct Asked {
    pub(super) row: Row,
    questions: Vec<Question>,
    spent: f64,
}

impl Asked {
    pub(super) fn new(name: &'static str, questions: Vec<Question>) -> Self {
        Self { row: Row::new(name, questions.len()), questions, spent: 0.0 }
    }

    /// What it asks in a round, unless enough time was spent on it.
    fn question(&self, round: usize) -> Option<&Question> {
        let question = self.questions.get(round % self.questions.len().max(1));
        question.filter(|_| self.spent < SECONDS_MAX)
    }

    fn is_measured(&self, round: usize) -> bool {
        round >= WARM_UP || self.spent > SECONDS_MAX / 3.0
    }
}

/// What one side answered.
struct Answer {
    seconds: f64,
    numbers: Vec<u64>,
    is_measured: bool,
}

/// Answers by round, and by the place of their sort.
type Answers = HashMap<(usize, usize), Answer>;

/// Both who are asked.
pub(super) struct Sides {
    pub(super) client: Client,
    pub(super) postgres: Option<Postgres>,
}

impl Sides {
    /// The bytes of a page, which is the first sort of question.
    pub(super) fn page(&mut self, sorts: &[Asked]) -> Result<Vec<u8>, Failure> {
        let question = sorts.first().and_then(|asked| asked.questions.first());
        let question = question.ok_or("no question")?;
        Ok(question.ask_sworn(&mut self.client)?.concat())
    }

    /// Asks one side the questions of these rounds, sort by sort, and then the other; their answers have to agree.
    pub(super) fn take_turns(
        &mut self,
        sorts: &mut [Asked],
        rounds: Range<usize>,
        sworn_first: bool,
    ) -> Result<(), Failure> {
        let (mut sworn, mut postgres) = (Answers::new(), Answers::new());
        for is_sworn in [sworn_first, !sworn_first] {
            for (place, asked) in sorts.iter_mut().enumerate() {
                for round in rounds.clone() {
                    let Some(question) = asked.question(round) else { continue };
                    let (answers, answer) = match is_sworn {
                        true => (&mut sworn, Some(self.ask_sworn(question)?)),
                        false => (&mut postgres, self.ask_postgres(question)?),
                    };
                    let Some((seconds, numbers)) = answer else { continue };
                    let is_measured = asked.is_measured(round);
                    asked.spent += seconds;
                    answers.insert((round, place), Answer { seconds, numbers, is_measured });
                }
            }
        }
        for ((round, place), sworn) in &sworn {
            let Some(asked) = sorts.get_mut(*place) else { continue };
            let other = postgres.get(&(*round, *place));
            if sworn.numbers.is_empty() || other.is_some_and(|it| it.numbers != sworn.numbers) {
                let question = asked.questions.get(round % asked.questions.len());
                let (found, expected) = (&sworn.numbers, other.map(|it| &it.numbers));
                return Err(
                    format!("{question:?}: sworn {found:?}, PostgreSQL {expected:?}").into()
                );
            }
            if sworn.is_measured || other.is_some_and(|it| it.is_measured) {
                asked.row.add(sworn.seconds, other.map(|it| it.seconds));
            }
        }
        Ok(())
    }

    /// Seconds that it took, and what it found.
    fn ask_sworn(&mut self, question: &Question) -> Result<(f64, Vec<u64>), Failure> {
        let began = Instant::now();
        let answers = question.ask_sworn(&mut self.client)?;
        let took = began.elapsed().as_secs_f64();
        Ok((took, question.numbers(&answers)?))
    }

    fn ask_postgres(&mut self, question: &Question) -> Result<Option<(f64, Vec<u64>)>, Failure> {
        let Some(postgres) = &mut self.postgres else { return Ok(None) };
        let (sql, values) = question.sql();
        postgres.prepare(&sql)?;
        let began = Instant::now();
        let rows = postgres.ask(&sql, &values)?;
        let took = began.elapsed().as_secs_f64();
        Ok(Some((took, question.numbers_of(&rows)?)))
    }
}
