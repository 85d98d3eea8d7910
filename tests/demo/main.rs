//! The demo: one customer, one owner and one driver walk an order to `delivered` through the
//! ingress, each step printed with the time it took; then what to open and try next.
//!
//! It is also the last step of `make up`: a platform that cannot do this is not up.

use std::{io::Write as _, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use quickbite_tests::{
    client::Api,
    people::{Kitchen, Person, STEP_LIMIT, text},
    stream::Events,
    wait::until,
};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Walks one order through a running QuickBite platform.
#[derive(Parser)]
struct Args {
    /// Where the ingress answers.
    #[arg(long, env = "QUICKBITE_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The host name that the platform's ingress routes by.
    #[arg(long, env = "QUICKBITE_HOST", default_value = "quickbite.local")]
    host: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let api = Api::new(args.url.clone(), args.host.clone());
    walk(&api).await.with_context(|| {
        format!(
            "the demo stopped at {}; `kubectl get qbp,pods -n quickbite` shows which part is not ready",
            api.base()
        )
    })?;
    what_next(&args);
    Ok(())
}

/// Prints one step, runs it, prints what came of it and how long it took.
async fn step<T>(
    what: &str,
    work: impl Future<Output = Result<T>>,
    show: impl Fn(&T) -> String,
) -> Result<T> {
    print!("  {what:<52}");
    let _ = std::io::stdout().flush();
    let start = Instant::now();
    let done = work.await.inspect_err(|_| println!("failed"))?;
    println!("{:>6} ms  {}", start.elapsed().as_millis(), show(&done));
    Ok(done)
}

async fn walk(api: &Api) -> Result<()> {
    println!("An order's life, through {}", api.base());
    let begin = Instant::now();
    let nothing = |(): &()| String::new();
    let mail = |person: &Person| person.email.clone();

    step(
        "the ingress answers",
        ingress_answers(api),
        |health: &Value| format!("health: {}", health["status"].as_str().unwrap_or("?")),
    )
    .await?;
    let owner = step(
        "an owner registers",
        Person::register(api, "restaurant_owner"),
        mail,
    )
    .await?;
    let kitchen = step(
        "and opens a restaurant with a menu",
        Kitchen::open(&owner, false),
        |kitchen| kitchen.name.clone(),
    )
    .await?;
    let driver = step("a driver registers", Person::register(api, "driver"), mail).await?;
    step(
        "and goes online nearby",
        driver.go_online(kitchen.place),
        nothing,
    )
    .await?;
    let customer = step(
        "a customer registers",
        Person::register(api, "customer"),
        mail,
    )
    .await?;
    step(
        "and finds the restaurant by its name",
        find(&customer, &kitchen),
        |cache: &String| format!("X-Cache: {cache}"),
    )
    .await?;

    let order = step(
        "the customer orders",
        kitchen.order_by(&customer, "tok_ok"),
        |order| {
            format!(
                "{} {}, {}",
                order["total"].as_str().unwrap_or("?"),
                order["currency"].as_str().unwrap_or("?"),
                order["status"].as_str().unwrap_or("?")
            )
        },
    )
    .await?;
    let id = text(&order["id"])?;
    let path = format!("/api/orders/{id}");
    let mut live = Events::open(api, &format!("{path}/stream"), &customer.token, None).await?;

    step(
        "payment is authorised, the owner accepts",
        accept(&owner, &path),
        nothing,
    )
    .await?;
    step(
        "the money is captured: the order is confirmed",
        customer.await_status(&id, "confirmed"),
        status,
    )
    .await?;
    step(
        "the kitchen prepares it",
        owner_step(&owner, &path, "preparing"),
        nothing,
    )
    .await?;
    step(
        "and has it ready",
        owner_step(&owner, &path, "ready"),
        nothing,
    )
    .await?;
    let delivery = step(
        "the driver gets the offer",
        driver.await_offer(&id),
        |id: &String| format!("delivery {id}"),
    )
    .await?;
    step(
        "and accepts",
        driver.delivery_step(&delivery, "accept", &json!({})),
        nothing,
    )
    .await?;
    step(
        "picks up",
        driver.delivery_step(&delivery, "picked-up", &json!({})),
        nothing,
    )
    .await?;
    step(
        "and delivers",
        driver.delivery_step(&delivery, "delivered", &json!({})),
        nothing,
    )
    .await?;
    let seen = step(
        "the customer watched it live (server-sent events)",
        live.read_until("\"delivered\"", STEP_LIMIT),
        |events| format!("{} events", events.len()),
    )
    .await;
    seen?;
    let done = step(
        "the order is delivered",
        customer.await_status(&id, "delivered"),
        status,
    )
    .await?;
    step(
        "the customer was told of each step",
        notifications(&customer),
        |count| format!("{count} notifications"),
    )
    .await?;
    step("the driver goes offline", driver.go_offline(), nothing).await?;

    println!("\n  history of order {id}:");
    for entry in done["history"].as_array().into_iter().flatten() {
        println!(
            "    {:<12} {}",
            entry["status"].as_str().unwrap_or("?"),
            entry["at"].as_str().unwrap_or("?")
        );
    }
    println!(
        "\n  delivered, {:.1} s after the first step",
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

fn status(order: &Value) -> String {
    order["status"].as_str().unwrap_or("?").to_owned()
}

async fn ingress_answers(api: &Api) -> Result<Value> {
    until(
        "the gateway to be healthy behind the ingress",
        Duration::from_secs(60),
        || async { api.get("/health", None).await?.expect(200) },
        |health: &Value| health["status"] == "healthy",
    )
    .await
}

async fn find(customer: &Person, kitchen: &Kitchen) -> Result<String> {
    let word = kitchen.name.split_whitespace().last().unwrap_or_default();
    let reply = customer
        .get(&format!("/api/restaurants/search?q={word}"))
        .await?;
    let cache = reply.header("x-cache").to_owned();
    let found = reply.expect(200)?;
    anyhow::ensure!(
        found["items"]
            .as_array()
            .is_some_and(|items| items.iter().any(|r| r["id"] == kitchen.id.as_str())),
        "the search for {word:?} did not find the restaurant: {found}"
    );
    Ok(cache)
}

/// Accepts as soon as the order's payment is authorised: until then the answer is 409.
async fn accept(owner: &Person, path: &str) -> Result<()> {
    until(
        "the order to be acceptable",
        STEP_LIMIT,
        || owner.post_owned(format!("{path}/accept"), json!({"readyInMinutes": 15})),
        |reply| reply.status.is_success(),
    )
    .await
    .map(drop)
}

async fn owner_step(owner: &Person, path: &str, step: &str) -> Result<()> {
    let reply = owner.post(&format!("{path}/{step}"), &json!({})).await?;
    anyhow::ensure!(
        reply.status.is_success(),
        "{step} answered {}: {}",
        reply.status,
        reply.body
    );
    Ok(())
}

async fn notifications(customer: &Person) -> Result<usize> {
    let list = until(
        "the delivery's notification",
        STEP_LIMIT,
        || async {
            customer
                .get("/api/notifications?limit=100")
                .await?
                .expect(200)
        },
        |list: &Value| list["items"].to_string().contains("delivered"),
    )
    .await?;
    Ok(list["items"].as_array().map_or(0, Vec::len))
}

fn what_next(args: &Args) {
    let Args { url, host } = args;
    println!(
        "
What next
  kubectl get qbp -A                                  the platform at a glance
  kubectl describe qbp quickbite -n quickbite         its conditions and events
  kubectl explain qbp.spec.gateway                    every field, explained
  curl -H 'Host: {host}' {url}/health     all services, circuits, latency
  curl -H 'Host: {host}' {url}/docs/      the API, to read and try
  kubectl get secret quickbite-bootstrap-admin -n quickbite -o go-template='{{{{.data.password | base64decode}}}}'
                                                      the first admin's password
  make demo                                           this walk again
  make down                                           remove it all
A browser reaches the same by adding '127.0.0.1 {host}' to the hosts file: http://{host}:8080/docs/"
    );
}
