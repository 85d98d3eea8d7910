//! Restaurants, embedded menus, text and geo search.
