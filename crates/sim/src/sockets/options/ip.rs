//! IPPROTO_IP and IPPROTO_IPV6.

use estab_core::observe::{Observer, StateName};

use super::super::symbols::*;
use super::super::{Errno, Fd, OptionValue, Sockets};
use super::{Name, bounded, count, int};

/// The ECN field's bits, which belong to TCP.
const ECN: i32 = 3;

/// The hops a packet may take, unless told otherwise.
const DEFAULT_HOPS: i32 = 64;

impl<O: Observer> Sockets<O> {
    pub(super) fn set_ip_option(
        &mut self,
        fd: Fd,
        name: Name,
        value: &OptionValue,
    ) -> Result<(), Errno> {
        let socket = self.get_mut(fd)?;
        if name.0 == IPPROTO_IPV6 && !socket.is_ipv6 {
            return Err(Errno::ENOPROTOOPT);
        }
        // A single byte is a value, too.
        let value = &match value {
            OptionValue::Bytes(bytes) if name.0 == IPPROTO_IP && (1..4).contains(&bytes.len()) => {
                OptionValue::Int(bytes[0].into())
            }
            other => other.clone(),
        };
        let kept = match name {
            (IPPROTO_IP, IP_TTL) => match int(value)? {
                0 => return Err(Errno::EINVAL),
                _ => bounded(value, -1..=255)?,
            },
            (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => bounded(value, -1..=255)?,
            (IPPROTO_IP, IP_TOS) => int(value)? & 0xff & !ECN,
            (IPPROTO_IPV6, IPV6_TCLASS) => match bounded(value, -1..=255)? {
                -1 => 0,
                class => class & !ECN,
            },
            (IPPROTO_IP, IP_MTU_DISCOVER) | (IPPROTO_IPV6, IPV6_MTU_DISCOVER) => {
                bounded(value, IP_PMTUDISC_DONT..=IP_PMTUDISC_OMIT)?
            }
            (IPPROTO_IP, IP_RECVERR | IP_RECVTOS | IP_RECVTTL | IP_PKTINFO | IP_FREEBIND)
            | (IPPROTO_IP, IP_TRANSPARENT | IP_BIND_ADDRESS_NO_PORT)
            | (IPPROTO_IPV6, IPV6_RECVERR | IPV6_RECVTCLASS | IPV6_USE_MIN_MTU) => {
                i32::from(int(value)? != 0)
            }
            (IPPROTO_IPV6, IPV6_V6ONLY) => {
                if socket.local.is_some() {
                    return Err(Errno::EINVAL);
                }
                i32::from(int(value)? != 0)
            }
            (IPPROTO_IP, IP_MINTTL) | (IPPROTO_IPV6, IPV6_MINHOPCOUNT) => {
                // The core looks at no hop limit: only "any" can be promised.
                bounded(value, 0..=0).map_err(|_| Errno::EOPNOTSUPP)?
            }
            _ => return Err(Errno::ENOPROTOOPT),
        };
        let settings = &mut socket.settings;
        settings.stored.insert(name, kept);
        match name {
            (IPPROTO_IP, IP_TTL) | (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => {
                settings.ttl = u8::try_from(kept).ok();
            }
            (IPPROTO_IP, IP_TOS) | (IPPROTO_IPV6, IPV6_TCLASS) => {
                settings.traffic_class = kept as u8;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn ip_option(&mut self, fd: Fd, name: Name) -> Result<OptionValue, Errno> {
        let socket = self.get(fd)?;
        if name.0 == IPPROTO_IPV6 && !socket.is_ipv6 {
            return Err(Errno::ENOPROTOOPT);
        }
        let stored = |default| socket.settings.stored(name, default);
        Ok(match name {
            (IPPROTO_IP, IP_TTL) | (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => {
                let hops = stored(-1);
                OptionValue::Int(if hops < 0 { DEFAULT_HOPS } else { hops })
            }
            (IPPROTO_IP, IP_MTU_DISCOVER) | (IPPROTO_IPV6, IPV6_MTU_DISCOVER) => {
                OptionValue::Int(stored(IP_PMTUDISC_WANT))
            }
            (IPPROTO_IP, IP_MTU) | (IPPROTO_IPV6, IPV6_MTU) => {
                let status = self.status(socket).ok_or(Errno::ENOTCONN)?;
                if status.state == StateName::Closed {
                    return Err(Errno::ENOTCONN);
                }
                count(status.path_mtu.into())
            }
            (IPPROTO_IP, IP_TOS | IP_RECVERR | IP_RECVTOS | IP_RECVTTL | IP_PKTINFO)
            | (IPPROTO_IP, IP_FREEBIND | IP_TRANSPARENT | IP_BIND_ADDRESS_NO_PORT | IP_MINTTL)
            | (IPPROTO_IPV6, IPV6_TCLASS | IPV6_V6ONLY | IPV6_RECVERR | IPV6_RECVTCLASS)
            | (IPPROTO_IPV6, IPV6_MINHOPCOUNT | IPV6_USE_MIN_MTU) => OptionValue::Int(stored(0)),
            _ => return Err(Errno::ENOPROTOOPT),
        })
    }
}
