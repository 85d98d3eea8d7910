-- Accounts. `version` counts the facts about one, so that consumers can tell older from newer.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    -- Trimmed and in lower case: two spellings of one mailbox are one account.
    email text NOT NULL CONSTRAINT users_email_key UNIQUE,
    name text NOT NULL,
    phone text,
    role text NOT NULL CHECK (role IN ('customer', 'restaurant_owner', 'driver', 'admin')),
    password_hash text NOT NULL,
    disabled_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Refresh families: one login and everything refreshed from it. Access tokens name theirs (`sid`).
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    -- When its newest refresh token ends.
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_because text,
    -- When gateways were told; NULL while they are not.
    announced_at timestamptz,
    CHECK ((revoked_at IS NULL) = (revoked_because IS NULL))
);
CREATE INDEX sessions_of_user ON sessions (user_id) WHERE revoked_at IS NULL;
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX sessions_unannounced ON sessions (id) WHERE revoked_at IS NOT NULL AND announced_at IS NULL;
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Only digests: who reads this table can refresh nothing.
CREATE TABLE refresh_tokens (
    digest bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);

CREATE TABLE addresses (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    label text,
    street text NOT NULL,
    city text NOT NULL,
    postal_code text NOT NULL,
    lat double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    lng double precision NOT NULL CHECK (lng BETWEEN -180 AND 180),
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX addresses_of_user ON addresses (user_id, id);
