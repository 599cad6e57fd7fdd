//! `--at`: the point in the log of which something is asked.

/// As of when.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Point {
    /// As of an entry or a time: 900, 2026-04-08T03:45Z, 2d
    #[arg(long, value_name = "POINT")]
    at: Option<String>,
}

impl Point {
    /// As parameters of a query.
    pub(crate) fn query(&self) -> Vec<(&'static str, &str)> {
        self.at.iter().map(|at| ("at", at.as_str())).collect()
    }
}
