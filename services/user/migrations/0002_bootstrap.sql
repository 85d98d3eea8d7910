-- The first admin's password as the platform's Secret said it last, hashed. The account's own password
-- may differ since: it was changed. When the Secret says something else, the Secret counts again.
CREATE TABLE bootstrap (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    password_hash text NOT NULL
);
