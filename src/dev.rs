//! `sworn dev`: a ledger with its own broker and keys on disk, in one command. Never for production.

mod banner;
mod error;
mod examine;
mod follow;
mod place;
mod receiver;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ingest::{Broker, OwnServer};
use ledger::{Ledger, OpenError, Writer};
use schemas::id::{Micros, hex};
use schemas::key::PublicKey;
use schemas::kind::Kind;
use schemas::limits::SHUTDOWN_S_MAX;
use schemas::terms::Key;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::cli::out::Out;
use crate::client::Client;
use crate::clock::{self, Clock};
use crate::config::ConfigError;
use crate::demo::{self, DemoError, Load, Troupe, Wiring};
use crate::routes::Routing;
use crate::runtimes::Runtimes;
use crate::serve::{Access, ServeError, Server, Signals};
use crate::telemetry;

use follow::Follower;
use receiver::Receiver;

pub(crate) use error::DevError;
pub(crate) use place::{Place, announced, ledger_in, ledger_key_in};

/// Host in the origin of every development ledger.
const HOST: &str = "localhost";
/// Ports that are tried after one that is busy.
const PORTS_TRIED: u16 = 20;

/// What to run, and for how long.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Replay the worked example, then let example agents work
    #[arg(long)]
    demo: bool,
    /// With --demo: the worked example alone, without agents that go on working
    #[arg(long, requires = "demo", conflicts_with = "run_for")]
    no_load: bool,
    /// Where the clock of a new ledger begins, instead of now
    #[arg(long, value_name = "TIME", value_parser = time)]
    clock_start: Option<Micros>,
    /// Wipe what an earlier run kept
    #[arg(long)]
    fresh: bool,
    /// Directory of ledger, keys and broker
    #[arg(long, value_name = "DIR", default_value = "./.sworn-dev")]
    data: PathBuf,
    /// Address of the API; the next free port if it is busy
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7420")]
    listen: SocketAddr,
    /// Run that long, check everything, and exit with 0 if all is well
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    run_for: Option<Duration>,
    /// How log lines look; SWORN_LOG chooses which there are
    #[arg(long, value_enum, default_value_t)]
    log: telemetry::Format,
}

fn time(text: &str) -> Result<Micros, &'static str> {
    clock::parse(text).ok_or("a time as in 2026-04-07T22:00:00Z")
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    let expected = "a number of seconds or minutes, as in 60s or 5m";
    let (digits, unit_s) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u64 = digits.parse().map_err(|_syntax| expected)?;
    number.checked_mul(unit_s).map(Duration::from_secs).ok_or(expected)
}

/// Runs until SIGINT or SIGTERM, or as long as it is told to.
///
/// # Errors
/// [`DevError`]; then the process must end.
pub(crate) fn main(args: &Args) -> Result<(), DevError> {
    telemetry::init("warn", args.log)?;
    let runtimes = Runtimes::start()?;
    let ended = runtimes.block_on(|intake| async {
        let signals = Signals::listen()?;
        tokio::select! {
            ended = Box::pin(start(args, intake, &signals.shutdown)) => ended,
            () = signals.hurry.cancelled() => Err(DevError::Interrupted),
        }
    });
    runtimes.shut_down(Duration::from_secs(1));
    ended
}

async fn start(args: &Args, intake: Handle, shutdown: &CancellationToken) -> Result<(), DevError> {
    let place = Place::take(&args.data)?;
    if let Some(id) = place.orphan() {
        return Err(DevError::Orphan(id));
    }
    if args.fresh {
        place.wipe()?;
    }
    let listener = listen(args.listen).await?;
    let began = args.clock_start.or(match args.demo {
        true => Some(time(demo::BEGINS).map_err(|_never| DevError::OtherTimes)?),
        false => None,
    });
    let (writer, clock) = open(&place, args, began)?;
    let nats = ingest::start(&ingest::find(None)?, &place.nats(), None).await?;
    if let Some(id) = nats.id() {
        place.note_broker(id)?;
    }
    let dev = Dev {
        url: format!("http://{}", listener.local_addr()?),
        ledger: writer.ledger(),
        clock,
        place,
        nats: nats.url(),
    };
    let receiver = if args.demo { Some(Receiver::start().await?) } else { None };
    let routes = receiver.iter().map(|receiver| receiver.route.clone()).collect();
    let served = dev.serve(
        args,
        Server {
            policy: None,
            routing: Routing { routes, position: dev.place.position() },
            ingest: ingest::Config::new(Broker::at(&dev.nats), place::tenant()),
            intake,
            copies: dev.place.copies(),
            clock: dev.clock.clone(),
            access: Access::default(),
            writer,
            listener,
        },
        &nats,
        shutdown,
    );
    let ended = Box::pin(served).await;
    nats.stop().await?;
    ended
}

