//! Provisioning, migrations and idempotency keys on a real PostgreSQL.

mod idempotency;
mod provisioning;
