//! PostgreSQL of a service: pool, provisioning, migrations, idempotency keys.
