CREATE TABLE orders (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    restaurant_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    driver_id uuid,
    status text NOT NULL,
    reason text,
    sequence bigint NOT NULL,
    items jsonb NOT NULL,
    pickup jsonb NOT NULL,
    dropoff jsonb NOT NULL,
    notes text,
    subtotal numeric(12, 2) NOT NULL,
    delivery_fee numeric(12, 2) NOT NULL,
    tip numeric(12, 2) NOT NULL,
    total numeric(12, 2) NOT NULL,
    currency text NOT NULL,
    payment_token text NOT NULL,
    -- Caller, operation and key of the request that made it: the second line of defence against ordering twice.
    idempotency_scope text CONSTRAINT orders_idempotency_scope UNIQUE,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
-- Lists are newest first; ids are UUIDv7 and so in order of time.
CREATE INDEX orders_by_customer ON orders (customer_id, id DESC);
CREATE INDEX orders_by_owner ON orders (owner_id, id DESC);
CREATE INDEX orders_by_driver ON orders (driver_id, id DESC) WHERE driver_id IS NOT NULL;

-- Everything that happened to an order, in order; the history and the live stream read it.
CREATE TABLE order_changes (
    order_id uuid NOT NULL REFERENCES orders ON DELETE CASCADE,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    reason text,
    at timestamptz NOT NULL,
    PRIMARY KEY (order_id, sequence)
);

CREATE TABLE sagas (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL UNIQUE REFERENCES orders ON DELETE CASCADE,
    version bigint NOT NULL,
    step text NOT NULL,
    direction text NOT NULL,
    state text NOT NULL,
    -- What the transition function knows beyond the step.
    memory jsonb NOT NULL,
    steps jsonb NOT NULL,
    deadline timestamptz,
    last_command_id uuid,
    updated_at timestamptz NOT NULL
);
CREATE INDEX sagas_due ON sagas (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX sagas_by_state ON sagas (state, id DESC);
