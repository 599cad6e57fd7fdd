//! What readers cost the server alone: CPU for each frame, memory for each connection that is silent. Client and server
//! are processes of their own.

use std::net::SocketAddr;

use futures_util::future::try_join_all;
use tokio::net::TcpStream;

use super::process::{Process, Sworn};
use super::reader::Reader;
use super::summary::Summary;
use crate::events::Workload;
use crate::receipts::settle;
use crate::round::{Failure, rate};

/// Connections before the first measurement, so that what the first of all cost is not counted.
const EARLIER: usize = 50;
/// Connections that are made at once.
const TOGETHER: usize = 100;
/// Events under one signature, so that filling the ledger does not take long.
const BATCH: usize = 64;

/// Frames for each second of the server's CPU, where `frames` wait in memory for every reader; beside it those of the
/// constant server.
pub(crate) async fn fan_out(
    frames: usize,
    readers: usize,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let workload = Workload::new(frames, BATCH);
    let frames = workload.events;
    let constant = Process::constant(frames)?;
    let bare = fanned(&constant, "", frames, readers).await?;
    drop(constant);
    let sworn = Sworn::start(&workload).await?;
    settle(&sworn.publishers, &workload.messages).await?;
    let since = format!("?since={}", sworn.first);
    let own = fanned(&sworn.process, &since, frames, readers).await?;
    let of = format!("fan-out of {frames} frames to {readers} readers");
    summary.add(&format!("{of}, constant"), bare, "a second of the server's CPU");
    summary.add(&format!("{of}, tail"), own, "a second of the server's CPU");
    summary.add(&format!("{of}, tail to constant"), own / bare, "x");
    Ok(())
}

async fn fanned(
    server: &Process,
    query: &str,
    frames: usize,
    readers: usize,
) -> Result<f64, Failure> {
    let before = server.cpu()?;
    let read = |_| async {
        let mut reader = Reader::connect(server.address, query).await?;
        reader.count("entry", frames).await
    };
    try_join_all((0..readers).map(read)).await?;
    Ok(rate(frames * readers, server.cpu()?.saturating_sub(before)))
}

/// Kibibytes of the server's memory for each of so many connections that have caught up and hear nothing; beside it
/// those of the constant server.
pub(crate) async fn idle(connections: usize, summary: &mut Summary) -> Result<(), Failure> {
    let constant = Process::constant(0)?;
    let bare = held(&constant, connections).await?;
    drop(constant);
    let sworn = Sworn::start(&Workload::new(1, 1)).await?;
    let own = held(&sworn.process, connections).await?;
    summary.add(
        &format!("{connections} idle connections, constant"),
        bare,
        "KiB each at the server",
    );
    summary.add(&format!("{connections} idle connections, tail"), own, "KiB each at the server");
    Ok(())
}

async fn held(server: &Process, connections: usize) -> Result<f64, Failure> {
    let _earlier = open(server.address, EARLIER).await?;
    let before = server.memory_kib()?;
    let _open = open(server.address, connections).await?;
    let grown = u32::try_from(server.memory_kib()?.saturating_sub(before))?;
    Ok(f64::from(grown) / f64::from(u32::try_from(connections.max(1))?))
}

async fn open(address: SocketAddr, connections: usize) -> Result<Vec<TcpStream>, Failure> {
    let connect = |_| async move {
        let mut reader = Reader::connect(address, "").await?;
        reader.until("caught-up").await?;
        Ok::<_, Failure>(reader.slim())
    };
    let mut open = Vec::with_capacity(connections);
    while open.len() < connections {
        let next = TOGETHER.min(connections - open.len());
        open.extend(try_join_all((0..next).map(connect)).await?);
    }
    Ok(open)
}
