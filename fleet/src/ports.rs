//! Free ports on the loopback interface.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    io,
    net::{Ipv4Addr, TcpListener},
};

/// Where ports are looked for. Those that the system chooses are higher (Linux'
/// `net.ipv4.ip_local_port_range`): it gives them to whoever connects to something, too, so that
/// one that was released may be taken before its process has started.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port that nobody else gets until it is released, just before the process that uses it starts.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _listener: TcpListener,
}

impl Port {
    /// Chooses one at random, as several fleets may do at the same time.
    pub(crate) fn reserve() -> io::Result<Self> {
        let random = RandomState::new().build_hasher().finish() % u64::from(COUNT);
        let start = u16::try_from(random).unwrap_or_default();
        let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
        for offset in 0..COUNT {
            let number = FIRST + (start + offset) % COUNT;
            match TcpListener::bind((Ipv4Addr::LOCALHOST, number)) {
                Ok(listener) => {
                    return Ok(Self {
                        number,
                        _listener: listener,
                    });
                }
                Err(error) => taken = error,
            }
        }
        Err(taken)
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_held_and_then_free() {
        let port = Port::reserve().unwrap();
        let number = port.number();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_err());
        drop(port);
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok());
    }
}
