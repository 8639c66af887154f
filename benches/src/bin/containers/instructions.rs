//! The steps of the message path next to the same loops in C, counted by `ci/check-instructions`.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::contestant::{C, RUST};
use crate::program;
use crate::results::{Figure, Results};

const STEPS: [(&str, &str); 5] = [
    ("poll", "an image polled"),
    ("offer", "offer"),
    ("claim", "claim"),
    ("exclusive_offer", "offer, exclusive"),
    ("exclusive_claim", "claim, exclusive"),
];

/// Counts the instructions.
pub fn run(results: &mut Results) -> Result<()> {
    let output = Command::new(program("instructions")?).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // The program fails if a count has risen, which does not matter here.
    let count = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok())
    };
    ensure!(
        count("poll/c").is_some(),
        "no instructions were counted:\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (step, name) in STEPS {
        let figure = Figure::new(format!("{name} (instructions a message)"), &[(C, 1.05)]);
        for (language, suffix) in [(RUST, "rust"), (C, "c")] {
            let case = format!("{step}/{suffix}");
            results.add(&figure, language, count(&case).with_context(|| format!("no {case} was counted"))?);
        }
    }
    Ok(())
}
