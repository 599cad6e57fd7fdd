//! `publish`: events signed, spooled, sent until receipted, and reported one by one.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use schemas::body::Body;
use schemas::kind::Stream;
use schemas::limits::{ITEMS_MAX, PUBLISH_UNDER_WAY_MAX};
use schemas::printable::printable;
use schemas::reject::Reject;
use schemas::submission;
use serde_json::{Value as Json, json};

use crate::cli::context::{Context, given};
use crate::cli::delivery::{self, Courier, Options};
use crate::cli::events;
use crate::cli::failure::Failure;
use crate::cli::intake::{Intake, Submission, Taken};
use crate::cli::out::{Format, Out, Tone, note};
use crate::cli::runtime;
use crate::exit::Exit;
use crate::keyfile::KeyFile;
use crate::numbers::Numbers;
use crate::receipts::Verdict;
use crate::sign::EventSigner;
use crate::spool::{Kept, Spool, SpoolError};

/// Arguments of `publish`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// JSON lines or a JSON array of events; - is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Key file of the signer
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to publish [default: by each event's kind]
    #[arg(long, value_enum)]
    stream: Option<Lane>,
    /// Most events under one signature; they wait for each other only while the input has more
    #[arg(long, value_name = "N", default_value = "1", value_parser = batch)]
    batch: usize,
    /// Print the bodies and check them, send nothing
    #[arg(long)]
    dry_run: bool,
    /// Send what earlier runs kept in the spool, and read no input
    #[arg(long, conflicts_with_all = ["file", "stream", "batch", "dry_run"])]
    flush: bool,
    /// Where submissions are kept until receipted, and sessions counted: a directory for each ledger [default: ~/.local/state/sworn/spool/TENANT/SIGNER]
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// A subject to publish on.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Lane {
    /// Agents and services.
    In,
    /// Registry and control.
    Op,
}

fn batch(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=ITEMS_MAX).contains(number));
    number.ok_or_else(|| format!("expected a number from 1 to {ITEMS_MAX}"))
}

/// Publishes.
///
/// # Errors
/// [`Failure`] of input, key, spool and broker. A rejection or an unknown fate is reported, not an error.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let signer = EventSigner::new(KeyFile::load(&args.key)?, context.tenant()?);
    let events = if args.flush { events::none() } else { events::open(&args.file)? };
    let lane = args.stream.map(|lane| match lane {
        Lane::In => Stream::In,
        Lane::Op => Stream::Op,
    });
    let intake = Intake::new(signer, events, args.batch, lane);
    if args.dry_run {
        return runtime()?.block_on(dry_run(intake, context));
    }
    let dir = spool_dir(args.spool.as_deref(), intake.signer())?;
    let mut spool = Spool::open(&dir)?;
    let owner = format!("{}-{}", intake.signer().tenant(), intake.signer().signer().token());
    let numbers = Numbers::open(&dir, &owner)?;
    runtime()?.block_on(send_all(intake, &mut spool, numbers, args, context))
}

