//! The command line: the same four words for every service.
//!
//! Put together by hand rather than derived, because `migrate` is there for some services only.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use quickbite_telemetry::TelemetryArgs;

use super::Program;
use crate::server::{ServerArgs, Service};

/// What the command line asks for.
pub(super) enum Wish<S: Args, M: Args> {
    Serve(Box<Serving<S>>),
    Migrate(Box<Migrating<M>>),
    Openapi,
    Healthcheck(ServerArgs),
}

/// What `serve` is told.
#[derive(Args)]
pub(super) struct Serving<S: Args> {
    #[command(flatten)]
    pub(super) server: ServerArgs,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
    #[command(flatten)]
    pub(super) own: S,
}

/// What `migrate` is told.
#[derive(Args)]
pub(super) struct Migrating<M: Args> {
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
    #[command(flatten)]
    pub(super) own: M,
}

/// Reads the command line and the environment. Ends the process on `--help`, and on what cannot be
/// understood, naming the flag and its variable.
pub(super) fn wish<P: Program>() -> Wish<P::Serve, P::Migrate> {
    let mut command = command::<P>();
    let wish = command
        .try_get_matches_from_mut(std::env::args_os())
        .and_then(|matches| understand::<P>(&matches));
    wish.unwrap_or_else(|error| error.format(&mut command).exit())
}

fn understand<P: Program>(matches: &ArgMatches) -> Result<Wish<P::Serve, P::Migrate>, clap::Error> {
    Ok(match matches.subcommand() {
        Some(("serve", given)) => Wish::Serve(Box::new(Serving::from_arg_matches(given)?)),
        Some(("migrate", given)) => Wish::Migrate(Box::new(Migrating::from_arg_matches(given)?)),
        Some(("healthcheck", given)) => Wish::Healthcheck(ServerArgs::from_arg_matches(given)?),
        _ => Wish::Openapi,
    })
}

fn command<P: Program>() -> Command {
    let Service {
        name,
        version,
        about,
    } = P::SERVICE;
    let serve = Serving::<P::Serve>::augment_args(Command::new("serve"));
    let migrate = Migrating::<P::Migrate>::augment_args(Command::new("migrate"))
        .about("Bring the database up to date: role, schema, indexes");
    let healthcheck = ServerArgs::augment_args(Command::new("healthcheck"));
    Command::new(name)
        .display_name(format!("quickbite-{name}"))
        .version(version)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve.about("Serve until SIGTERM"))
        .subcommands(P::MIGRATES.then_some(migrate))
        .subcommand(Command::new("openapi").about("Print the OpenAPI document"))
        .subcommand(healthcheck.about("Ask the process on this machine whether it lives"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Process;

    #[derive(Args)]
    struct Own {
        #[arg(long, env = "THAT_NOBODY_SETS")]
        that_nobody_sets: String,
    }

    struct Stateful;
    struct Stateless;

    impl Program for Stateful {
        const SERVICE: Service = crate::server::tests::SERVICE;
        type Serve = Own;
        type Migrate = Own;

        fn openapi() -> utoipa::openapi::OpenApi {
            utoipa::openapi::OpenApi::default()
        }

        async fn serve(_: Process, _: Own) -> anyhow::Result<()> {
            Ok(())
        }

        async fn migrate(_: Own) -> anyhow::Result<()> {
            Ok(())
        }
    }

    impl Program for Stateless {
        const SERVICE: Service = Stateful::SERVICE;
        const MIGRATES: bool = false;
        type Serve = Own;
        type Migrate = Own;

        fn openapi() -> utoipa::openapi::OpenApi {
            Stateful::openapi()
        }

        async fn serve(process: Process, own: Own) -> anyhow::Result<()> {
            Stateful::serve(process, own).await
        }

        async fn migrate(own: Own) -> anyhow::Result<()> {
            Stateful::migrate(own).await
        }
    }

    fn asked<P: Program>(words: &[&str]) -> Result<Wish<P::Serve, P::Migrate>, clap::Error> {
        let line = ["order"].iter().chain(words);
        let matches = command::<P>().try_get_matches_from(line)?;
        understand::<P>(&matches)
    }

    fn refusal<P: Program>(words: &[&str]) -> String {
        asked::<P>(words).err().expect("refused").to_string()
    }

    #[test]
    fn the_command_lines_hold_together() {
        command::<Stateful>().debug_assert();
        command::<Stateless>().debug_assert();
    }

    #[test]
    fn what_is_given_reaches_its_command() {
        let wish = asked::<Stateful>(&["serve", "--that-nobody-sets", "x", "--rust-log", "debug"])
            .unwrap();
        let Wish::Serve(serve) = wish else {
            panic!("not serve")
        };
        assert_eq!(
            (&*serve.own.that_nobody_sets, &*serve.telemetry.rust_log),
            ("x", "debug")
        );
        let wish = asked::<Stateful>(&["migrate", "--that-nobody-sets", "y"]).unwrap();
        assert!(matches!(wish, Wish::Migrate(migrate) if migrate.own.that_nobody_sets == "y"));
    }

    #[test]
    fn a_missing_variable_is_named() {
        for word in ["serve", "migrate"] {
            let refusal = refusal::<Stateful>(&[word]);
            assert!(refusal.contains("THAT_NOBODY_SETS"), "{refusal}");
        }
    }

    #[test]
    fn openapi_and_healthcheck_need_no_settings() {
        assert!(matches!(asked::<Stateful>(&["openapi"]), Ok(Wish::Openapi)));
        let wish = asked::<Stateful>(&["healthcheck"]);
        assert!(matches!(wish, Ok(Wish::Healthcheck(_))));
    }

    #[test]
    fn a_service_without_a_store_has_no_migrate() {
        assert!(refusal::<Stateless>(&["migrate"]).contains("unrecognized subcommand"));
    }
}
