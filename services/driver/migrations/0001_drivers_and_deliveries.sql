-- Drivers, their shifts and last positions. Whether a driver is free follows from deliveries.
CREATE TABLE drivers (
    driver_id   uuid PRIMARY KEY,
    online      boolean NOT NULL,
    vehicle     text,
    lat         double precision,
    lng         double precision,
    heading     double precision,
    speed       double precision,
    recorded_at timestamptz,
    last_seq    bigint,
    version     bigint NOT NULL,
    updated_at  timestamptz NOT NULL,
    CHECK (NOT online OR (lat IS NOT NULL AND lng IS NOT NULL))
);
-- The search for a free driver when the Redis index has no answer.
CREATE INDEX drivers_online_at ON drivers (lat, lng) WHERE online;

CREATE TABLE deliveries (
    delivery_id    uuid PRIMARY KEY,
    order_id       uuid NOT NULL UNIQUE,
    restaurant_id  uuid NOT NULL,
    customer_id    uuid NOT NULL,
    pickup         jsonb NOT NULL,
    dropoff        jsonb NOT NULL,
    pickup_lat     double precision NOT NULL,
    pickup_lng     double precision NOT NULL,
    status         text NOT NULL CHECK (status IN
        ('searching', 'offered', 'assigned', 'picked_up', 'delivered', 'failed', 'cancelled')),
    driver_id      uuid,
    distance_m     bigint,
    expires_at     timestamptz,
    reason         text,
    proof          text,
    version        bigint NOT NULL,
    correlation_id text NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    CHECK (status NOT IN ('assigned', 'picked_up', 'delivered', 'failed') OR driver_id IS NOT NULL),
    CHECK (status <> 'searching' OR driver_id IS NULL),
    CHECK (status <> 'offered' OR (driver_id IS NOT NULL AND expires_at IS NOT NULL AND distance_m IS NOT NULL))
);
-- A driver is asked or carries one thing at a time, whatever the replicas do.
CREATE UNIQUE INDEX deliveries_one_per_driver ON deliveries (driver_id)
    WHERE status IN ('offered', 'assigned', 'picked_up');
CREATE INDEX deliveries_searching ON deliveries (created_at) WHERE status = 'searching';
CREATE INDEX deliveries_expiring ON deliveries (expires_at) WHERE status = 'offered';
CREATE INDEX deliveries_of_driver ON deliveries (driver_id, delivery_id DESC) WHERE driver_id IS NOT NULL;

-- How drivers answered earlier offers of a delivery, so that the next one is asked.
CREATE TABLE offer_answers (
    delivery_id uuid NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    driver_id   uuid NOT NULL,
    declined    boolean NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (delivery_id, driver_id)
);

-- What a command of an order was answered: the same again for a repeated one. A cancel that comes first stays as a
-- tombstone that refuses the create.
CREATE TABLE commands (
    order_id   uuid NOT NULL,
    command    text NOT NULL,
    reply      jsonb NOT NULL,
    handled_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, command)
);

-- Who owns the restaurant of an order, learnt from order.* facts: he may see the delivery.
CREATE TABLE order_owners (
    order_id uuid PRIMARY KEY,
    owner_id uuid NOT NULL
);
