-- Who can be told, learnt from user.* facts.
CREATE TABLE recipients (
    user_id  uuid PRIMARY KEY,
    email    text,
    name     text,
    role     text,
    disabled boolean NOT NULL DEFAULT false
);

-- Names of restaurants, learnt from restaurant.* facts, for the texts.
CREATE TABLE restaurants (
    restaurant_id uuid PRIMARY KEY,
    name          text NOT NULL,
    version       bigint NOT NULL
);

-- How somebody wants to be told; without a row the defaults hold.
CREATE TABLE preferences (
    user_id        uuid PRIMARY KEY,
    in_app         boolean NOT NULL,
    email          boolean NOT NULL,
    webhook_url    text,
    webhook_secret text,
    updated_at     timestamptz NOT NULL,
    CHECK ((webhook_url IS NULL) = (webhook_secret IS NULL))
);

-- What somebody is told. seq is null until the in-app channel delivered it; it counts per user in commit order, so that
-- a reader who saw n has seen everything before it.
CREATE TABLE notifications (
    notification_id uuid PRIMARY KEY,
    user_id         uuid NOT NULL,
    fact_id         uuid NOT NULL,
    kind            text NOT NULL,
    title           text NOT NULL,
    body            text NOT NULL,
    data            jsonb NOT NULL,
    order_id        uuid,
    seq             bigint,
    read_at         timestamptz,
    created_at      timestamptz NOT NULL,
    UNIQUE (fact_id, user_id),
    UNIQUE (user_id, seq)
);
CREATE INDEX notifications_unread ON notifications (user_id, seq DESC) WHERE read_at IS NULL AND seq IS NOT NULL;

-- The last seq of each user; its row lock keeps seq in commit order.
CREATE TABLE inboxes (
    user_id  uuid PRIMARY KEY,
    last_seq bigint NOT NULL
);

-- One notification over one channel, until it is sent or given up.
CREATE TABLE deliveries (
    delivery_id     uuid PRIMARY KEY,
    notification_id uuid NOT NULL REFERENCES notifications ON DELETE CASCADE,
    user_id         uuid NOT NULL,
    channel         text NOT NULL CHECK (channel IN ('in_app', 'email', 'webhook')),
    status          text NOT NULL CHECK (status IN ('pending', 'sent', 'dead')),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    claimed_until   timestamptz,
    last_error      text,
    correlation_id  text NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    UNIQUE (notification_id, channel)
);
CREATE INDEX deliveries_pending ON deliveries (next_attempt_at) WHERE status = 'pending';
CREATE INDEX deliveries_dead ON deliveries (delivery_id DESC) WHERE status = 'dead';
