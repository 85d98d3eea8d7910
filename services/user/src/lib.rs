//! Accounts, passwords, tokens and signing keys, addresses.
