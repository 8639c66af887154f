//! Builds the Aeron C client and links it: config → locate → bindings → compile → emit.

#[path = "build/archive.rs"]
mod archive;
#[path = "build/bindings.rs"]
mod bindings;
#[path = "build/carrier.rs"]
mod carrier;
#[path = "build/codecs.rs"]
mod codecs;
#[path = "build/compile.rs"]
mod compile;
#[path = "build/config.rs"]
mod config;
#[path = "build/emit.rs"]
mod emit;
#[cfg(feature = "bindgen")]
#[path = "build/generator.rs"]
mod generator;
#[path = "build/headers.rs"]
mod headers;
#[path = "build/locate.rs"]
mod locate;
#[path = "build/quietly.rs"]
mod quietly;
#[path = "build/schema.rs"]
mod schema;
#[path = "build/system.rs"]
mod system;
#[path = "build/tools.rs"]
mod tools;

use config::Config;
use locate::Location;

fn main() {
    if let Err(message) = run() {
        println!("cargo::error={}", message.replace('\n', " "));
        std::process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let config = Config::from_env()?;
    if config.docs_rs {
        emit::documentation_only();
        return bindings::copy(&config);
    }
    let location = locate::locate(&config)?;
    headers::copy(&config, &location)?;
    // Before what takes long: a missing libclang is told at once.
    bindings::write(&config)?;
    let native = match &location {
        Location::Source(tree) => compile::compile(&config, tree)?,
        Location::System(system) => system::check(&config, system)?,
    };
    emit::emit(&config, &location, &native);
    Ok(())
}
