//! What packetdrill does with the library, done by hand: calls, packets and the clock through the C interface.
#![cfg(target_os = "linux")]

use std::ffi::{CString, c_int, c_longlong, c_void};
use std::mem::{self, MaybeUninit};
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use estab_packetdrill::{Interface, packetdrill_interface_init};
use etherparse::{PacketBuilder, PacketHeaders, TransportHeader};
use libc::{sockaddr_in, socklen_t, timeval};

const REMOTE: [u8; 4] = [192, 0, 2, 1];
const LOCAL: [u8; 4] = [192, 168, 0, 1];

/// The library as packetdrill holds it.
struct Library(Interface);

// SAFETY: packetdrill itself calls the interface from two threads; the library has a lock inside.
unsafe impl Sync for Library {}

impl Library {
    fn new(flags: &str) -> Self {
        let flags = CString::new(flags).expect("no zero in it");
        let mut interface = MaybeUninit::uninit();
        // SAFETY: a C string, and room for an interface, which is filled when the call returns.
        unsafe {
            packetdrill_interface_init(flags.as_ptr(), interface.as_mut_ptr());
            Self(interface.assume_init())
        }
    }

    fn socket(&self) -> c_int {
        // SAFETY: the interface's own data.
        unsafe {
            (self.0.socket)(
                self.0.userdata,
                libc::AF_INET,
                libc::SOCK_STREAM,
                libc::IPPROTO_TCP,
            )
        }
    }

    /// A socket that listens on port 8080.
    fn listener(&self) -> c_int {
        let fd = self.socket();
        let address = address(LOCAL, 8080);
        let len = size_of::<sockaddr_in>() as socklen_t;
        // SAFETY: the address lives longer than the call.
        let bound = unsafe { (self.0.bind)(self.0.userdata, fd, (&raw const address).cast(), len) };
        assert_eq!(bound, 0);
        // SAFETY: the interface's own data.
        assert_eq!(unsafe { (self.0.listen)(self.0.userdata, fd, 1) }, 0);
        fd
    }

    fn accept(&self, fd: c_int) -> c_int {
        // SAFETY: no address is asked for.
        unsafe {
            (self.0.accept)(
                self.0.userdata,
                fd,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        }
    }

    fn send(&self, packet: &[u8]) {
        // SAFETY: the packet lives longer than the call.
        let sent =
            unsafe { (self.0.netdev_send)(self.0.userdata, packet.as_ptr().cast(), packet.len()) };
        assert_eq!(sent, 0);
    }

    /// The next packet that leaves, and when; an empty one when none will.
    fn receive(&self) -> (Vec<u8>, Duration) {
        let mut buffer = vec![0_u8; 65_536];
        let (mut count, mut micros): (usize, c_longlong) = (buffer.len(), 0);
        // SAFETY: the buffer has `count` bytes.
        let answered = unsafe {
            (self.0.netdev_receive)(
                self.0.userdata,
                buffer.as_mut_ptr().cast(),
                &raw mut count,
                &raw mut micros,
            )
        };
        assert_eq!(answered, 0, "packetdrill would try again for ever");
        buffer.truncate(count);
        (buffer, Duration::from_micros(micros as u64))
    }

    fn now(&self) -> Duration {
        let mut time = timeval {
            tv_sec: 0,
            tv_usec: 0,
        };
        // SAFETY: room for the time.
        unsafe { (self.0.gettimeofday)(self.0.userdata, &raw mut time, std::ptr::null_mut()) };
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    }

    fn sleep(&self, micros: u32) {
        // SAFETY: the interface's own data.
        unsafe { (self.0.usleep)(self.0.userdata, micros) };
    }

    fn read(&self, fd: c_int, room: usize) -> Vec<u8> {
        let mut buffer = vec![0_u8; room];
        // SAFETY: the buffer has `room` bytes.
        let count = unsafe {
            (self.0.read)(
                self.0.userdata,
                fd,
                buffer.as_mut_ptr().cast::<c_void>(),
                room,
            )
        };
        buffer.truncate(usize::try_from(count).expect("it succeeds"));
        buffer
    }

    /// Waits for something to read, for so many milliseconds.
    fn poll(&self, fd: c_int, timeout: c_int) -> c_int {
        let mut polled = [libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        }];
        // SAFETY: one descriptor, which lives longer than the call.
        unsafe { (self.0.poll)(self.0.userdata, polled.as_mut_ptr(), 1, timeout) }
    }

    /// The remote end opens; answers our ISN.
    fn handshake(&self) -> u32 {
        self.send(&segment(Tcp::syn, 0, &[]));
        let (syn_ack, _) = self.receive();
        let isn = sequence(&syn_ack);
        self.send(&segment(|tcp| tcp.ack(isn + 1), 1, &[]));
        isn
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: once, and nothing is called afterwards.
        unsafe { (self.0.free)(self.0.userdata) };
    }
}

