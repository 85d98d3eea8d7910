//! The document that is checked in is the one that is served.

use quickbite_restaurant::routes;

#[test]
fn the_checked_in_document_is_the_one_that_is_served() {
    let served = quickbite_http::openapi::render(&routes::document()).expect("a document");
    assert!(
        include_str!("../../openapi.json") == served,
        "services/restaurant/openapi.json is out of date: make generate"
    );
}
