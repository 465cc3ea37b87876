//! TCP in user space with tokio sockets, every connection's life explained.