fn address(ip: [u8; 4], port: u16) -> sockaddr_in {
    // SAFETY: plain data for which zero is valid.
    let mut address: sockaddr_in = unsafe { mem::zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from(Ipv4Addr::from(ip)).to_be();
    address
}

type Tcp = etherparse::PacketBuilderStep<etherparse::TcpHeader>;

/// A segment of the remote end.
fn segment(shape: impl FnOnce(Tcp) -> Tcp, seq: u32, data: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ipv4(REMOTE, LOCAL, 64).tcp(5000, 8080, seq, 60_000);
    let builder = shape(builder);
    let mut packet = Vec::new();
    builder.write(&mut packet, data).expect("it fits");
    packet
}

fn sequence(packet: &[u8]) -> u32 {
    let headers = PacketHeaders::from_ip_slice(packet).expect("it is whole");
    match headers.transport {
        Some(TransportHeader::Tcp(tcp)) => tcp.sequence_number,
        other => panic!("not TCP: {other:?}"),
    }
}

fn errno() -> c_int {
    // SAFETY: errno is this thread's own.
    unsafe { *libc::__errno_location() }
}

#[test]
fn a_connection_is_accepted_and_read_through_the_interface() {
    let library = Library::new("");
    let listener = library.listener();
    let isn = library.handshake();
    let fd = library.accept(listener);
    assert!(fd >= 0, "errno {}", errno());
    library.send(&segment(|tcp| tcp.ack(isn + 1).psh(), 1, b"hello"));
    assert_eq!(library.read(fd, 100), b"hello");
    let (ack, _) = library.receive();
    assert_eq!(sequence(&ack), isn + 1);
}

#[test]
fn an_accept_that_blocks_ends_with_the_handshake() {
    let library = Library::new("");
    let listener = library.listener();
    thread::scope(|scope| {
        let accepting = scope.spawn(|| library.accept(listener));
        library.handshake();
        let fd = accepting.join().expect("it does not panic");
        assert!(fd >= 0);
    });
}

/// A script that says `+0 poll(…, 100) = 0` has the call made by the thread that else lets time pass.
#[test]
fn a_call_that_was_not_expected_to_block_lets_time_pass_itself() {
    let library = Library::new("");
    let listener = library.listener();
    let before = library.now();
    assert_eq!(library.poll(listener, 100), 0);
    assert_eq!((library.now() - before).as_millis(), 100);
}

/// `+0...0.1 poll(…, 100) = 0`, and then nothing, or another call that blocks: packetdrill waits for the call's thread.
#[test]
fn a_call_that_blocks_ends_though_everybody_waits_for_it() {
    let library = Library::new("");
    let listener = library.listener();
    for _ in 0..2 {
        let before = library.now();
        thread::scope(|scope| {
            let polling = scope.spawn(|| library.poll(listener, 100));
            assert_eq!(polling.join().expect("it does not panic"), 0);
        });
        assert_eq!((library.now() - before).as_millis(), 100);
    }
}

#[test]
fn a_call_that_nothing_will_ever_end_is_interrupted() {
    let library = Library::new("");
    let listener = library.listener();
    assert_eq!(library.accept(listener), -1);
    assert_eq!(errno(), libc::EINTR);
}

#[test]
fn the_clock_moves_when_it_is_looked_at_and_when_it_is_slept_on() {
    let library = Library::new("");
    let first = library.now();
    let second = library.now();
    assert!(second > first, "packetdrill would spin for ever");
    library.sleep(250_000);
    let slept = library.now() - second;
    assert!(slept >= Duration::from_millis(250) && slept < Duration::from_millis(251));
}

#[test]
fn receiving_lets_time_pass_until_a_timer_sends() {
    let library = Library::new("");
    library.listener();
    library.send(&segment(Tcp::syn, 0, &[]));
    let (_, first) = library.receive();
    let (again, second) = library.receive();
    assert!(!again.is_empty());
    assert_eq!(
        (second - first).as_millis(),
        1000,
        "the SYN,ACK again after 1 s"
    );
}

#[test]
fn receiving_ends_when_nothing_will_ever_come() {
    let library = Library::new("");
    library.listener();
    let (nothing, _) = library.receive();
    assert!(nothing.is_empty());
}

#[test]
fn descriptors_are_numbers_that_the_kernel_gives_to_nobody_else() {
    let library = Library::new("");
    let fd = library.socket();
    // SAFETY: asks about a number.
    assert!(unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0);
    // SAFETY: the interface's own data.
    assert_eq!(unsafe { (library.0.close)(library.0.userdata, fd) }, 0);
    // SAFETY: the interface's own data.
    assert_eq!(unsafe { (library.0.close)(library.0.userdata, fd) }, -1);
    assert_eq!(errno(), libc::EBADF);
}

#[test]
fn what_is_not_there_answers_enosys() {
    let library = Library::new("");
    // SAFETY: the interface's own data.
    let created = unsafe { (library.0.epoll_create)(library.0.userdata, 1) };
    assert_eq!(created, -1);
    assert_eq!(errno(), libc::ENOSYS);
}

#[test]
fn options_pass_both_ways() {
    let library = Library::new("system=linux,mtu=1400");
    let fd = library.socket();
    let (one, len) = (1_i32, 4 as socklen_t);
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_NODELAY);
    // SAFETY: four bytes of value.
    let set = unsafe {
        (library.0.setsockopt)(
            library.0.userdata,
            fd,
            level,
            name,
            (&raw const one).cast(),
            len,
        )
    };
    assert_eq!(set, 0);
    let (mut value, mut room) = (0_i32, 4 as socklen_t);
    // SAFETY: room for four bytes.
    let got = unsafe {
        let value = (&raw mut value).cast();
        (library.0.getsockopt)(library.0.userdata, fd, level, name, value, &raw mut room)
    };
    assert_eq!((got, value, room), (0, 1, 4));
}
