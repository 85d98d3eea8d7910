-- Answers to POSTs with an Idempotency-Key. A row without a status is a request that still runs.
CREATE TABLE idempotency_keys (
    scope text PRIMARY KEY,
    fingerprint bytea NOT NULL,
    status smallint,
    headers jsonb,
    body bytea,
    locked_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
