//! The few requests of rtnetlink that an interface needs, each waiting for the kernel's answer.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipnet::IpNet;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use netlink_packet_route::{AddressFamily as Family, RouteNetlinkMessage};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// How often, and in what steps, the kernel is asked whether an address is in use; it takes one or two as a rule.
const LOCAL_TRIES: u32 = 1000;
const LOCAL_AGAIN: Duration = Duration::from_millis(1);

/// A socket to the kernel's network configuration, in the namespace of the thread that opened it.
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None, // protocol 0, NETLINK_ROUTE,
        )?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// The number of the interface of this name.
    pub(super) fn index_of(&self, name: &str) -> io::Result<u32> {
        Ok(rustix::net::netdevice::name_to_index(&self.socket, name)?)
    }

    /// Sets the mtu, if given, and brings the interface up, if so asked.
    pub(super) fn set_link(&mut self, index: u32, mtu: Option<u32>, up: bool) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        if up {
            message.header.flags = LinkFlags::Up;
            message.header.change_mask = LinkFlags::Up;
        }
        message.attributes.extend(mtu.map(LinkAttribute::Mtu));
        self.request(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Adds an address, without detection of duplicates, and with it the route to its prefix.
    pub(super) fn add_address(&mut self, index: u32, address: IpNet) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.prefix_len = address.prefix_len();
        let ip = address.addr();
        match ip {
            IpAddr::V4(_) => message.header.family = Family::Inet,
            IpAddr::V6(_) => {
                // Nobody else is on this link: without detection of duplicates the address needs no waiting time.
                message.header.family = Family::Inet6;
                message.header.flags = AddressHeaderFlags::Nodad;
                let nodad = AddressAttribute::Flags(AddressFlags::Nodad);
                message.attributes.push(nodad);
            }
        }
        message.attributes.push(AddressAttribute::Local(ip));
        message.attributes.push(AddressAttribute::Address(ip));
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.request(RouteNetlinkMessage::NewAddress(message), flags)
    }

    /// Adds a route to what is reached through the interface without a gateway.
    pub(super) fn add_route(&mut self, index: u32, prefix: IpNet) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header.destination_prefix_length = prefix.prefix_len();
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.kind = RouteType::Unicast;
        let destination = match prefix.network() {
            IpAddr::V4(ip) => {
                message.header.address_family = Family::Inet;
                message.header.scope = RouteScope::Link;
                RouteAddress::Inet(ip)
            }
            IpAddr::V6(ip) => {
                message.header.address_family = Family::Inet6;
                RouteAddress::Inet6(ip)
            }
        };
        if prefix.prefix_len() > 0 {
            let destination = RouteAttribute::Destination(destination);
            message.attributes.push(destination);
        }
        message.attributes.push(RouteAttribute::Oif(index));
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.request(RouteNetlinkMessage::NewRoute(message), flags)
    }

    /// Lets packets leave in the order and at the time they come, whatever the system's default queue does.
    pub(super) fn queue_plainly(&mut self, index: u32) -> io::Result<()> {
        let mut message = TcMessage::default();
        message.header.index = index
            .try_into()
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        message.header.parent = TcHandle::ROOT;
        let kind = TcAttribute::Kind("pfifo".to_owned());
        message.attributes.push(kind);
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.request(RouteNetlinkMessage::NewQueueDiscipline(message), flags)
    }

    /// Waits until the kernel takes packets to an IPv6 address of its own: it adds the route to itself a moment after it
    /// has said yes to the address.
    pub(super) fn wait_until_local(&mut self, address: Ipv6Addr) -> io::Result<()> {
        for _ in 0..LOCAL_TRIES {
            let mut message = RouteMessage::default();
            message.header.address_family = Family::Inet6;
            message.header.destination_prefix_length = 128;
            let destination = RouteAttribute::Destination(RouteAddress::Inet6(address));
            message.attributes.push(destination);
            let answer = self.ask(RouteNetlinkMessage::GetRoute(message), 0);
            if let Ok(Some(RouteNetlinkMessage::NewRoute(route))) = answer
                && route.header.kind == RouteType::Local
            {
                return Ok(());
            }
            std::thread::sleep(LOCAL_AGAIN);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Sends a request to change something and waits for the kernel's yes or no.
    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.ask(message, NLM_F_ACK | flags).map(drop)
    }

    /// Sends one message and waits for the kernel's answer, which is none for a yes.
    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Option<RouteNetlinkMessage>> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        rustix::net::send(&self.socket, &bytes, SendFlags::empty())?;

        let mut answer = [0; 4096];
        loop {
            let (length, _) = rustix::io::retry_on_intr(|| {
                rustix::net::recv(&self.socket, &mut answer[..], RecvFlags::empty())
            })?;
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..length])
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if answer.header.sequence_number != self.sequence {
                continue;
            }
            match answer.payload {
                NetlinkPayload::InnerMessage(answer) => return Ok(Some(answer)),
                NetlinkPayload::Error(answer) => {
                    return match answer.code {
                        None => Ok(None),
                        Some(code) => Err(io::Error::from_raw_os_error(code.get().abs())),
                    };
                }
                _ => {}
            }
        }
    }
}
