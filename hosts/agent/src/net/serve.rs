//! The services that a network gives to its ports: who listens where.
//!
//! Problem: each port of each network is to be answered by DHCP, each network by DNS and metadata,
//! inside namespaces, by one process that must not let one tenant's guest keep it busy.
//!
//! Mechanism: sockets are opened by the thread that converges, each inside its namespace, so that
//! a failure is in the report of that pass. They are handed to one background thread, which serves
//! all of them on one event loop and looks every answer up in the current document ([`Book`]); a
//! changed document needs no new socket. A post is named by all that ties a socket to its place,
//! also the namespace's and the device's numbers: a socket bound to a device that was removed stays
//! silent when one of the same name comes.
//!
//! Not a process per subnet: a cloud has many, and a lease is a lookup.

use super::render::gateways;
use super::{dhcp, dns, metadata, names, netns};
use jinyun_wire::NetworkWant;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The networks that are carried, by namespace, as the services see them.
#[derive(Clone, Default)]
pub struct Book {
    networks: Arc<RwLock<BTreeMap<String, Arc<NetworkWant>>>>,
    /// What guests are told beside their pages.
    pub passwords: metadata::Passwords,
}

impl Book {
    /// The network of a namespace.
    pub fn network(&self, space: &str) -> Option<Arc<NetworkWant>> {
        let book = self.networks.read().unwrap_or_else(PoisonError::into_inner);
        book.get(space).cloned()
    }

    /// From now on it is these.
    pub fn replace(&self, networks: BTreeMap<String, Arc<NetworkWant>>) {
        let mut book = self.networks.write().unwrap_or_else(PoisonError::into_inner);
        *book = networks;
    }
}

/// One socket's place and task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Post {
    /// The network's namespace.
    pub space: String,
    /// The namespace's number.
    pub inode: u64,
    /// What is served.
    pub task: Task,
}

/// What is served at a post.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// DHCP on a port's device.
    Dhcp {
        /// The port.
        port: String,
        /// Its device.
        device: String,
        /// The device's number.
        index: u32,
    },
    /// DNS on an address.
    Dns(Ipv4Addr),
    /// Metadata.
    Metadata,
}

/// The posts of one network; `devices` are the numbers of its devices.
pub fn posts(
    space: &str,
    inode: u64,
    network: &NetworkWant,
    devices: &BTreeMap<String, u32>,
) -> BTreeSet<Post> {
    let mut tasks = vec![Task::Metadata, Task::Dns(names::METADATA)];
    tasks.extend(gateways(network).into_iter().map(Task::Dns));
    for port in &network.ports {
        let device = names::port_device(&port.id);
        let subnet = port.ips.first().map(|(id, _)| id);
        let dhcp = network
            .subnets
            .iter()
            .any(|s| s.dhcp && Some(&s.id) == subnet);
        if let Some(index) = devices.get(&device).filter(|_| dhcp) {
            tasks.push(Task::Dhcp {
                port: port.id.clone(),
                index: *index,
                device,
            });
        }
    }
    let post = |task| Post {
        space: space.to_owned(),
        inode,
        task,
    };
    tasks.into_iter().map(post).collect()
}

