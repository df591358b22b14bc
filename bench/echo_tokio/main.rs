// The echo server as a user of Tokio writes it: a task per connection, on the runtime of one
// thread. See bench/load.c for the contract.
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CHUNK: usize = 4096;

#[derive(Clone, Copy, Default)]
struct Options {
    once: bool,
    message: usize, // one write per so many bytes; 0: one per chunk
}

fn parse() -> Options {
    let mut options = Options::default();
    for word in std::env::args().skip(1) {
        if word == "once" {
            options.once = true;
        } else if let Some(size) = word.strip_prefix("message=").and_then(|s| s.parse().ok()) {
            options.message = size;
        } else {
            eprintln!("usage: echo_tokio [once] [message=BYTES]");
            std::process::exit(1);
        }
    }
    options
}

// How many of the `len` bytes waiting may leave in one write, `done` bytes into the stream.
fn send_size(options: Options, done: usize, len: usize) -> usize {
    if options.message == 0 {
        return len;
    }
    len.min(options.message - done % options.message)
}

async fn echo(mut stream: TcpStream, options: Options) -> std::io::Result<()> {
    let mut data = [0u8; CHUNK];
    let mut done = 0;
    loop {
        let len = stream.read(&mut data).await?;
        if len == 0 {
            return Ok(());
        }
        let mut from = 0;
        while from < len {
            let size = send_size(options, done, len - from);
            stream.write_all(&data[from..from + size]).await?;
            from += size;
            done += size;
        }
    }
}

async fn serve(options: Options) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let open = Arc::new(AtomicUsize::new(0));
    println!("ready {}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        open.fetch_add(1, Relaxed);
        let open = open.clone();
        tokio::spawn(async move {
            let _ = echo(stream, options).await;
            if open.fetch_sub(1, Relaxed) == 1 && options.once {
                std::process::exit(0);
            }
        });
    }
}

fn main() -> std::io::Result<()> {
    let options = parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(options))
}
