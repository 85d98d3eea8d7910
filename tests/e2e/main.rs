//! End to end: the running platform through its ingress, as clients meet it, and the cluster as
//! a platform engineer meets it.
//!
//! `make test` brings the platform up first. `QUICKBITE_URL` and `QUICKBITE_HOST` point these
//! tests at another one.

mod access;
mod identity;
mod orders;
mod platform;
mod requests;
mod restaurants;
