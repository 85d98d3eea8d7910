//! The subscription to revocations is a connection of its own, and may die by itself.

use quickbite_auth::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::identity::revoke;
use crate::support::{Backend, before, eventually, redis_url};

/// A relay before Redis. The first subscription's connection says nothing more from `SUBSCRIBE` on,
/// the second one's nothing after its answer; all other connections work.
struct Relay {
    url: String,
    subscriptions: watch::Receiver<usize>,
}

async fn relay() -> Relay {
    let mut target = reqwest::Url::parse(&redis_url()).unwrap();
    let server = format!(
        "{}:{}",
        target.host_str().unwrap(),
        target.port().unwrap_or(6379)
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    target.set_host(Some("127.0.0.1")).unwrap();
    target
        .set_port(Some(listener.local_addr().unwrap().port()))
        .unwrap();
    let (seen, subscriptions) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(join(client, server, seen.clone()));
        }
    });
    Relay {
        url: target.to_string(),
        subscriptions,
    }
}

async fn join(mut client: TcpStream, mut server: TcpStream, seen: watch::Sender<usize>) {
    let (mut asked, mut said) = ([0; 16 * 1024], [0; 16 * 1024]);
    // How many more answers come through; `None` is all.
    let mut left: Option<usize> = None;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(n @ 1..) = read else { return };
                if asked[..n].windows(9).any(|word| word == b"SUBSCRIBE") {
                    seen.send_modify(|count| *count += 1);
                    left = match *seen.borrow() {
                        1 => Some(0),
                        2 => Some(1),
                        _ => None,
                    };
                }
                if server.write_all(&asked[..n]).await.is_err() { return }
            }
            read = server.read(&mut said), if left != Some(0) => {
                let Ok(n @ 1..) = read else { return };
                left = left.map(|left| left - 1);
                if client.write_all(&said[..n]).await.is_err() { return }
            }
        }
    }
}

#[tokio::test]
async fn a_subscription_that_says_nothing_is_made_anew() {
    let backend = Backend::start().await;
    let mut relay = relay().await;
    let world = before(&backend).redis(&relay.url).start().await;
    let third = relay.subscriptions.wait_for(|count| *count == 3);
    tokio::time::timeout(std::time::Duration::from_secs(30), third)
        .await
        .expect("a third subscription")
        .unwrap();
    let token = world.token(Role::Customer);
    assert_eq!(world.get_as(&token.text, "/api/orders").await.status, 200);
    revoke(&token.session.to_string()).await;
    eventually("the revoked token is refused", async || {
        world.get_as(&token.text, "/api/orders").await.status == 403
    })
    .await;
}
