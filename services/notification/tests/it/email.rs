//! E-mail, to an SMTP server that the test plays.

use quickbite_notification::channels::{Channel, Email, Undelivered};
use quickbite_notification::store::Job;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::stage::{Cast, Stage, registered};

/// Takes one message, or refuses its recipient with `refusal`; the lines that the client sent.
async fn mail_server(refusal: Option<&'static str>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let talk = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let (mut lines, mut heard, mut body) = (BufReader::new(read).lines(), Vec::new(), false);
        write.write_all(b"220 test\r\n").await.unwrap();
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "." => {
                    body = false;
                    "250 taken"
                }
                _ if body => "",
                "EHLO" | "HELO" => "250 test",
                "RCPT" => refusal.unwrap_or("250 ok"),
                "DATA" => {
                    body = true;
                    "354 go on"
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            let ended = line == "."
                || line.starts_with("QUIT")
                || (refusal.is_some() && line.starts_with("RCPT"));
            heard.push(line);
            if !answer.is_empty() {
                write
                    .write_all(format!("{answer}\r\n").as_bytes())
                    .await
                    .unwrap();
            }
            if ended {
                break;
            }
        }
        heard
    });
    (url, talk)
}

/// A job of the customer's, made on the stage.
async fn job(stage: &Stage, cast: &Cast) -> Job {
    stage.tell(&registered(&cast.customer)).await;
    stage.tell(&cast.created()).await;
    let jobs = stage
        .app
        .store
        .claim(50, stage.app.clock.now())
        .await
        .unwrap();
    let customer = cast.customer.user_id;
    jobs.into_iter()
        .find(|job| job.notice.user_id == customer && job.notice.kind == "order.created")
        .unwrap()
}

fn channel(url: String) -> Email {
    Email::new(&url.into(), "QuickBite <no-reply@quickbite.dev>").unwrap()
}

#[tokio::test]
async fn a_notification_is_mailed_to_the_registered_address_with_its_id() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    let job = job(&stage, &cast).await;
    let (url, talk) = mail_server(None).await;
    channel(url).deliver(&job).await.unwrap();
    let heard = talk.await.unwrap();
    for line in [
        "RCPT TO:<ada@example.com>".to_owned(),
        "Subject: Order placed".to_owned(),
        format!("Message-ID: <{}@quickbite>", job.delivery_id),
    ] {
        assert!(heard.contains(&line), "{line}: {heard:#?}");
    }
}

#[tokio::test]
async fn a_refused_recipient_is_final_and_a_busy_or_absent_server_is_not() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    let job = job(&stage, &cast).await;
    let (url, _talk) = mail_server(Some("550 no such user")).await;
    assert!(matches!(
        channel(url).deliver(&job).await,
        Err(Undelivered::Never(_))
    ));
    let (url, _talk) = mail_server(Some("451 try later")).await;
    assert!(matches!(
        channel(url).deliver(&job).await,
        Err(Undelivered::Later(_))
    ));
    let nobody = channel("smtp://127.0.0.1:9".into()).deliver(&job).await;
    assert!(matches!(nobody, Err(Undelivered::Later(_))));
    let unknown = Job { email: None, ..job };
    let waits = channel("smtp://127.0.0.1:9".into()).deliver(&unknown).await;
    assert!(matches!(waits, Err(Undelivered::Later(_))));
}