/// An open socket on its way to the background thread.
enum Held {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

enum Order {
    Start(Post, Held),
    Stop(Post, mpsc::Sender<()>),
}

/// The background thread and what it serves.
pub struct Services {
    /// What the services answer from.
    pub book: Book,
    running: BTreeSet<Post>,
    orders: Option<UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Services {
    /// Starts the thread, with nothing to serve.
    pub fn new() -> io::Result<Services> {
        let book = Book::default();
        let (orders, inbox) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let of_thread = book.clone();
        let thread = std::thread::Builder::new()
            .name("services".to_owned())
            .spawn(move || runtime.block_on(obey(inbox, of_thread)))?;
        Ok(Services {
            book,
            running: BTreeSet::new(),
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Closes the sockets of all posts but `keep`, and waits until they are closed: a namespace
    /// lives as long as a socket in it.
    pub fn keep_only(&mut self, keep: impl Fn(&Post) -> bool) {
        let (done, closed) = mpsc::channel();
        let leave: Vec<Post> = self.running.iter().filter(|&p| !keep(p)).cloned().collect();
        for post in leave {
            self.running.remove(&post);
            self.order(Order::Stop(post, done.clone()));
        }
        drop(done);
        // Ends when every order has been obeyed and dropped its end.
        while closed.recv().is_ok() {}
    }

    /// Opens what is missing of `posts`; returns what could not be opened, and why.
    pub fn start(&mut self, posts: BTreeSet<Post>) -> Vec<(Post, io::Error)> {
        let mut failed = Vec::new();
        for post in posts {
            if self.running.contains(&post) {
                continue;
            }
            match netns::enter(&post.space, || open(&post.task)) {
                Ok(held) => {
                    self.running.insert(post.clone());
                    self.order(Order::Start(post, held));
                }
                Err(e) => failed.push((post, e)),
            }
        }
        failed
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(task: &Task) -> io::Result<Held> {
    match task {
        Task::Dhcp { device, .. } => {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_reuse_address(true)?;
            socket.set_broadcast(true)?;
            socket.bind_device(Some(device.as_bytes()))?;
            bind(&socket, Ipv4Addr::UNSPECIFIED, 67)?;
            Ok(Held::Udp(socket.into()))
        }
        Task::Dns(address) => {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            bind(&socket, *address, 53)?;
            Ok(Held::Udp(socket.into()))
        }
        Task::Metadata => {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            bind(&socket, names::METADATA, 80)?;
            socket.listen(128)?;
            Ok(Held::Tcp(socket.into()))
        }
    }
}

fn bind(socket: &Socket, address: Ipv4Addr, port: u16) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    // A gateway's address comes and goes with the devices of its subnet's ports.
    socket.set_freebind_v4(true)?;
    socket.bind(&SocketAddrV4::new(address, port).into())
}

async fn obey(mut inbox: UnboundedReceiver<Order>, book: Book) {
    let mut tasks = BTreeMap::new();
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Start(post, held) => {
                let task = tokio::spawn(serve(post.clone(), held, book.clone()));
                tasks.insert(post, task);
            }
            Order::Stop(post, done) => {
                if let Some(task) = tasks.remove(&post) {
                    task.abort();
                    // Waiting makes sure that the socket is closed; that it was cancelled is meant.
                    let _ = task.await;
                }
                drop(done);
            }
        }
    }
}

async fn serve(post: Post, held: Held, book: Book) {
    match (held, post.task) {
        (Held::Udp(socket), Task::Dhcp { port, .. }) => {
            answer_all(socket, |packet| {
                let network = book.network(&post.space)?;
                dhcp::answer(&network, &port, packet)
            })
            .await;
        }
        (Held::Udp(socket), _) => {
            answer_all(socket, |packet| {
                let network = book.network(&post.space)?;
                Some((dns::answer(&network, packet)?, None))
            })
            .await;
        }
        (Held::Tcp(listener), _) => metadata::serve(listener, post.space, book).await,
    }
}

/// Answers every datagram, to its sender unless the answer says where to. Decoders are other
/// people's code and guests send what they like: a packet that makes one panic costs that packet.
async fn answer_all<F>(socket: UdpSocket, answer: F)
where
    F: Fn(&[u8]) -> Option<(Vec<u8>, Option<SocketAddrV4>)>,
{
    let Ok(socket) = tokio::net::UdpSocket::from_std(socket) else {
        return;
    };
    let mut buffer = vec![0; 4096];
    loop {
        let Ok((length, sender)) = socket.recv_from(&mut buffer).await else {
            // The device is down or gone; whoever removed it will close this socket.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let packet = &buffer[..length];
        let answered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| answer(packet)));
        if let Ok(Some((reply, to))) = answered {
            let to = to.map_or(sender, Into::into);
            let _ = socket.send_to(&reply, to).await;
        }
    }
}
