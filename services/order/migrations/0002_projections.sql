-- Restaurants as their own service last told: prices at ordering time, names in lists.
CREATE TABLE restaurants (
    id uuid PRIMARY KEY,
    version bigint NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    snapshot jsonb
);

-- Saved addresses, so that an order can name one by its id.
CREATE TABLE addresses (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    version bigint NOT NULL,
    -- NULL once it is deleted: an older "saved" must not bring it back.
    address jsonb
);
