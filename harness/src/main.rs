//! The program `harness`; everything it does is in the library.

fn main() -> std::process::ExitCode {
    harness::cli::main()
}
