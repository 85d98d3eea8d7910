use std::time::Duration;

use quickbite_resilience::{Redis, RedisAway};
use secrecy::SecretString;

use crate::support::{Cable, unique};

const BOUND: Duration = Duration::from_millis(200);

async fn ping(redis: &Redis) -> Result<String, RedisAway> {
    redis.command(BOUND, &redis::cmd("PING")).await
}

async fn until_up(redis: &Redis) {
    tokio::time::timeout(Duration::from_secs(10), redis.ready())
        .await
        .expect("reconnects within 10 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_made_anew() {
    let cable = Cable::laid().await;
    let redis = cable.redis().await;
    assert_eq!(ping(&redis).await.unwrap(), "PONG");
    cable.cut();
    while redis.is_up() {
        let _ = ping(&redis).await;
    }
    assert!(matches!(ping(&redis).await, Err(RedisAway::Down)));
    cable.mend();
    until_up(&redis).await;
    assert_eq!(ping(&redis).await.unwrap(), "PONG");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_in_which_many_commands_time_out_at_once_costs_no_connection() {
    let cable = Cable::laid().await;
    let redis = cable.redis().await;
    cable.silence();
    let (bound, command) = (Duration::from_millis(20), redis::cmd("PING"));
    let pings = (0..20).map(|_| redis.command::<String>(bound, &command));
    let answers = futures::future::join_all(pings).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(redis.is_up());
    cable.mend();
    assert_eq!(ping(&redis).await.unwrap(), "PONG");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_for_a_while_is_left() {
    let cable = Cable::laid().await;
    let redis = cable.redis().await;
    cable.silence();
    while redis.is_up() {
        assert!(ping(&redis).await.is_err());
    }
    cable.mend();
    until_up(&redis).await;
    assert_eq!(ping(&redis).await.unwrap(), "PONG");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_process_notices_that_the_server_went_away() {
    let cable = Cable::laid().await;
    let redis = cable.redis().await;
    cable.cut();
    let down = tokio::time::timeout(Duration::from_secs(10), redis.changed(true)).await;
    assert_eq!(down, Ok(false));
}

#[tokio::test]
async fn an_answer_of_the_wrong_type_does_not_cost_the_connection() {
    let redis = crate::support::redis().await;
    let mut set = redis::cmd("SET");
    set.arg(unique("type")).arg("word").arg("PX").arg(10_000);
    let answer: Result<u64, _> = redis.command(BOUND, &set).await;
    assert!(answer.is_err());
    assert!(redis.is_up());
}

#[tokio::test]
async fn a_wrong_url_is_refused_without_being_shown() {
    let error = Redis::connect(&SecretString::from("http://u:secret@nowhere")).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("secret"));
}
