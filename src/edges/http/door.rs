//! Who may talk to the price server, and for how long: strangers cannot hold a place for ever, nor descriptors that the journal
//! needs.
//!
//! There are so many places. Who comes when all are taken is let in, and the connection that has been here longest goes. A
//! connection on which nothing moves for [`IDLE`] is closed, and none lives longer than [`LIFE`], however slowly it moves.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// How long a connection may lie still: for its request, between two of them, or before it reads its answer.
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// How long a connection may live. Clients that ask often connect again.
pub(super) const LIFE: Duration = Duration::from_secs(60);
/// How long nobody is let in after somebody could not be.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets connections in.
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    seats: Arc<Seats>,
    next: u64,
}

/// Connections by the time when they came.
#[derive(Debug, Default)]
struct Seats(Mutex<VecDeque<Arc<Seat>>>);

#[derive(Debug)]
struct Seat {
    number: u64,
    must_go: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// A connection that was let in.
pub(super) struct Guest {
    stream: TcpStream,
    seat: Arc<Seat>,
    seats: Arc<Seats>,
    still: Pin<Box<Sleep>>,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

impl Door {
    pub(super) fn new(listener: TcpListener, places: usize) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(places.max(1))), seats: Arc::default(), next: 0 }
    }

    async fn place(&self) -> io::Result<OwnedSemaphorePermit> {
        let places = Arc::clone(&self.places);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Ok(place);
        }
        self.seats.send_away_the_oldest();
        places.acquire_owned().await.map_err(io::Error::other)
    }

    async fn let_in(&mut self) -> io::Result<(Guest, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        let place = self.place().await?;
        self.next += 1;
        let seat =
            Arc::new(Seat { number: self.next, must_go: AtomicBool::new(false), waker: Mutex::new(None) });
        self.seats.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(Arc::clone(&seat));
        let guest = Guest {
            stream,
            seat,
            seats: Arc::clone(&self.seats),
            still: Box::pin(sleep(IDLE)),
            until: Instant::now() + LIFE,
            _place: place,
        };
        Ok((guest, peer))
    }
}

impl Listener for Door {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        loop {
            match self.let_in().await {
                Ok(guest) => return guest,
                Err(error) => {
                    tracing::warn!(%error, "an HTTP client could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Seats {
    fn send_away_the_oldest(&self) {
        let oldest = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(seat) = oldest {
            // Release: partner of the acquire in `Guest::check`.
            seat.must_go.store(true, Ordering::Release);
            if let Some(waker) = seat.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
                waker.wake();
            }
        }
    }
}

impl Guest {
    /// An error where the connection must end.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let waker = cx.waker().clone();
        *self.seat.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
        if self.seat.must_go.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "another client needs the place"));
        }
        Ok(())
    }

    /// Something moved: the time begins anew.
    fn moved(&mut self) {
        let deadline = (Instant::now() + IDLE).min(self.until);
        self.still.as_mut().reset(deadline);
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.moved();
            return outcome;
        }
        match self.still.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut seats = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| seat.number != self.seat.number);
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.watch(cx, outcome)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