/// The address, or the next ports, or any.
async fn listen(address: SocketAddr) -> Result<TcpListener, DevError> {
    if !address.ip().is_loopback() {
        return Err(ConfigError::NotLoopback(address).into());
    }
    let ip: IpAddr = address.ip();
    let next = (0..=PORTS_TRIED).filter_map(|more| address.port().checked_add(more));
    for port in next.chain([0]) {
        match TcpListener::bind((ip, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(ServeError::Listen { address, source }.into()),
        }
    }
    let source = std::io::ErrorKind::AddrInUse.into();
    Err(ServeError::Listen { address, source }.into())
}

/// The ledger and its clock; both are made the first time and go on from then.
fn open(place: &Place, args: &Args, began: Option<Micros>) -> Result<(Writer, Clock), DevError> {
    let key = place.key(place::LEDGER_KEY)?.key;
    let config = place.ledger();
    match ledger::open(&config, key.clone()) {
        Ok(writer) => {
            let clock = resumed(&writer.ledger(), args.clock_start)?;
            Ok((writer, clock))
        }
        Err(OpenError::Absent(_)) => {
            let clock = began.map_or_else(Clock::system, Clock::simulated);
            let operator = place.key(demo::OPERATOR)?;
            let genesis = ledger::Genesis {
                tenant: place::tenant(),
                host: HOST.to_owned(),
                operator_key: operator.public(),
                operator: operator.signer,
                clock_start: began,
                finds: true,
            };
            Ok((ledger::create(&config, key, &genesis, clock.now())?, clock))
        }
        Err(error) => Err(error.into()),
    }
}

fn resumed(ledger: &Ledger, asked: Option<Micros>) -> Result<Clock, DevError> {
    match (ledger.identity().clock_start, asked) {
        (Some(began), Some(asked)) if began != asked => Err(DevError::OtherStart { began, asked }),
        (None, Some(asked)) => Err(DevError::RealTime { asked }),
        (Some(began), _) => Ok(Clock::simulated(began.max(ledger.head().received_at))),
        (None, None) => Ok(Clock::system()),
    }
}

/// A development server and what surrounds it.
struct Dev {
    url: String,
    nats: String,
    ledger: Ledger,
    clock: Clock,
    place: Place,
}

impl Dev {
    /// Runs the server and whatever is to happen on it; then ends both, whatever happened.
    async fn serve(
        &self,
        args: &Args,
        server: Server,
        nats: &OwnServer,
        shutdown: &CancellationToken,
    ) -> Result<(), DevError> {
        let mut connection = server.ingest.connection();
        let stop = CancellationToken::new();
        let mut served = AbortOnDropHandle::new(tokio::spawn(server.run(stop.clone())));
        let mut troupe = Troupe::new(self.wiring()?, self.clock.clone());
        let show = async {
            let up = connection.wait_for(|connection| *connection == ingest::Connection::Up);
            let up = tokio::time::timeout(Duration::from_secs(SHUTDOWN_S_MAX), up).await;
            up.map_err(|_elapsed| DevError::NotReady)?.map_err(|_gone| DevError::NotReady)?;
            self.show(args, nats, &mut troupe).await
        };
        let shown = tokio::select! {
            shown = show => shown,
            () = shutdown.cancelled() => Ok(()),
            ended = &mut served => {
                troupe.end().await;
                return Err(ended.map_err(ServeError::from)?.err().unwrap_or(ServeError::Unserved).into());
            }
        };
        troupe.end().await;
        stop.cancel();
        let ended = served.await.map_err(ServeError::from)?;
        shown.and(ended.map_err(DevError::from))
    }

    fn wiring(&self) -> Result<Wiring, DevError> {
        Ok(Wiring {
            program: std::env::current_exe()?,
            keys: self.place.keys(),
            nats: self.nats.clone(),
            tenant: place::tenant().to_string(),
            ledger_key: hex(self.ledger.identity().key.as_bytes()),
        })
    }

    /// What the user sees: the example, the banner, the tail, and the check at the end.
    async fn show(
        &self,
        args: &Args,
        nats: &OwnServer,
        troupe: &mut Troupe,
    ) -> Result<(), DevError> {
        let began = tokio::time::Instant::now();
        let _announced = self.place.announce(&self.url)?;
        let client = Client::new(&self.url)?;
        let out = Out::new(None, false);
        // A new ledger is followed from genesis on, a long one from here.
        let size = self.ledger.head().size.0;
        let first = if size <= 1 { 0 } else { size };
        let mut follower = Follower::start(client.clone(), first, out);
        if args.demo {
            self.replay(troupe).await?;
        }
        banner::print(self, nats, args, out);
        follower.show();
        let enough = async {
            match args.run_for {
                Some(span) => {
                    tokio::time::sleep_until(began + span).await;
                    if args.demo {
                        denied(&self.ledger).await;
                    }
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = enough => {}
            failed = load(args.demo && !args.no_load, troupe, &self.ledger) => match failed? {},
        }
        examine::examine(&client, &self.ledger, &mut follower, args.demo, out).await?;
        Ok(())
    }

    async fn replay(&self, troupe: &mut Troupe) -> Result<(), DevError> {
        match played(&self.ledger)? {
            Played::Whole => return Ok(()),
            Played::Half => return Err(DevError::Half),
            Played::Nothing => {}
        }
        let begins = time(demo::BEGINS).map_err(|_never| DevError::OtherTimes)?;
        let fits = self.ledger.identity().clock_start == Some(begins);
        if !fits || self.ledger.head().received_at > Micros(begins.0 + EARLY_US) {
            return Err(DevError::OtherTimes);
        }
        banner::replaying();
        let key =
            |signer: &str| -> Result<PublicKey, DevError> { Ok(self.place.key(signer)?.public()) };
        demo::replay(troupe, key).await
    }
}

/// How long the live load may take to have a call denied.
const DENIAL_S_MAX: u64 = 60;

/// How long after its beginning a ledger may still take up the example's first event.
const EARLY_US: u64 = 600_000_000;

/// How much of the worked example is in a ledger.
enum Played {
    Nothing,
    Half,
    Whole,
}

/// The example's first and last entries tell.
fn played(ledger: &Ledger) -> Result<Played, ledger::ReadError> {
    let carried = |key, value: &str| ledger.postings(key, value).at_or_after(0);
    if carried(Key::Agent, demo::MIGRATION)?.is_none() {
        return Ok(Played::Nothing);
    }
    let mut review = ledger.postings(Key::Corr, demo::REVIEW_WORKFLOW);
    let mut at = 0;
    while let Some(index) = review.at_or_after(at)? {
        let entry = ledger.entry(index)?;
        let kind = entry.as_ref().and_then(|entry| Some(entry.body()?.kind()));
        if kind == Some(Kind::SessionEnd) {
            return Ok(Played::Whole);
        }
        at = index.0 + 1;
    }
    Ok(Played::Half)
}

/// Waits until the live load has had a call denied, which on a busy machine takes longer than `--for` may be; but
/// not for ever: the check at the end says that it is missing.
async fn denied(ledger: &Ledger) {
    let mut head = ledger.watch();
    let there = head.wait_for(|_head| {
        let denials = ledger.postings(Key::Reason, demo::DENIAL).at_or_after(0);
        denials.is_ok_and(|denial| denial.is_some())
    });
    let _late = tokio::time::timeout(Duration::from_secs(DENIAL_S_MAX), there).await;
}

async fn load(
    goes_on: bool,
    troupe: &mut Troupe,
    ledger: &Ledger,
) -> Result<std::convert::Infallible, DemoError> {
    match goes_on {
        true => Load::new(troupe, ledger).run().await,
        false => std::future::pending().await,
    }
}

/// The directory as it is named in commands that a reader may paste.
pub(crate) fn is_default(data: &Path) -> bool {
    data == Path::new("./.sworn-dev")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in
            [("60s", Some(60)), ("5m", Some(300)), ("7", Some(7)), ("0s", Some(0))]
        {
            assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
        for text in ["", "s", "m", "-1s", "1h", "1.5s", "18446744073709551615m"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(demo::BEGINS), Ok(Micros(1_775_599_200_000_000)));
        for text in ["", "22:00", "1775599200", "1969-12-31T23:59:59Z", "2026-04-07"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_busy_port_gives_way_to_the_next() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = listen(any).await.unwrap().local_addr().unwrap();
        let taken = TcpListener::bind(first).await.unwrap();
        let next = listen(first).await.unwrap().local_addr().unwrap();
        assert_ne!(taken.local_addr().unwrap(), next);
        let open = SocketAddr::from(([0, 0, 0, 0], 0));
        assert!(matches!(listen(open).await, Err(DevError::Config(ConfigError::NotLoopback(_)))));
    }
}
