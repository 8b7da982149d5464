//! The command line: one file a command.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, Parser, Subcommand};

use self::failure::Failure;
use self::terminal::Signs;
use crate::config::{self, Configuration};

mod api_key;
mod audit;
mod check;
mod client;
mod credential;
mod customer;
mod delivery;
mod demo;
mod explain;
mod failure;
mod feed;
mod file;
mod follower;
mod grant;
mod history;
mod htpasswd;
mod import;
mod key;
mod link;
mod log;
mod notify;
mod openapi;
mod order;
mod outbox;
mod paragraph;
mod policy;
mod product;
mod reload;
mod rewrite_map;
mod serve;
mod setup;
mod sign;
mod spool;
mod stats;
mod store;
mod stub;
pub mod terminal;
mod when;

/// Where the configuration lies if nothing else is said.
const CONFIG_PATH: &str = "/etc/cloakroom/cloakroom.toml";

/// What stands above the options that every command has.
const EVERYWHERE: &str = "Options of every command";

#[derive(Debug, Parser)]
#[command(
    name = "cloakroom",
    version,
    about = "Decides who may download a file; your web server sends it; every download that arrived counts once.",
    after_help = "Begin with `cloakroom demo`. Exit codes: 0 done, 1 failed, 2 wrong command line, 3 done in part, 78 wrong configuration.",
    args_override_self = true,
    max_term_width = 100
)]
struct Arguments {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CLOAKROOM_CONFIG",
        hide_env_values = true,
        default_value = CONFIG_PATH,
        help_heading = EVERYWHERE
    )]
    config: PathBuf,

    /// Print JSON instead of text; `serve` logs in it.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the web server's questions, until SIGTERM or Ctrl-C.
    #[command(after_help = serve::AFTER_HELP)]
    Serve,
    /// Say what is wrong with the configuration, this machine, the web server's configuration and, with --url, the site.
    #[command(after_help = check::AFTER_HELP)]
    Check(check::Arguments),
    /// Print, or write, what Apache or Nginx need for this configuration.
    #[command(after_help = setup::AFTER_HELP)]
    Setup(setup::Arguments),
    /// Show it all at work in a temporary directory, with a private Nginx in front if one is installed.
    Demo(demo::Arguments),
    /// Make keys, show them, take them out of use.
    #[command(subcommand, after_help = key::AFTER_HELP)]
    Key(key::Command),
    /// Add, remove, verify and lint the names of a htpasswd file.
    #[command(subcommand, after_help = htpasswd::AFTER_HELP)]
    Htpasswd(htpasswd::Command),
    /// Sign a URL: stateless, nothing is counted, no daemon is needed.
    #[command(after_help = sign::AFTER_HELP)]
    Sign(sign::Arguments),
    /// Report what became of an order: what it sold opens and shuts.
    #[command(subcommand, after_help = order::AFTER_HELP)]
    Order(order::Command),
    /// Keep the catalogue of files, each under an id that stays.
    #[command(subcommand, after_help = file::AFTER_HELP)]
    File(file::Command),
    /// Take over what another shop sold, with what is left of it.
    #[command(subcommand, after_help = import::AFTER_HELP)]
    Import(import::Command),
    /// Say which files a SKU holds.
    #[command(subcommand, after_help = product::AFTER_HELP)]
    Product(product::Command),
    /// Policies: the limits of what is sold.
    #[command(subcommand, after_help = policy::AFTER_HELP)]
    Policy(policy::Command),
    /// Sell a file to a customer: make grants, change them, show what came of them.
    #[command(subcommand, after_help = grant::AFTER_HELP)]
    Grant(grant::Command),
    /// Show what is kept about a customer; forget it.
    #[command(subcommand, after_help = customer::AFTER_HELP)]
    Customer(customer::Command),
    /// Make further links of a grant, and withdraw links.
    #[command(subcommand, after_help = link::AFTER_HELP)]
    Link(link::Command),
    /// Show and replace the user names and passwords of public directories.
    #[command(subcommand, after_help = credential::AFTER_HELP)]
    Credential(credential::Command),
    /// Show what leaves for webhooks and customers, try whether it arrives, send again what did not.
    #[command(subcommand, after_help = outbox::AFTER_HELP)]
    Outbox(outbox::Command),
    /// Make keys with which programs call the API, list them, revoke them.
    #[command(name = "apikey", subcommand, after_help = api_key::AFTER_HELP)]
    ApiKey(api_key::Command),
    /// Print the description of the API for programs: `OpenAPI` 3.1.
    #[command(name = "openapi", after_help = openapi::AFTER_HELP)]
    OpenApi,
    /// Tell every step of a decision, and what mends it.
    #[command(after_help = explain::AFTER_HELP)]
    Explain(explain::Arguments),
    /// Count the true downloads in the access log of a site, before anything is installed.
    #[command(after_help = audit::AFTER_HELP)]
    Audit(audit::Arguments),
    /// Show deliveries: what was sent, to whom, and how it counts.
    #[command(subcommand, after_help = delivery::AFTER_HELP)]
    Delivery(delivery::Command),
    /// Show what lies in public directories, for whom and until when; take away what has to go.
    #[command(subcommand, after_help = stub::AFTER_HELP)]
    Stub(stub::Command),
    /// Show what was done over the API: who, when, what, from where.
    #[command(after_help = history::AFTER_HELP)]
    History(history::Arguments),
    /// Show numbers over time: downloads, bytes, refusals.
    #[command(after_help = stats::AFTER_HELP)]
    Stats(stats::Arguments),
    /// Back the store up, verify it, move it, look into it.
    #[command(subcommand, after_help = store::AFTER_HELP)]
    Store(store::Command),
    /// Hand over the web server's report from standard input, line by line, to the running daemon.
    #[command(after_help = feed::AFTER_HELP)]
    Feed(feed::Arguments),
    /// Answer Apache's `RewriteMap`, line by line, by what the running daemon says.
    #[command(after_help = rewrite_map::AFTER_HELP)]
    RewriteMap(rewrite_map::Arguments),
}

