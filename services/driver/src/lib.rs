//! Drivers, shifts, offers, deliveries, live positions.