fn spool_dir(chosen: Option<&Path>, signer: &EventSigner) -> Result<PathBuf, Failure> {
    if let Some(dir) = chosen {
        return Ok(dir.to_owned());
    }
    let home = || given(None, "HOME").map(|home| Path::new(&home).join(".local/state"));
    let state = given(None, "XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    let (name, flag, variable) = ("a directory for the spool", "--spool", "HOME");
    let state = state.ok_or(Failure::Needed { name, flag, variable })?;
    let tenant = signer.tenant().as_str();
    Ok(state.join("sworn/spool").join(tenant).join(signer.signer().token()))
}

/// Checks every event as the ledger would before it looks at the registry, and prints its body.
async fn dry_run(mut intake: Intake, context: &Context) -> Result<Exit, Failure> {
    let (out, mut exit) = (context.out(), Exit::Ok);
    while let Some(taken) = intake.next(|| context.now()).await? {
        match taken {
            Taken::Refused(reject) => {
                exit = exit.worst(Exit::Rejected);
                refuse(&reject, out)?;
            }
            Taken::Submission(Submission { message, .. }) => {
                let opened = submission::open(&message).map_err(Failure::Rejected)?;
                opened.items().iter().try_for_each(|raw| show_body(raw.body, out))?;
            }
        }
    }
    Ok(exit)
}

fn show_body(bytes: &[u8], out: Out) -> Result<(), Failure> {
    let body = Body::parse(bytes).map_err(Failure::Rejected)?;
    let (json, digest) = (body.to_json(), Body::digest(bytes));
    if out.format() != Format::Table {
        return out.json(&json!({
            "body": json, "digest": digest.to_string(), "cbor": schemas::id::hex(bytes),
        }));
    }
    out.line(&format!("{} {}  {} bytes, SHA-256 {digest}", body.kind(), body.id(), bytes.len()))?;
    out.json(&json)
}

/// Reports an event that was never sent.
fn refuse(reject: &Reject, out: Out) -> Result<(), Failure> {
    if out.format() == Format::Table {
        return out.line(&out.paint(Tone::Bad, &printable(&delivery::rejected(reject))));
    }
    out.json(&json!({
        "fate": "rejected",
        "index": Json::Null,
        "reason": reject.reason.as_str(),
        "cause": { "path": reject.cause.path, "expected": reject.cause.expected },
    }))
}

/// A spooled submission on its way.
struct Parcel {
    kept: Kept,
    submission: Submission,
}

async fn send_all(
    mut intake: Intake,
    spool: &mut Spool,
    mut numbers: Numbers,
    args: &Args,
    context: &Context,
) -> Result<Exit, Failure> {
    let waiting = resumed(spool, &mut numbers, intake.signer())?;
    intake.resume(numbers.last());
    let courier = Courier::connect(context, intake.signer().signer(), &args.options).await?;
    let mut desk = Desk { spool, numbers, out: context.out(), exit: Exit::Ok, sends: true };
    let sent = desk.send(intake, waiting, &courier, context).await;
    // Whatever ended it: what stays in the spool must not be signed again.
    let closed = desk.close();
    sent.and(closed).map(|()| desk.exit)
}

/// What is reported next, in the order of the input.
enum Step {
    Send(Parcel),
    Refused(Reject),
}

/// How a step ended.
enum End {
    Sent(Parcel, Result<Vec<Verdict>, Failure>),
    Refused(Reject),
}

async fn take_step(courier: &Courier<'_>, step: Step) -> End {
    match step {
        Step::Refused(reject) => End::Refused(reject),
        Step::Send(parcel) => {
            let Submission { message, stream, .. } = &parcel.submission;
            let end = courier.deliver(message.clone(), *stream).await;
            End::Sent(parcel, end)
        }
    }
}

/// What an earlier run left without a receipt.
fn resumed(
    spool: &Spool,
    numbers: &mut Numbers,
    signer: &EventSigner,
) -> Result<VecDeque<Step>, Failure> {
    let mut steps = VecDeque::new();
    for kept in spool.pending()? {
        let message = spool.message(&kept)?;
        let own = submission::open(&message).is_ok_and(|opened| {
            let statement = opened.statement();
            statement.signer == *signer.signer() && statement.tenant == *signer.tenant()
        });
        let submission = Submission::of(message).filter(|_| own);
        let submission = submission.ok_or_else(|| SpoolError::Foreign(spool.path(&kept)))?;
        numbers.note(&submission.ends)?;
        steps.push_back(Step::Send(Parcel { submission, kept }));
    }
    if !steps.is_empty() {
        note(&format!("resending {} submissions that an earlier run kept", steps.len()));
    }
    Ok(steps)
}

/// Keeps and reports.
struct Desk<'s> {
    spool: &'s mut Spool,
    numbers: Numbers,
    out: Out,
    exit: Exit,
    /// False once the ledger has not answered in time: the rest of the input is only kept.
    sends: bool,
}

