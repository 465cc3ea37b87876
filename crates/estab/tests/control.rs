//! A program answers at its control socket, as long as it keeps that.

mod common;

use common::{SERVER, connect_to, hosts};
use estab::TcpListener;
use estab::control::client::{AskError, ask};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_tells_its_connections_and_where_they_come_from() {
    let (server, client) = hosts();
    let path = std::env::temp_dir().join(format!("estab-{}-host.sock", std::process::id()));
    let control = server.serve_control(&path).unwrap();
    assert_eq!(control.path(), path);
    let taken = server.serve_control(&path).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    listener.set_label("api");
    let _both = connect_to(&listener, &client).await;
    let asked = path.clone();
    let answer = tokio::task::spawn_blocking(move || ask(&asked, None));
    let answer = answer.await.unwrap().unwrap();
    assert_eq!((answer.listeners.len(), answer.sockets.len()), (1, 1));
    let socket = &answer.sockets[0];
    assert_eq!(socket.label.as_deref(), Some("api"));
    let site = socket.site.as_deref().unwrap();
    assert!(site.contains("common/mod.rs:"), "{site}");
    assert_eq!(answer.origins.len(), 1);
    assert_eq!(answer.origins[0].site.as_deref(), Some(site));
    assert_eq!((answer.origins[0].opened, answer.origins[0].open), (1, 1));
    let limits = &answer.limits;
    assert_eq!((limits.connections, limits.max_connections), (1, 65_536));
    assert_eq!(limits.policy, "report");
    drop(control);
    assert!(!path.exists());
    let gone = ask(&path, None).unwrap_err();
    assert!(matches!(gone, AskError::NobodyThere(_)), "{gone}");
}
