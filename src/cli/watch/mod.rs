//! `stratagram watch RUN`: the page of a run that is at work, served to this machine alone.
//!
//! `work` analyzes what lands and draws the page again, `server` hands it out, `request` decides
//! which requests are answered, `live` is what the served page has beside the written one.

mod live;
mod request;
mod server;
mod work;

use std::path::PathBuf;

use super::open::check_run;
use super::output::print_result;
use super::progress::Terminal;
use super::threads::Threads;
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::shell::verb_on;
use request::Secret;
use server::Server;
use work::Shared;

/// Serve a run's page while it is being trained or recorded; rows appear as checkpoints land.
///
/// The page is served to this machine alone, at an address that is printed and holds a secret.
/// Each new checkpoint is analyzed as `analyze --follow` does it, unless another process
/// analyzes the run. Ends by Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram watch runs/quickstart\n  \
    stratagram watch runs/quickstart --no-analyze   # another process analyzes, or nobody\n\n\
    On another machine the line to reach it over SSH is printed, too.")]
pub(super) struct Arguments {
    /// The run directory.
    #[arg(add = super::complete::runs())]
    run: PathBuf,
    /// Show what is there, and analyze nothing.
    #[arg(long)]
    no_analyze: bool,
    #[command(flatten)]
    threads: Threads,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.threads.apply()?;
    check_run(&arguments.run)?;
    let terminal = Terminal::new(&verb_on("watch", &arguments.run));
    let shared = Shared::new(&arguments.run);
    let secret = Secret::new()
        .map_err(|error| Error::io("a random number".as_ref(), "cannot be had", error))?;
    let server = Server::bind(secret)
        .map_err(|error| Error::io("127.0.0.1".as_ref(), "has no port", error))?;
    print_result(&announcement(&server, over_ssh().as_deref()))?;
    std::thread::scope(|scope| {
        if !arguments.no_analyze {
            scope.spawn(|| work::analyze(&arguments.run, &terminal));
        }
        scope.spawn(|| work::draw(&shared, &terminal));
        server.serve(&shared, &|| terminal.should_stop());
    });
    Ok(())
}

/// The address of the page, and how to reach it from the machine that this one is used from.
fn announcement(server: &Server, host: Option<&str>) -> String {
    let mut text = format!("{}\n", server.address());
    if let Some(host) = host {
        let port = server.port();
        text += &format!(
            "over SSH, on your own machine first: ssh -N -L {port}:127.0.0.1:{port} {host}\n"
        );
    }
    text + "Ctrl-C ends it\n"
}

/// `USER@HOST` of this machine, if it is used over SSH.
fn over_ssh() -> Option<String> {
    let connection = std::env::var("SSH_CONNECTION").ok()?;
    // The client's address and port, then the server's.
    let host = connection.split(' ').nth(2)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".:-%".contains(c);
    let user = std::env::var("USER").ok().filter(|user| user.chars().all(is_plain));
    let host = Some(host).filter(|host| host.chars().all(is_plain))?;
    Some(user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}")))
}
