//! Both who are asked, in turns.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use super::WARM_UP;
use super::http::Client;
use super::postgres::Postgres;
use super::question::Question;
use super::table::Row;
use crate::round::Failure;

/// Seconds after which a side is not asked a sort any more; then the other is not, either.
const SECONDS_MAX: f64 = 60.0;

/// One sort of question.
pub(super) struct Asked {
    name: &'static str,
    questions: Vec<Question>,
    /// Seconds of sworn and of PostgreSQL at the same question, in the order in which they were asked.
    pairs: Vec<(f64, Option<f64>)>,
    /// Seconds that each side took.
    sworn_s: f64,
    postgres_s: f64,
}

impl Asked {
    pub(super) fn new(name: &'static str, questions: Vec<Question>) -> Self {
        Self { name, questions, pairs: Vec::new(), sworn_s: 0.0, postgres_s: 0.0 }
    }

    /// What it asks in a round.
    fn question(&self, round: usize) -> Option<&Question> {
        self.questions.get(round % self.questions.len().max(1))
    }

    /// Whether a side has spent as much time on it as it may.
    fn is_over(&self) -> bool {
        self.sworn_s.max(self.postgres_s) >= SECONDS_MAX
    }

    /// What was measured, without the first answers, for which caches were filled.
    pub(super) fn row(&self) -> Row {
        let mut row = Row::new(self.name, self.questions.len());
        let first = WARM_UP.min(self.pairs.len() / 3);
        self.pairs.iter().skip(first).for_each(|(sworn, other)| row.add(*sworn, *other));
        row
    }
}

/// What one side answered.
struct Answer {
    seconds: f64,
    numbers: Vec<u64>,
}

/// Answers by the place of their sort, and by round.
type Answers = BTreeMap<(usize, usize), Answer>;

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

    /// Asks one side the questions of these rounds, and then the other; their answers have to agree.
    pub(super) fn take_turns(
        &mut self,
        sorts: &mut [Asked],
        rounds: &Range<usize>,
        sworn_first: bool,
    ) -> Result<(), Failure> {
        let mut open: Vec<_> =
            sorts.iter_mut().map(|asked| (!asked.is_over()).then_some(asked)).collect();
        let (sworn, postgres) = if sworn_first {
            let sworn = self.answers(&mut open, rounds, true)?;
            (sworn, self.answers(&mut open, rounds, false)?)
        } else {
            let postgres = self.answers(&mut open, rounds, false)?;
            (self.answers(&mut open, rounds, true)?, postgres)
        };
        for ((place, round), sworn) in &sworn {
            let Some(Some(asked)) = open.get_mut(*place) else { continue };
            let other = postgres.get(&(*place, *round));
            if self.postgres.is_some() && other.is_none() {
                // Its time was over.
                continue;
            }
            if sworn.numbers.is_empty() || other.is_some_and(|it| it.numbers != sworn.numbers) {
                let question = asked.question(*round);
                let (found, expected) = (&sworn.numbers, other.map(|it| &it.numbers));
                return Err(
                    format!("{question:?}: sworn {found:?}, PostgreSQL {expected:?}").into()
                );
            }
            asked.pairs.push((sworn.seconds, other.map(|it| it.seconds)));
        }
        Ok(())
    }

    /// What one side answers, sort by sort, within its time.
    fn answers(
        &mut self,
        sorts: &mut [Option<&mut Asked>],
        rounds: &Range<usize>,
        is_sworn: bool,
    ) -> Result<Answers, Failure> {
        let mut answers = Answers::new();
        for (place, asked) in sorts.iter_mut().enumerate() {
            let Some(asked) = asked else { continue };
            for round in rounds.clone() {
                let Some(question) = asked.question(round) else { break };
                let answer = match is_sworn {
                    true => Some(self.ask_sworn(question)?),
                    false => self.ask_postgres(question)?,
                };
                let Some((seconds, numbers)) = answer else { break };
                answers.insert((place, round), Answer { seconds, numbers });
                let spent = if is_sworn { &mut asked.sworn_s } else { &mut asked.postgres_s };
                *spent += seconds;
                if *spent >= SECONDS_MAX {
                    break;
                }
            }
        }
        Ok(answers)
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
