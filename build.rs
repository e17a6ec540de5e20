//! Tells the program which profile it was built with: the header of every measurement says so.

use std::path::Path;

fn main() {
    // target/<profile>/build/<package>/out
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    let profile = Path::new(&out).ancestors().nth(3).and_then(|dir| dir.file_name()?.to_str());
    println!("cargo:rustc-env=PRICEWRIGHT_PROFILE={}", profile.unwrap_or("unknown"));
    println!("cargo:rerun-if-changed=build.rs");
}
