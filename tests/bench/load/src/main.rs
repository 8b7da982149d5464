//! Asks a socket for targets over connections that stay open, and tells how long the answers took.
//!
//! Closed loop without `--rate`: each connection asks again once it has its answer. With `--rate` the questions come on
//! a timetable, whether answers come or not, and an answer's time runs from the moment at which its question was due: what
//! waits because the server is slow is not left out.

mod connection;
mod run;
mod told;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

#[derive(Debug, Parser)]
#[command(about)]
struct Options {
    /// Where: `unix:PATH`, or an address and port.
    #[arg(long)]
    to: String,
    /// A file of paths with their queries, one a line; 32 hexadecimal digits that no other question has take the place of
    /// `{n}`.
    #[arg(long)]
    targets: PathBuf,
    /// The `Host`.
    #[arg(long)]
    host: String,
    /// Who asks: the web server that passes a customer's request on, or the customer.
    #[arg(long, value_enum)]
    who: Who,
    /// How many connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Stops after so many seconds; else when every target was asked for.
    #[arg(long)]
    seconds: Option<f64>,
    /// Begins again with the first target after the last one; needs `--seconds`.
    #[arg(long, requires = "seconds")]
    cycle: bool,
    /// Questions a second; as fast as it goes without.
    #[arg(long)]
    rate: Option<f64>,
    /// Asks for this range, as in `bytes=0-0`.
    #[arg(long)]
    range: Option<String>,
    /// Asks on the same connection for the `Location` of each answer that has one, and times that by itself.
    #[arg(long, conflicts_with = "locations")]
    follow: bool,
    /// Writes the path of each `Location` into this file, one a line, in the order of the targets.
    #[arg(long)]
    locations: Option<PathBuf>,
    /// Asks whether the targets may pass, as `auth_request` of Nginx does.
    #[arg(long)]
    authorize: bool,
    /// A file of values of `Authorization`, one a line: the first question brings the first, and so on, again and again.
    #[arg(long)]
    logins: Option<PathBuf>,
    /// The customer who asks for the first target; each target has its own, with an address and a browser of theirs.
    #[arg(long, default_value_t = 0)]
    customer: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Nginx with the shipped configuration.
    Nginx,
    /// A client of Nginx.
    Customer,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match asked(&options) {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("cloakroom-load: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn asked(options: &Options) -> Result<serde_json::Value, String> {
    let text = std::fs::read_to_string(&options.targets).map_err(|error| format!("{}: {error}", options.targets.display()))?;
    let targets: Vec<String> = text.lines().map(str::to_owned).collect();
    let logins = match &options.logins {
        None => Vec::new(),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            text.lines().map(str::to_owned).collect()
        }
    };
    if targets.is_empty() {
        return Err(format!("{} names no target", options.targets.display()));
    }
    if options.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return Err("--rate is a number of questions a second".to_owned());
    }
    let seconds = options.seconds.map(Duration::try_from_secs_f64).transpose().map_err(|error| format!("--seconds: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let told = runtime.block_on(run::run(run::Job {
        to: options.to.clone(),
        host: options.host.clone(),
        who: options.who,
        targets,
        connections: options.connections,
        seconds,
        cycle: options.cycle,
        rate: options.rate,
        range: options.range.clone(),
        follow: options.follow,
        authorize: options.authorize,
        logins,
        customer: options.customer,
    }))?;
    if let Some(file) = &options.locations {
        std::fs::write(file, told.locations.values().map(String::as_str).collect::<Vec<_>>().join("\n"))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(told.json())
}
