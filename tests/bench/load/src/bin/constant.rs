//! Says one and the same to everybody who asks: what is left of a way to ask when nothing is decided. Over FastCGI and SCGI a
//! connection has one question, over HTTP it stays open; `rewrite-map` answers lines from standard input.

use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

#[derive(Debug, Parser)]
#[command(about)]
struct Options {
    /// How it is asked.
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// Where it listens: `unix:PATH`, or an address and port.
    #[arg(long, required_unless_present = "lines")]
    listen: Option<String>,
    /// Answers lines.
    #[arg(long, conflicts_with = "listen")]
    lines: bool,
    /// The file of what it says, byte for byte.
    #[arg(long)]
    says: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Fastcgi,
    Scgi,
    Http,
    RewriteMap,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("constant: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let says: &'static [u8] = Vec::leak(std::fs::read(&options.says)?);
    let Some(listen) = &options.listen else { return lines(says) };
    let protocol = options.protocol;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        if let Some(path) = listen.strip_prefix("unix:") {
            let listener = UnixListener::bind(path)?;
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::task::spawn_local(answer(stream, protocol, says));
            }
        }
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(answer(stream, protocol, says));
        }
    }))
}

fn lines(says: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        line?;
        output.write_all(says)?;
        output.flush()?;
    }
    Ok(())
}

/// How a connection ends does not matter to anybody.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, protocol: Protocol, says: &[u8]) {
    let mut asked = Vec::with_capacity(4096);
    loop {
        match stream.read_buf(&mut asked).await {
            Ok(1..) => {}
            Ok(_) | Err(_) => return,
        }
        if is_whole(protocol, &asked) {
            asked.clear();
            if stream.write_all(says).await.is_err() || protocol != Protocol::Http {
                let _ = stream.shutdown().await;
                return;
            }
        }
    }
}

/// Whether a question is there to its end.
fn is_whole(protocol: Protocol, asked: &[u8]) -> bool {
    match protocol {
        // The record that ends the variables.
        Protocol::Fastcgi => asked.ends_with(&[1, 4, 0, 1, 0, 0, 0, 0]),
        Protocol::Scgi => {
            let mut parts = asked.splitn(2, |byte| *byte == b':');
            let (Some(length), Some(rest)) = (parts.next(), parts.next()) else { return false };
            let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<usize>().ok());
            length.is_some_and(|length| rest.len() > length)
        }
        Protocol::Http => asked.ends_with(b"\r\n\r\n"),
        Protocol::RewriteMap => false,
    }
}
