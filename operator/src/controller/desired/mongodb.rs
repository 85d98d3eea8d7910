//! MongoDB: a replica set of one, because transactions and change streams need one.
//!
//! `mongod` wants a key file that only it may read, which a mounted Secret cannot be, so the start
//! command copies it. The first user can be made only from localhost (the localhost exception), so
//! a postStart hook inside the container starts the set and makes the administrator; run again it
//! changes nothing.

use k8s_openapi::api::core::v1::{
    Container, ExecAction, Lifecycle, LifecycleHandler, Secret, Volume,
};

use super::env::{from_secret, plain};
use super::pod;
use super::secret::opaque;
use super::stateful_set::DATA;
use crate::component::{Component, Store};
use crate::controller::material::{ADMIN, credential_name, server_secret_name};
use crate::controller::validate::ValidatedPlatform;

const KEY_DIR: &str = "/etc/quickbite/mongodb";

/// A restarted container finds the key that the last one left, unwritable; and a server keeps a file open for each
/// collection and index, more than the usual 1024.
const START: &str = r#"
ulimit -n "$(ulimit -Hn)" || true
cp -f /etc/quickbite/mongodb/keyfile /run/quickbite/keyfile
chmod 0400 /run/quickbite/keyfile
exec mongod --dbpath /data/db --replSet rs0 --keyFile /run/quickbite/keyfile --bind_ip_all --wiredTigerCacheSizeGB "$CACHE_SIZE_GB"
"#;

/// Ends with 0 when the administrator can log in to the primary with the password of the Secret.
///
/// The member is called by the pod's full name as its own /etc/hosts has it: cluster DNS does not
/// know the pod before this hook has ended. On a volume that knows another password (its platform
/// was deleted and made again) the members' own user, whose password is the key, sets the new one.
const INITIATE: &str = r#"
MEMBER="$(hostname -f):27017"; export MEMBER
tries=0
until mongosh --quiet --host 127.0.0.1 --eval '
  const { MEMBER, ROOT_USERNAME, ROOT_PASSWORD } = process.env;
  const key = require("fs").readFileSync("/run/quickbite/keyfile", "utf8").trim();
  const admin = db.getSiblingDB("admin");
  const works = (step) => { try { step(); return true; } catch (error) { print(error.message); return false; } };
  works(() => rs.initiate({ _id: "rs0", members: [{ _id: 0, host: MEMBER }] }));
  for (let i = 0; i < 60 && !db.hello().isWritablePrimary; i++) sleep(500);
  works(() => admin.createUser({ user: ROOT_USERNAME, pwd: ROOT_PASSWORD, roles: ["root"] }));
  if (!works(() => admin.auth(ROOT_USERNAME, ROOT_PASSWORD))) {
    db.getSiblingDB("local").auth("__system", key);
    admin.changeUserPassword(ROOT_USERNAME, ROOT_PASSWORD);
    admin.auth(ROOT_USERNAME, ROOT_PASSWORD);
  }
'; do
  tries=$((tries + 1))
  [ "$tries" -le 30 ] || { echo "the replica set did not come up"; exit 1; }
  sleep 1
done
"#;

pub(super) fn server_secret(platform: &ValidatedPlatform) -> Secret {
    let name = server_secret_name(&platform.name, Store::Mongodb);
    let keyfile = platform.material.mongodb_keyfile.clone();
    opaque(
        platform,
        Component::Store(Store::Mongodb),
        name,
        [("keyfile", keyfile)],
    )
}

pub(super) fn volumes(platform: &ValidatedPlatform) -> Vec<Volume> {
    vec![
        pod::secret_volume("key", server_secret_name(&platform.name, Store::Mongodb)),
        pod::scratch("run", "1Mi", true),
        pod::scratch("home", "64Mi", false),
    ]
}

pub(super) fn container(platform: &ValidatedPlatform) -> Container {
    let login = credential_name(&platform.name, Store::Mongodb, ADMIN);
    let cache = if platform.is_production() {
        "1"
    } else {
        "0.25"
    };
    let shell = |script: &str| vec!["sh".to_owned(), "-ec".to_owned(), script.trim().to_owned()];
    Container {
        command: Some(shell(START)),
        env: Some(vec![
            from_secret("ROOT_USERNAME", &login, "username"),
            from_secret("ROOT_PASSWORD", &login, "password"),
            plain("CACHE_SIZE_GB", cache.to_owned()),
            // mongosh keeps its logs at home.
            plain("HOME", "/home/quickbite".to_owned()),
        ]),
        lifecycle: Some(Lifecycle {
            post_start: Some(LifecycleHandler {
                exec: Some(ExecAction {
                    command: Some(shell(INITIATE)),
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        volume_mounts: Some(vec![
            pod::mount(DATA, "/data/db"),
            pod::mount("run", "/run/quickbite"),
            pod::mount("home", "/home/quickbite"),
            pod::read_only("key", KEY_DIR),
        ]),
        ..Container::default()
    }
}
