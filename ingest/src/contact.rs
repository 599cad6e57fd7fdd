//! A connection to the broker whose server and streams were checked.
//!
//! A session is one connection. Whatever happens to it, a new one begins from the start, so that there
//! is one way to recover, and no server or stream is ever taken for granted.

use async_nats::{Client, Event, jetstream};
use ledger::{Cursor, Ledger};
use schemas::id::TreeSize;
use schemas::kind::Stream;
use schemas::limits::SUBMISSION_BYTES_MAX;
use tokio::sync::watch;

use crate::broker::Config;
use crate::commit::Cursors;
use crate::error::{IngestError, Refusal, Stop, Trouble};
use crate::feed::Feed;
use crate::incoming::Incoming;
use crate::link::Link;
use crate::mark::Mark;
use crate::screen::screen;
use crate::stream;
use crate::subjects::Subjects;
use crate::version::Version;

/// A checked connection.
pub(crate) struct Contact {
    pub(crate) client: Client,
    pub(crate) subjects: Subjects,
    pub(crate) lost: Lost,
    context: jetstream::Context,
    /// Where both streams stand.
    pub(crate) cursors: Cursors,
    /// The mark at the broker, where one is wanted.
    mark: Option<Mark>,
    pub(crate) ledger: Ledger,
    /// The tree whose checkpoint was announced last.
    pub(crate) announced: TreeSize,
    /// How streams differ from what the ledger knew; empty if they do not.
    pub(crate) regressions: Vec<String>,
}

/// Whether the connection is lost.
pub(crate) struct Lost(watch::Receiver<bool>);

/// What stands between a checked connection and its messages.
pub(crate) enum Entry {
    /// These first, and then look again.
    Odd(Vec<Incoming>),
    /// Nothing.
    Free(Box<Link>),
}

impl Contact {
    pub(crate) fn context(&self) -> &jetstream::Context {
        &self.context
    }

    /// Connects, checks the server, makes and checks the streams.
    ///
    /// `known` is where the streams stood in an earlier session of this process; else the ledger says.
    pub(crate) async fn open(
        config: &Config,
        ledger: &Ledger,
        known: Option<&Cursors>,
    ) -> Result<Self, Stop> {
        let (client, lost) = connect(config).await?;
        check_server(&client)?;
        let context = stream::context(client.clone());
        let mark = match config.mark {
            true => Some(Mark::open(&context, config, ledger).await?),
            false => None,
        };
        let survey = Survey { context: &context, config, ledger };
        let mut regressions = Vec::new();
        let op = survey.stand(Stream::Op, known.map(|known| &known.op), &mut regressions).await?;
        let input =
            survey.stand(Stream::In, known.map(|known| &known.input), &mut regressions).await?;
        let (subjects, cursors) = (Subjects::new(&config.tenant), Cursors { input, op });
        let (ledger, announced) = (ledger.clone(), TreeSize(0));
        Ok(Self { client, subjects, lost, context, cursors, mark, ledger, announced, regressions })
    }

    /// Raises the mark at the broker to the ledger's head.
    pub(crate) async fn raise_mark(&mut self) -> Result<(), Stop> {
        match &mut self.mark {
            Some(mark) => mark.raise(&self.ledger).await,
            None => Ok(()),
        }
    }

    /// Begins to read both streams, unless something waits there that must not be read.
    pub(crate) async fn enter(&self) -> Result<Entry, Trouble> {
        let streams = [(Stream::Op, &self.cursors.op), (Stream::In, &self.cursors.input)];
        for (stream, cursor) in streams {
            let odd = screen(&self.context, &cursor.stream, stream, cursor.epoch).await?;
            if !odd.is_empty() {
                return Ok(Entry::Odd(odd));
            }
        }
        let op = self.feed(Stream::Op, &self.cursors.op).await?;
        let input = self.feed(Stream::In, &self.cursors.input).await?;
        Ok(Entry::Free(Box::new(Link::new(op, input))))
    }

    async fn feed(&self, stream: Stream, cursor: &Cursor) -> Result<Feed, Trouble> {
        let consumer = stream::consumer(&self.context, &cursor.stream, &cursor.epoch).await?;
        Feed::open(consumer, stream, cursor.epoch).await
    }
}

impl Lost {
    /// Waits until it is.
    pub(crate) async fn wait(&mut self) {
        // An error means that the client is gone, which comes to the same.
        self.0.wait_for(|lost| *lost).await.ok();
    }
}

struct Survey<'s> {
    context: &'s jetstream::Context,
    config: &'s Config,
    ledger: &'s Ledger,
}

impl Survey<'_> {
    /// Makes or checks a stream, and finds out whether it is the one that was read before.
    async fn stand(
        &self,
        stream: Stream,
        known: Option<&Cursor>,
        regressions: &mut Vec<String>,
    ) -> Result<Cursor, Stop> {
        let life = stream::ensure(self.context, self.config, stream).await?;
        let name = Subjects::new(&self.config.tenant).stream_name(stream);
        let known = match known {
            Some(known) => Some(known.clone()),
            None => self.ledger.cursor(&name).map_err(IngestError::from)?,
        };
        if let Some(known) = known {
            let same = known.created_ns == life.created_ns && known.sequence <= life.last_sequence;
            if same {
                return Ok(known);
            }
            regressions.push(format!(
                "{name}: was created at {} ns, read to {}; now created at {} ns, last is {}",
                known.created_ns, known.sequence, life.created_ns, life.last_sequence
            ));
        }
        let mut epoch = [0; 16];
        getrandom::fill(&mut epoch).map_err(IngestError::from)?;
        Ok(Cursor { stream: name, epoch, created_ns: life.created_ns, sequence: 0 })
    }
}

/// A connection. The client's own reconnecting is not used: what was under way would be sent to a
/// server that may have lost its streams.
pub(crate) async fn connect(config: &Config) -> Result<(Client, Lost), Trouble> {
    let (events, lost) = watch::channel(false);
    let options = config.broker.options().await?;
    let options = options.max_reconnects(config.broker.servers()).event_callback(move |event| {
        if matches!(event, Event::Disconnected | Event::Closed | Event::LameDuckMode) {
            events.send_replace(true);
        }
        async {}
    });
    Ok((config.broker.connect(options).await?, Lost(lost)))
}

/// Refuses a server that would drop options, or could not carry the largest submission. Then no reply
/// is too large either: 256 outcomes stay below half a mebibyte, receipts for 2^40 entries included.
pub(crate) fn check_server(client: &Client) -> Result<(), Refusal> {
    let info = client.server_info();
    if Version::parse(&info.version).is_none_or(|version| version < Version::NEEDED) {
        return Err(Refusal::Version { found: info.version });
    }
    if !info.jetstream {
        return Err(Refusal::NoJetStream);
    }
    if info.max_payload < SUBMISSION_BYTES_MAX {
        return Err(Refusal::Payload { found: info.max_payload, needed: SUBMISSION_BYTES_MAX });
    }
    Ok(())
}
