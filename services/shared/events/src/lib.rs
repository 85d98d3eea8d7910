//! Messages between services: envelope, payloads, topology, outbox, inbox, broker.
