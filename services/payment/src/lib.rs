//! Authorise, capture, void and refund through a provider trait; a sandbox provider ships.