/// What every command gets.
#[derive(Debug)]
struct Common {
    config: PathBuf,
    json: bool,
}

impl Common {
    /// The configuration, or all that is wrong with it.
    fn load(&self) -> Result<Configuration, Failure> {
        Ok(config::load(&self.config)?)
    }
}

/// What the terminal can draw, as the locale says.
fn signs() -> Signs {
    let told = |name| std::env::var(name).ok();
    Signs::of_locale(told("LC_ALL").as_deref(), told("LC_CTYPE").as_deref(), told("LANG").as_deref())
}

/// How wide the terminal is, where standard output is one.
fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// Runs one command line and says how it ended: 0 done, 1 failed, 2 usage, 78 configuration.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let given: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(mut error) => {
            if error.get(ContextKind::Usage).is_some() {
                error.insert(ContextKind::Usage, ContextValue::StyledStr(usage(&given)));
            }
            // Help and version come this way too; what cannot be printed cannot be helped.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let common = Common { config: arguments.config, json: arguments.json };
    let done = match arguments.command {
        Command::Serve => serve::run(&common),
        Command::Check(arguments) => check::run(&common, &arguments),
        Command::Setup(arguments) => setup::run(&common, &arguments),
        Command::Demo(arguments) => demo::run(&common, &arguments),
        Command::Key(command) => key::run(&common, &command),
        Command::Htpasswd(command) => htpasswd::run(&common, &command),
        Command::Sign(arguments) => sign::run(&common, &arguments),
        Command::Order(command) => order::run(&common, command),
        Command::File(command) => file::run(&common, command),
        Command::Import(command) => import::run(&common, command),
        Command::Product(command) => product::run(&common, command),
        Command::Policy(command) => policy::run(&common, command),
        Command::Grant(command) => grant::run(&common, command),
        Command::Customer(command) => customer::run(&common, command),
        Command::Link(command) => link::run(&common, command),
        Command::Credential(command) => credential::run(&common, command),
        Command::Outbox(command) => outbox::run(&common, command),
        Command::ApiKey(command) => api_key::run(&common, command),
        Command::OpenApi => openapi::run(),
        Command::Explain(arguments) => explain::run(&common, &arguments),
        Command::Audit(arguments) => audit::run(&common, arguments),
        Command::Delivery(command) => delivery::run(&common, &command),
        Command::Stub(command) => stub::run(&common, &command),
        Command::History(arguments) => history::run(&common, &arguments),
        Command::Stats(arguments) => stats::run(&common, &arguments),
        Command::Store(command) => store::run(&common, &command),
        Command::Feed(arguments) => feed::run(&common, &arguments),
        Command::RewriteMap(arguments) => rewrite_map::run(&common, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// How the command that was typed is used, whole. What the parser says of itself names what was given as if it had to be,
/// `--config` of the environment among it, and leaves out what else there is.
fn usage(given: &[OsString]) -> StyledStr {
    let mut whole = Arguments::command();
    whole.build();
    let mut command = &whole;
    let mut is_value = false;
    for word in given.iter().skip(1).filter_map(|word| word.to_str()) {
        if !std::mem::take(&mut is_value) {
            is_value = word == "--config";
            command = command.find_subcommand(word).unwrap_or(command);
        }
    }
    command.clone().render_usage()
}

/// Prints a line to standard output. A reader that went away (`| head`) ends the command quietly.
fn say(text: impl AsRef<str>) -> Result<(), Failure> {
    use std::io::Write;
    match writeln!(std::io::stdout().lock(), "{}", text.as_ref()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Quiet),
        Err(error) => Err(Failure::failed(format!("cannot write to standard output: {error}"))),
    }
}

/// Prints a value as JSON.
fn say_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::failed(error.to_string()))?;
    say(text)
}
