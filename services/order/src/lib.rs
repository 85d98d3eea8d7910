//! Orders, the order saga, live order status.
