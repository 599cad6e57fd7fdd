//! Writes `schemas/vectors/*.json`: `cargo run -p schemas --example vectors`.
//!
//! They are part of the format. A change to a committed vector is a change of the format and needs a
//! new version; new vectors may be added.

#[path = "generate/mod.rs"]
mod generate;

fn main() -> std::io::Result<()> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    std::fs::create_dir_all(&directory)?;
    for (name, text) in generate::files() {
        std::fs::write(directory.join(name), &text)?;
        println!("{name}: {} bytes", text.len());
    }
    Ok(())
}
