//! A server of a few pages on a thread of its own: never the pipeline's, with the places and times of [`Door`].

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::sync::oneshot;

use super::connections;
use super::door::Door;
use crate::error::{Error, Result};

/// How long the end of a run waits for answers that are on their way.
const GRACE: Duration = Duration::from_millis(500);

/// An address that is ours, before anybody is answered.
#[derive(Debug)]
pub(in crate::edges) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// The server's thread. It ends when this is dropped.
#[derive(Debug)]
pub(in crate::edges) struct Server {
    name: &'static str,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bound {
    /// Takes the address that the key `setting` names.
    ///
    /// # Errors
    /// If it cannot be had.
    pub(in crate::edges) fn bind(listen: SocketAddr, setting: &str) -> Result<Self> {
        let refused = |source| {
            Error::Usage(format!("cannot listen on {listen}: {source}; choose another address in {setting}"))
        };
        let listener = TcpListener::bind(listen).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    /// Answers by `router`, for at most `places` clients at once, on a thread called `name`. The router is made on that
    /// thread, inside its runtime.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(in crate::edges) fn serve(
        self,
        name: &'static str,
        places: usize,
        router: impl FnOnce() -> Router + Send + 'static,
    ) -> Result<Server> {
        let Self { listener, address } = self;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(name, listener, places, router, stopped))
            .map_err(|error| Error::Failed(format!("no thread to serve {name}: {error}")))?;
        Ok(Server { name, address, stop: Some(stop), thread: Some(thread) })
    }
}

fn run(
    name: &'static str,
    listener: TcpListener,
    places: usize,
    router: impl FnOnce() -> Router,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let served = runtime
        .and_then(|runtime| runtime.block_on(async { answer(listener, places, router(), stopped).await }));
    if let Err(error) = served {
        tracing::error!(%error, "the server of {name} ended");
    }
}

async fn answer(
    listener: TcpListener,
    places: usize,
    router: Router,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let door = Door::new(tokio::net::TcpListener::from_std(listener)?, places);
    let (begin, ending) = oneshot::channel::<()>();
    let graceful = async {
        // An error means that the sender is gone, which is an end too.
        let _end = ending.await;
    };
    let server = tokio::spawn(connections::serve(door, router, graceful));
    // An error means that the owner is gone, which is a stop too.
    let _stop = stopped.await;
    drop(begin);
    // A client that keeps its connection open must not keep the run: after the grace it is cut off.
    match tokio::time::timeout(GRACE, server).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_late) => Ok(()),
    }
}

impl Server {
    /// Where it listens.
    pub(in crate::edges) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It has ended by itself if nobody listens.
            let _ended = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the server of {} panicked", self.name);
        }
    }
}
