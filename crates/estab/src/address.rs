//! What `bind` and `connect` take for an address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What stands for one address and port, as for [`std::net::ToSocketAddrs`], but without name resolution.
pub trait ToAddr {
    /// The address.
    ///
    /// # Errors
    /// `InvalidInput` for text that is no address.
    fn to_addr(&self) -> io::Result<SocketAddr>;
}

impl<T: ToAddr + ?Sized> ToAddr for &T {
    fn to_addr(&self) -> io::Result<SocketAddr> {
        (**self).to_addr()
    }
}

macro_rules! infallible {
    ($($type:ty),*) => {$(
        impl ToAddr for $type {
            fn to_addr(&self) -> io::Result<SocketAddr> {
                Ok((*self).into())
            }
        }
    )*};
}

infallible!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
    ([u8; 4], u16),
    ([u16; 8], u16)
);

impl ToAddr for str {
    fn to_addr(&self) -> io::Result<SocketAddr> {
        self.parse().map_err(|_| {
            let message = format!("`{self}` is no address: expected IP:PORT or [IPV6]:PORT");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })
    }
}

impl ToAddr for String {
    fn to_addr(&self) -> io::Result<SocketAddr> {
        self.as_str().to_addr()
    }
}

impl ToAddr for (&str, u16) {
    fn to_addr(&self) -> io::Result<SocketAddr> {
        let (ip, port) = *self;
        let ip: IpAddr = ip.parse().map_err(|_| {
            let message = format!("`{ip}` is no IP address");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        Ok((ip, port).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_in_every_usual_shape() {
        let expected: SocketAddr = "198.18.0.1:80".parse().unwrap();
        let ip: IpAddr = expected.ip();
        assert_eq!("198.18.0.1:80".to_addr().unwrap(), expected);
        assert_eq!(([198, 18, 0, 1], 80).to_addr().unwrap(), expected);
        assert_eq!((ip, 80).to_addr().unwrap(), expected);
        assert_eq!(("198.18.0.1", 80).to_addr().unwrap(), expected);
        assert_eq!(String::from("198.18.0.1:80").to_addr().unwrap(), expected);
        assert!("[fd00::1]:80".to_addr().unwrap().is_ipv6());
    }

    #[test]
    fn names_are_not_resolved() {
        let error = "localhost:80".to_addr().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
