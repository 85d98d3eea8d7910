-- One payment per order, its history, what is being done about it, and who waits for the answer.
-- Amounts are NUMERIC without a scale: "12.90" stays "12.90".

CREATE TABLE payments (
    id          uuid PRIMARY KEY,
    order_id    uuid NOT NULL CONSTRAINT payments_one_per_order UNIQUE,
    customer_id uuid NOT NULL,
    amount      numeric NOT NULL CHECK (amount >= 0),
    currency    text NOT NULL,
    token       text NOT NULL,
    status      text NOT NULL CHECK (status IN
                    ('pending', 'authorized', 'declined', 'captured', 'voided', 'refunded', 'failed')),
    reference   text,
    captured    numeric NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
    refunded    numeric NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND captured),
    version     bigint NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX payments_by_customer ON payments (customer_id, id DESC);

CREATE TABLE payment_history (
    payment_id uuid NOT NULL REFERENCES payments (id),
    version    bigint NOT NULL,
    status     text NOT NULL,
    reason     text,
    at         timestamptz NOT NULL,
    PRIMARY KEY (payment_id, version)
);

-- The intent of one command about one order: written before the provider is called, done with its answer.
-- A finished undo without a payment is the tombstone that a late authorisation meets.
CREATE TABLE operations (
    id              uuid PRIMARY KEY,
    position        bigint GENERATED ALWAYS AS IDENTITY,
    order_id        uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('authorize', 'capture', 'void', 'refund')),
    amount          numeric,
    call            text,
    call_amount     numeric,
    attempts        integer NOT NULL DEFAULT 0,
    -- Also the end of a lease: whoever works on it moves it into the future.
    next_attempt_at timestamptz NOT NULL,
    done            boolean NOT NULL DEFAULT false,
    refusal_code    text,
    refusal_message text,
    correlation_id  text NOT NULL,
    traceparent     text,
    CONSTRAINT operations_once_per_order UNIQUE (order_id, kind)
);
CREATE INDEX operations_open ON operations (next_attempt_at) WHERE NOT done;

-- Commands that wait for their operation's answer.
CREATE TABLE operation_commands (
    command_id   uuid PRIMARY KEY,
    operation_id uuid NOT NULL REFERENCES operations (id),
    envelope     jsonb NOT NULL
);
CREATE INDEX operation_commands_by_operation ON operation_commands (operation_id);

-- The sandbox provider's own books; nothing but the sandbox reads them.
CREATE TABLE sandbox_ledger (
    key      text PRIMARY KEY,
    payment  uuid NOT NULL,
    call     text NOT NULL,
    amount   numeric NOT NULL,
    token    text,
    attempts integer NOT NULL DEFAULT 1,
    outcome  text
);
CREATE INDEX sandbox_ledger_by_payment ON sandbox_ledger (payment);
