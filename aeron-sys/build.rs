//! Builds the Aeron C client and links it: config → locate → compile → bindings → emit.

#[path = "build/archive.rs"]
mod archive;
#[path = "build/bindings.rs"]
mod bindings;
#[path = "build/codecs.rs"]
mod codecs;
#[path = "build/compile.rs"]
mod compile;
#[path = "build/config.rs"]
mod config;
#[path = "build/emit.rs"]
mod emit;
#[path = "build/locate.rs"]
mod locate;
#[path = "build/schema.rs"]
mod schema;

fn main() {
    if let Err(message) = run() {
        println!("cargo::error={message}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let config = config::Config::from_env()?;
    let source = locate::locate(&config)?;
    let built = compile::compile(&config, &source)?;
    archive::compile(&config, &source)?;
    bindings::write(&config, &source)?;
    emit::emit(&config, &source, &built);
    Ok(())
}
