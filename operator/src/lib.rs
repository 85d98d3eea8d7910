//! The operator that turns a QuickBitePlatform object into a running platform.
