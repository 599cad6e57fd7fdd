//! Readers that take a byte a second, and thousands that come back at once with old tokens: what they cost the server,
//! those who publish, and those who read as they should. They are a process of their own, on the same machine, that gets
//! its cores only when nobody else wants them; what the kernel does for its connections still counts
//! against the server.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::process::Sworn;
use super::reader::{Noted, Reader, entry};
use super::summary::Summary;
use crate::events::Workload;
use crate::receipts::{Latencies, paced, receipted, settle};
use crate::round::Failure;

/// Readers as they should be.
const WATCHING: usize = 10;
/// Entries before the first phase, with which slow readers begin.
const PAST: usize = 4_000;
/// How long the slow ones are left alone before the server's memory is looked at.
const SLOW: Duration = Duration::from_secs(5);
/// What the kernel may hold for a slow reader.
const SLOW_RECEIVE_BYTES: u32 = 4 << 10;
/// Runs what is behind it as if on other machines, which would take none of the server's time: where nobody else wants a
/// core. In a control group that gives way at once, where there may be one; else in a session that comes last, for Linux
/// shares cores between sessions first, and the threads that bring what is written to the disk are of none.
const ELSEWHERE: &str = r#"
for cpu in /sys/fs/cgroup/cpu /sys/fs/cgroup; do
    group=$cpu/sworn-bench-elsewhere
    [ -e $cpu/cgroup.procs ] && mkdir -p $group && echo 1 > $group/cpu.idle \
        && echo $$ > $group/cgroup.procs && break
done 2> /dev/null
echo 19 > /proc/self/autogroup 2> /dev/null
exec chrt --idle 0 "$0" "$@"
"#;
const STORM_BUFFER_BYTES: usize = 32 << 10;
/// How often it is looked at how far something is.
const LOOK: Duration = Duration::from_millis(20);
/// How long the frames of a phase may take after its last receipt.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many of which.
pub(crate) struct Plan {
    /// Readers at a byte a second.
    pub(crate) slow: usize,
    /// Readers that come back at once.
    pub(crate) storm: usize,
    /// Entries that their tokens are behind.
    pub(crate) behind: usize,
    /// How long a phase with them takes, and one without.
    pub(crate) seconds: usize,
    /// Of both phases.
    pub(crate) rounds: usize,
    /// Events a second, each under a signature of its own. Every reader gets all of them: so many times the readers that
    /// are there, frames have to go out before those who came back have caught up.
    pub(crate) offered: usize,
}

/// Runs both phases in each round and prints what was seen.
pub(crate) async fn run(plan: &Plan) -> Result<(), Failure> {
    let mut summary = Summary::default();
    let each = slow_memory(plan.slow).await?;
    summary.add(&format!("a reader at 1 byte/s, of {}", plan.slow), each, "KiB at the server");
    let events = plan.offered * plan.seconds;
    let workload = Workload::new(PAST + 2 * events * plan.rounds, 1);
    let (past, rest) = workload.messages.split_at(PAST);
    let world = World::start(&workload, past).await?;
    for (round, messages) in (1..).zip(rest.chunks(2 * events)) {
        println!("round {round}");
        let (one, other) = messages.split_at(events);
        // Whatever drifts in a run does so to both alike.
        let (without, with) = if round % 2 == 1 {
            let without = world.phase(plan, one, false).await?;
            (without, world.phase(plan, other, true).await?)
        } else {
            let with = world.phase(plan, one, true).await?;
            (world.phase(plan, other, false).await?, with)
        };
        report(&without, &with, plan, &mut summary);
    }
    summary.print();
    Ok(())
}

/// What one phase showed.
struct Phase {
    receipts: Latencies,
    frames: Latencies,
    /// By how much the server's memory grew at most.
    grown_kib: u64,
    storm: Storm,
}

/// How those fared that came back.
#[derive(Default)]
struct Storm {
    /// Until the last of them had caught up.
    took: Duration,
    /// Connections that they made.
    attempts: u32,
}

