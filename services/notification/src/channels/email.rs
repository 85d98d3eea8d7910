//! By e-mail over SMTP. The address is the one that user-service announced; until that fact came, it waits.

use std::time::Duration;

use async_trait::async_trait;
use lettre::message::{Mailbox, header};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::{Channel, Undelivered};
use crate::domain::notice::ChannelKind;
use crate::store::Job;

const TIMEOUT: Duration = Duration::from_secs(10);

/// SMTP_URL or MAIL_FROM cannot be used. The URL is not repeated: it holds a password.
#[derive(Debug, thiserror::Error)]
pub enum SmtpConfigError {
    /// Not an SMTP URL.
    #[error("SMTP_URL must look like smtps://user:password@host:465 or smtp://host:25")]
    Url,
    /// Not an address.
    #[error("MAIL_FROM must be an e-mail address")]
    From,
}

/// The e-mail channel.
pub struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Email {
    /// Sends through `url` as `from`. Connects with the first message.
    pub fn new(url: &SecretString, from: &str) -> Result<Self, SmtpConfigError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
            .map_err(|_| SmtpConfigError::Url)?
            .timeout(Some(TIMEOUT))
            .build();
        let from = from.parse().map_err(|_| SmtpConfigError::From)?;
        Ok(Self { transport, from })
    }

    fn message(&self, job: &Job, to: Address) -> Result<Message, lettre::error::Error> {
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(job.name.clone(), to))
            .subject(job.notice.title.clone())
            // The same for a repetition, so that a mail client shows it once.
            .message_id(Some(format!("<{}@quickbite>", job.delivery_id)))
            .header(header::ContentType::TEXT_PLAIN)
            .body(job.notice.body.clone())
    }
}

#[async_trait]
impl Channel for Email {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Email
    }

    async fn deliver(&self, job: &Job) -> Result<(), Undelivered> {
        let Some(address) = &job.email else {
            return Err(Undelivered::Later(
                "the e-mail address is not known yet".into(),
            ));
        };
        let to: Address = address
            .parse()
            .map_err(|_| Undelivered::Never("the e-mail address is not valid".into()))?;
        let message = self
            .message(job, to)
            .map_err(|error| Undelivered::Never(format!("no message can be made: {error}")))?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) => Err(told(&error)),
        }
    }
}

/// A 5xx reply is the server's last word; everything else may pass.
fn told(error: &SmtpError) -> Undelivered {
    match error.status() {
        Some(code) if error.is_permanent() => {
            Undelivered::Never(format!("the mail server refused: {code}"))
        }
        Some(code) => Undelivered::Later(format!("the mail server asks to wait: {code}")),
        None => Undelivered::Later("the mail server does not answer".into()),
    }
}
