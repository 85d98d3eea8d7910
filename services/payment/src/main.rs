//! Entry point.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quickbite_http::process::run::<quickbite_payment::PaymentService>()
}
