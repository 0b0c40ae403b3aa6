//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};

/// A port that nobody else gets until it is released, just before the process that uses it starts.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _listener: TcpListener,
}

impl Port {
    /// Lets the system choose one.
    pub(crate) fn reserve() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Self {
            number: listener.local_addr()?.port(),
            _listener: listener,
        })
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