fn report(without: &Phase, with: &Phase, plan: &Plan, summary: &mut Summary) {
    for (name, phase) in [("without", without), ("with", with)] {
        summary.add_latencies(&format!("publish to verified receipt, {name}"), &phase.receipts);
        summary.add_latencies(&format!("publish to frame, other readers, {name}"), &phase.frames);
        let grown = u32::try_from(phase.grown_kib).map_or(f64::NAN, f64::from);
        summary.add(&format!("most growth of the server's memory, {name}"), grown / 1024.0, "MiB");
    }
    let hostile = u32::try_from(plan.slow + plan.storm).map_or(f64::NAN, f64::from);
    let grown = u32::try_from(with.grown_kib).map_or(f64::NAN, f64::from);
    summary.add("the same for each of them", grown / hostile, "KiB");
    let of = format!("{} came back {} entries behind, last one after", plan.storm, plan.behind);
    summary.add(&of, with.storm.took.as_secs_f64(), "s");
    summary.add("connections that these made", f64::from(with.storm.attempts), "");
    let ratio = |of: fn(&Phase) -> &Latencies| of(with).at(99) / of(without).at(99);
    summary.add("receipt p99, with to without", ratio(|phase| &phase.receipts), "x");
    summary.add("frame p99, with to without", ratio(|phase| &phase.frames), "x");
}

/// A server with readers as they should be.
struct World {
    sworn: Sworn,
    noted: Noted,
    _watching: Vec<AbortOnDropHandle<Result<(), Failure>>>,
}

impl World {
    async fn start(workload: &Workload, past: &[Vec<u8>]) -> Result<Self, Failure> {
        let sworn = Sworn::start(workload).await?;
        settle(&sworn.publishers, past).await?;
        let noted = Noted::default();
        let mut watching = Vec::new();
        for reader in super::connect(sworn.process.address, WATCHING).await? {
            watching.push(AbortOnDropHandle::new(tokio::spawn(reader.note(Arc::clone(&noted)))));
        }
        Ok(Self { sworn, noted, _watching: watching })
    }

    /// Publishes at the offered rate; hostile readers come as it begins, if they do, and are gone when it ends.
    async fn phase(
        &self,
        plan: &Plan,
        messages: &[Vec<u8>],
        is_hostile: bool,
    ) -> Result<Phase, Failure> {
        let address = self.sworn.process.address;
        let before = self.sworn.process.memory_kib()?;
        let published = Mutex::new(HashMap::new());
        let publishers = &self.sworn.publishers;
        let publish = paced(messages, plan.offered, |n, message| {
            let published = &published;
            async move {
                let begun = Instant::now();
                for index in receipted(publishers, n, message).await? {
                    published.lock().unwrap_or_else(PoisonError::into_inner).insert(index, begun);
                }
                Ok(())
            }
        });
        let mut attackers = match is_hostile {
            true => Some(Attackers::start(address, plan, &self.token(plan.behind).await?)?),
            false => None,
        };
        let attack = async {
            match &mut attackers {
                Some(attackers) => attackers.caught_up().await,
                None => Ok(Storm::default()),
            }
        };
        let mut most = before;
        let both = async { tokio::try_join!(publish, attack) };
        tokio::pin!(both);
        let (receipts, storm) = loop {
            tokio::select! {
                both = &mut both => break both?,
                () = sleep(LOOK) => most = most.max(self.sworn.process.memory_kib()?),
            }
        };
        let published =
            std::mem::take(&mut *published.lock().unwrap_or_else(PoisonError::into_inner));
        let frames = self.frames(&published).await?;
        Ok(Phase { receipts, frames, grown_kib: most - before, storm })
    }

    /// From publishing to the frame, for each of the readers as they should be.
    async fn frames(&self, published: &HashMap<usize, Instant>) -> Result<Latencies, Failure> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(frames) = self.noted(published) {
                return Ok(frames);
            }
            sleep(LOOK).await;
        }
        Err("readers lack frames".into())
    }

    /// The same, once every one of them is noted.
    fn noted(&self, published: &HashMap<usize, Instant>) -> Option<Latencies> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < published.len() * WATCHING {
            return None;
        }
        let taken = noted.drain(..).filter_map(|(index, there)| {
            Some(there.saturating_duration_since(*published.get(&index)?))
        });
        Some(Latencies::new(taken.collect()))
    }

    /// The token of an entry so many behind the newest.
    async fn token(&self, behind: usize) -> Result<String, Failure> {
        let since = self.sworn.size().await?.saturating_sub(behind + 1);
        let query = format!("?since={since}");
        let mut reader = Reader::connect(self.sworn.process.address, &query).await?;
        loop {
            let (_, events) = reader.take(usize::MAX).await?;
            for event in events {
                if entry(&event)?.is_some() {
                    return event.id.ok_or_else(|| "an entry without an id".into());
                }
            }
        }
    }
}