impl Desk<'_> {
    /// Sends what waits and what comes. Where the input fails, what came before is reported first.
    async fn send(
        &mut self,
        mut intake: Intake,
        mut waiting: VecDeque<Step>,
        courier: &Courier<'_>,
        context: &Context,
    ) -> Result<(), Failure> {
        let mut under_way = FuturesOrdered::new();
        let (mut open, mut input) = (true, Ok(()));
        loop {
            let room = under_way.len() < PUBLISH_UNDER_WAY_MAX;
            if let Some(step) = waiting.pop_front_if(|step| room && self.goes_on(step)) {
                under_way.push_back(take_step(courier, step));
                continue;
            }
            tokio::select! {
                biased;
                Some(end) = under_way.next() => self.settle(end)?,
                taken = intake.next(|| context.now()), if open && room => match taken {
                    Ok(Some(taken)) => waiting.extend(self.take(taken)?),
                    Ok(None) => open = false,
                    Err(failure) => (open, input) = (false, Err(failure)),
                },
                else => return input,
            }
        }
    }

    /// Puts a submission into the spool before anything else happens to it.
    fn take(&mut self, taken: Taken) -> Result<Option<Step>, Failure> {
        Ok(match taken {
            Taken::Refused(reject) => Some(Step::Refused(reject)),
            Taken::Submission(submission) => {
                let kept = self.spool.add(&submission.message)?;
                self.numbers.note(&submission.ends)?;
                self.sends.then_some(Step::Send(Parcel { kept, submission }))
            }
        })
    }

    fn goes_on(&self, step: &Step) -> bool {
        self.sends || matches!(step, Step::Refused(_))
    }

    fn settle(&mut self, end: End) -> Result<(), Failure> {
        match end {
            End::Refused(reject) => {
                self.exit = self.exit.worst(Exit::Rejected);
                refuse(&reject, self.out)
            }
            End::Sent(Parcel { kept, submission }, Ok(verdicts)) => {
                self.settled(&kept, &submission, &verdicts)
            }
            End::Sent(
                Parcel { submission, .. },
                Err(failure @ (Failure::UnknownFate { .. } | Failure::Broker { .. })),
            ) => {
                if self.sends {
                    note(failure.render().trim_end());
                }
                self.sends = false;
                self.exit = self.exit.worst(Exit::UnknownFate);
                submission.names.iter().try_for_each(|name| self.unknown(name))
            }
            End::Sent(_, Err(failure)) => Err(failure),
        }
    }

    fn settled(
        &mut self,
        kept: &Kept,
        submission: &Submission,
        verdicts: &[Verdict],
    ) -> Result<(), Failure> {
        // Off the disk first: a reader of the output may have gone.
        if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Rejected(..))) {
            let place = self.spool.set_aside(kept)?;
            note(&format!("kept for you to look at: {}", place.display()));
        } else {
            self.spool.remove(kept)?;
        }
        for (verdict, name) in verdicts.iter().zip(&submission.names) {
            self.exit = self.exit.worst(delivery::exit(verdict));
            delivery::report(verdict, name, self.out)?;
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> Result<(), Failure> {
        if self.out.format() == Format::Table {
            return self
                .out
                .line(&format!("{}  {name}", self.out.paint(Tone::Notable, "unknown fate")));
        }
        self.out.json(&json!({ "fate": "unknown", "index": Json::Null, "event": name }))
    }

    /// Says what stays in the spool.
    fn close(&self) -> Result<(), Failure> {
        let left = self.spool.pending()?.len();
        if left > 0 {
            note(&format!(
                "{left} submissions stay in the spool; `sworn publish --flush` sends them, while the same \
                 input again would be signed as other events"
            ));
        }
        Ok(())
    }
}
