//! What stands between the exchange and the desk: lines that lose or garble on purpose, and a snapshot server that dies,
//! refuses, keeps back or lies.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(2);

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => panic!("IPv4 was asked for"),
    }
}

fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port")
}

/// An address that nobody answers on, as long as the socket lives.
pub(super) fn deaf() -> (UdpSocket, SocketAddrV4) {
    let socket = socket();
    let address = v4(socket.local_addr().expect("an address"));
    (socket, address)
}

#[derive(Default)]
struct Orders {
    stop: AtomicBool,
    /// Nothing passes.
    mute: AtomicBool,
    /// The next order added for this locate code becomes a message of an unknown type; 0: none.
    garble: AtomicU64,
    /// The sequence after the last that was seen.
    next: AtomicU64,
}

/// Both lines, on their way from the exchange to the desk.
pub(super) struct Lines {
    /// Where the exchange sends to.
    pub(super) from: Vec<SocketAddrV4>,
    /// Where the desk listens.
    pub(super) to: Vec<SocketAddrV4>,
    orders: Arc<Orders>,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    pub(super) fn start() -> Self {
        let inputs: Vec<UdpSocket> = (0..2).map(|_| socket()).collect();
        let from = inputs.iter().map(|input| v4(input.local_addr().expect("an address"))).collect();
        // Ports that are free now; the desk binds them.
        let to: Vec<SocketAddrV4> = {
            let held: Vec<UdpSocket> = (0..2).map(|_| socket()).collect();
            held.iter().map(|socket| v4(socket.local_addr().expect("an address"))).collect()
        };
        let orders = Arc::new(Orders::default());
        let (shared, targets) = (Arc::clone(&orders), to.clone());
        let thread = std::thread::spawn(move || carry(&inputs, &targets, &shared));
        Self { from, to, orders, thread: Some(thread) }
    }

    /// Whether everything is lost from now on.
    pub(super) fn mute(&self, mute: bool) {
        self.orders.mute.store(mute, Ordering::SeqCst);
    }

    /// Makes the next order that is added for `locate` unreadable, on both lines.
    pub(super) fn garble(&self, locate: u64) {
        self.orders.garble.store(locate, Ordering::SeqCst);
    }

    /// The sequence after the last that was seen.
    pub(super) fn next(&self) -> u64 {
        self.orders.next.load(Ordering::SeqCst)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.orders.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the relay");
        }
    }
}

fn carry(inputs: &[UdpSocket], targets: &[SocketAddrV4], orders: &Orders) {
    let out = socket();
    let mut garbled = None;
    inputs.iter().for_each(|input| input.set_nonblocking(true).expect("set"));
    let mut buffer = [0; 2048];
    while !orders.stop.load(Ordering::SeqCst) {
        let mut idle = true;
        for (input, target) in inputs.iter().zip(targets) {
            while let Ok(len) = input.recv(&mut buffer) {
                idle = false;
                let packet = &mut buffer[..len];
                visit(packet, orders, &mut garbled);
                if !orders.mute.load(Ordering::SeqCst) {
                    // Where the desk does not listen, nobody does.
                    let _sent = out.send_to(packet, target);
                }
            }
        }
        if idle {
            std::thread::sleep(LOOK);
        }
    }
}

/// Looks at the messages of a packet: session 10, sequence 8, count 2, then each behind its length.
fn visit(packet: &mut [u8], orders: &Orders, garbled: &mut Option<u64>) {
    let first = u64::from_be_bytes(packet[10..18].try_into().expect("eight bytes"));
    let count = u64::from(u16::from_be_bytes([packet[18], packet[19]]));
    let messages = if count == 0xffff { 0 } else { count };
    orders.next.fetch_max(first + messages, Ordering::SeqCst);
    let mut at = 20;
    for sequence in first..first + messages {
        let len = usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
        let message = &mut packet[at + 2..at + 2 + len];
        let locate = u64::from(u16::from_be_bytes([message[1], message[2]]));
        let wanted = orders.garble.load(Ordering::SeqCst);
        if wanted != 0 && locate == wanted && message[0] == b'A' {
            *garbled = Some(sequence);
            orders.garble.store(0, Ordering::SeqCst);
        }
        if *garbled == Some(sequence) {
            message[0] = b'Z';
        }
        at += 2 + len;
    }
}

/// What a connection meets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// The exchange's own server.
    Honest,
    /// The login is refused.
    Refuses,
    /// The connection ends after so many bytes.
    Dies(usize),
    /// The session ends without its last message.
    Incomplete,
    /// The snapshot is kept back until it is let go.
    Holds,
}

/// A snapshot server in front of the exchange's: each connection meets the next manner, the last one again and again.
pub(super) struct SnapshotRelay {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    go: Arc<AtomicBool>,
    met: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotRelay {
    pub(super) fn start(upstream: SocketAddr, manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let address = listener.local_addr().expect("an address");
        let (stop, go) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let met = Arc::new(Mutex::new(Vec::new()));
        let (stopped, gone, seen, manners) = (stop.clone(), go.clone(), met.clone(), manners.to_vec());
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !stopped.load(Ordering::SeqCst) {
                let Ok((client, _)) = listener.accept() else {
                    std::thread::sleep(LOOK);
                    continue;
                };
                let manner = manners[number.min(manners.len() - 1)];
                number += 1;
                seen.lock().expect("not poisoned").push(format!("{manner:?}"));
                // A client that hangs up is as good as one that is served.
                let _served = serve(client, upstream, manner, &stopped, &gone);
            }
        });
        Self { address, stop, go, met, thread: Some(thread) }
    }

    /// Lets go what is held back.
    pub(super) fn let_go(&self) {
        self.go.store(true, Ordering::SeqCst);
    }

    /// The manners that connections have met so far.
    pub(super) fn met(&self) -> Vec<String> {
        self.met.lock().expect("not poisoned").clone()
    }
}

impl Drop for SnapshotRelay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the relay");
        }
    }
}

/// One packet of SoupBinTCP: its length in two bytes, and so many.
fn packet(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut packet = head.to_vec();
    packet.resize(2 + usize::from(u16::from_be_bytes(head)), 0);
    stream.read_exact(&mut packet[2..])?;
    Ok(packet)
}

fn serve(
    mut client: TcpStream,
    upstream: SocketAddr,
    manner: Manner,
    stop: &AtomicBool,
    go: &AtomicBool,
) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    let bound = Some(Duration::from_secs(60));
    client.set_read_timeout(bound)?;
    let login = packet(&mut client)?;
    if let Manner::Refuses = manner {
        return client.write_all(&[0, 2, b'J', b'A']);
    }
    let mut server = TcpStream::connect(upstream)?;
    server.set_read_timeout(bound)?;
    server.write_all(&login)?;
    let mut sent = 0;
    let mut held = Vec::new();
    loop {
        let packet = packet(&mut server)?;
        let over = packet[2] == b'Z';
        let whole = packet[2] == b'S' && packet[3] == b'G';
        match manner {
            Manner::Dies(bytes) if sent + packet.len() > bytes => return client.write_all(&packet[..1]),
            Manner::Incomplete if whole => return client.write_all(&[0, 1, b'Z']),
            Manner::Holds => held.extend_from_slice(&packet),
            _ => client.write_all(&packet)?,
        }
        sent += packet.len();
        if over {
            break;
        }
    }
    while !held.is_empty() && !go.load(Ordering::SeqCst) && !stop.load(Ordering::SeqCst) {
        // The client counts on hearing something every now and then.
        client.write_all(&[0, 1, b'H'])?;
        std::thread::sleep(Duration::from_millis(50));
    }
    client.write_all(&held)
}
