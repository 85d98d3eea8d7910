//! Who is told what, over which channel; event consumers.