/// The hostile readers: this program, started once more. They end with this.
struct Attackers {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Attackers {
    fn start(address: SocketAddr, plan: &Plan, token: &str) -> Result<Self, Failure> {
        let mut child = Command::new("setsid")
            .args(["sh", "-c", ELSEWHERE])
            .arg(std::env::current_exe()?)
            .args(["--tail", "--hostile", "--attack", &address.to_string(), "--token", token])
            .args(["--slow", &plan.slow.to_string(), "--storm", &plan.storm.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let says = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, says })
    }

    async fn caught_up(&mut self) -> Result<Storm, Failure> {
        let mut line = String::new();
        self.says.read_line(&mut line).await?;
        let said = line.trim().split_once(' ');
        let (took, attempts) = said.ok_or_else(|| format!("{:?} ended", self.child))?;
        Ok(Storm { took: Duration::from_millis(took.parse()?), attempts: attempts.parse()? })
    }
}

/// Attacks a server until this process is ended; prints in how many milliseconds all that came back had caught up, and
/// with how many connections.
pub(crate) async fn attack(
    address: SocketAddr,
    slow_readers: usize,
    storm_readers: usize,
    token: &str,
) -> Result<(), Failure> {
    let mut slow = slow(address, slow_readers).await?;
    let begun = Instant::now();
    let attempts = storm(address, storm_readers, token).await?;
    println!("{} {attempts}", begun.elapsed().as_millis());
    // A server may let go of those that take so little.
    while slow.join_next().await.is_some() {}
    std::future::pending().await
}

/// So many readers that take a byte a second each.
async fn slow(
    address: SocketAddr,
    readers: usize,
) -> Result<JoinSet<Result<(), Failure>>, Failure> {
    let connect = |_| async move {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(SLOW_RECEIVE_BYTES)?;
        Reader::over(socket.connect(address).await?, "?since=0", None, 1).await
    };
    let mut slow = JoinSet::new();
    for mut reader in try_join_all((0..readers).map(connect)).await? {
        slow.spawn(async move {
            loop {
                reader.sip().await?;
                sleep(Duration::from_secs(1)).await;
            }
        });
    }
    Ok(slow)
}

/// So many readers that come at once, go on behind a token, and leave when they have caught up; gives the number of their
/// connections.
async fn storm(address: SocketAddr, readers: usize, token: &str) -> Result<u32, Failure> {
    let mut storm = JoinSet::new();
    for _ in 0..readers {
        let token = token.to_owned();
        storm.spawn(async move {
            let mut attempts = 1_u32;
            // Who is refused, or whose turn to ask came too late, tries again.
            while catch_up(address, &token).await.is_err() {
                attempts += 1;
                sleep(LOOK).await;
            }
            attempts
        });
    }
    let attempts = tokio::time::timeout(PATIENCE, storm.join_all()).await?;
    Ok(attempts.iter().sum())
}

async fn catch_up(address: SocketAddr, token: &str) -> Result<(), Failure> {
    let stream = TcpStream::connect(address).await?;
    let mut reader = Reader::over(stream, "", Some(token), STORM_BUFFER_BYTES).await?;
    reader.count("caught-up", 1).await
}

/// Kibibytes of the server's memory for each of so many slow readers, while nothing else happens.
async fn slow_memory(readers: usize) -> Result<f64, Failure> {
    let workload = Workload::new(PAST, 1);
    let sworn = Sworn::start(&workload).await?;
    settle(&sworn.publishers, &workload.messages).await?;
    // What the first ones cost is not counted.
    let _earlier = slow(sworn.process.address, WATCHING).await?;
    sleep(SLOW).await;
    let before = sworn.process.memory_kib()?;
    let _slow = slow(sworn.process.address, readers).await?;
    sleep(SLOW).await;
    let grown = u32::try_from(sworn.process.memory_kib()?.saturating_sub(before))?;
    Ok(f64::from(grown) / f64::from(u32::try_from(readers.max(1))?))
}
