//! A table of all settings: Java's property, how to show the value, and how to read it from an environment variable.

use std::fmt;
use std::path::Path;

use super::trackers::java_duration;
use super::{Context, Settings};
use crate::aeron::{
    BackoffIdleStrategy, BusySpinIdleStrategy, IdleStrategy, NoOpIdleStrategy, SleepingIdleStrategy,
    YieldingIdleStrategy,
};
use crate::environment::{Set, duration, flag, length, number};

/// One setting.
pub(super) struct Row {
    /// The method of [`Context`] that sets it.
    pub(super) name: &'static str,
    pub(super) show: fn(&Settings) -> String,
    /// The environment variable and how to read it. `None` for settings that in Java are only methods, or do not exist.
    pub(super) variable: Option<(&'static str, Set<Context>)>,
}

impl Row {
    /// Java's property, of which the variable's name is made: `AERON_CLUSTER_DIR` for `aeron.cluster.dir`.
    fn property(&self) -> Option<String> {
        self.variable.map(|(variable, _)| variable.to_ascii_lowercase().replace('_', "."))
    }
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "aeron_directory_name",
        show: |settings| text_or(settings.aeron_dir.as_deref(), "the C client's"),
        variable: Some(("AERON_DIR", |context, value| Ok(context.aeron_directory_name(value)))),
    },
    Row {
        name: "cluster_directory_name",
        show: |settings| settings.cluster_dir.display().to_string(),
        variable: Some(("AERON_CLUSTER_DIR", |context, value| Ok(context.cluster_directory_name(value)))),
    },
    Row {
        name: "mark_file_dir",
        show: |settings| settings.mark_file_dir().display().to_string(),
        variable: Some(("AERON_CLUSTER_MARK_FILE_DIR", |context, value| Ok(context.mark_file_dir(value)))),
    },
    Row { name: "mark_file_wait", show: |settings| java_duration(settings.mark_file_wait), variable: None },
    Row {
        name: "error_buffer_length",
        show: |settings| settings.error_buffer_length.to_string(),
        variable: Some(("AERON_CLUSTER_SERVICE_ERROR_BUFFER_LENGTH", |context, value| {
            Ok(context.error_buffer_length(length(value)?))
        })),
    },
    Row {
        name: "print_configuration",
        show: |settings| settings.print_configuration.to_string(),
        variable: Some(("AERON_PRINT_CONFIGURATION", |context, value| Ok(context.print_configuration(flag(value)?)))),
    },
    Row {
        name: "cluster_id",
        show: |settings| settings.cluster_id.to_string(),
        variable: Some(("AERON_CLUSTER_ID", |context, value| Ok(context.cluster_id(number(value)?)))),
    },
    Row {
        name: "service_id",
        show: |settings| settings.service_id.to_string(),
        variable: Some(("AERON_CLUSTER_SERVICE_ID", |context, value| Ok(context.service_id(number(value)?)))),
    },
    Row {
        name: "service_name",
        show: |settings| settings.name(),
        variable: Some(("AERON_CLUSTER_SERVICE_NAME", |context, value| Ok(context.service_name(value)))),
    },
    Row { name: "app_version", show: |settings| settings.app_version.to_string(), variable: None },
    Row {
        name: "control_channel",
        show: |settings| settings.control_channel.clone(),
        variable: Some(("AERON_CLUSTER_CONTROL_CHANNEL", |context, value| Ok(context.control_channel(value)))),
    },
    Row {
        name: "consensus_module_stream_id",
        show: |settings| settings.consensus_module_stream_id.to_string(),
        variable: Some(("AERON_CLUSTER_CONSENSUS_MODULE_STREAM_ID", |context, value| {
            Ok(context.consensus_module_stream_id(number(value)?))
        })),
    },
    Row {
        name: "service_stream_id",
        show: |settings| settings.service_stream_id.to_string(),
        variable: Some(("AERON_CLUSTER_SERVICE_STREAM_ID", |context, value| {
            Ok(context.service_stream_id(number(value)?))
        })),
    },
    Row {
        name: "replay_channel",
        show: |settings| settings.replay_channel.clone(),
        variable: Some(("AERON_CLUSTER_REPLAY_CHANNEL", |context, value| Ok(context.replay_channel(value)))),
    },
    Row {
        name: "replay_stream_id",
        show: |settings| settings.replay_stream_id.to_string(),
        variable: Some(("AERON_CLUSTER_REPLAY_STREAM_ID", |context, value| {
            Ok(context.replay_stream_id(number(value)?))
        })),
    },
    Row {
        name: "snapshot_channel",
        show: |settings| settings.snapshot_channel.clone(),
        variable: Some(("AERON_CLUSTER_SNAPSHOT_CHANNEL", |context, value| Ok(context.snapshot_channel(value)))),
    },
    Row {
        name: "snapshot_stream_id",
        show: |settings| settings.snapshot_stream_id.to_string(),
        variable: Some(("AERON_CLUSTER_SNAPSHOT_STREAM_ID", |context, value| {
            Ok(context.snapshot_stream_id(number(value)?))
        })),
    },
    Row {
        name: "is_responding_service",
        show: |settings| settings.is_responding_service.to_string(),
        variable: Some(("AERON_CLUSTER_SERVICE_RESPONDER", |context, value| {
            Ok(context.is_responding_service(flag(value)?))
        })),
    },
    Row {
        name: "response_mtu_length",
        show: |settings| settings.response_mtu_length.to_string(),
        variable: Some(("AERON_MTU_LENGTH", |context, value| Ok(context.response_mtu_length(length(value)?)))),
    },
    Row {
        name: "response_term_length",
        show: |settings| settings.response_term_length.to_string(),
        variable: Some(("AERON_TERM_BUFFER_LENGTH", |context, value| Ok(context.response_term_length(length(value)?)))),
    },
    Row {
        name: "log_fragment_limit",
        show: |settings| settings.log_fragment_limit.to_string(),
        variable: Some(("AERON_CLUSTER_LOG_FRAGMENT_LIMIT", |context, value| {
            Ok(context.log_fragment_limit(number(value)?))
        })),
    },
    Row {
        name: "idle_strategy_supplier",
        show: |settings| settings.idle_strategy_name.to_owned(),
        variable: Some(("AERON_CLUSTER_IDLE_STRATEGY", |context, value| idle_strategy(context, value))),
    },
    Row {
        name: "cpu_affinity",
        show: |settings| settings.cpu_affinity.map_or_else(|| "none".to_owned(), |cpu| cpu.to_string()),
        variable: Some(("AERON_CLUSTER_SERVICE_CPU_AFFINITY", |context, value| Ok(affinity(context, number(value)?)))),
    },
    Row { name: "failure_policy", show: |settings| format!("{:?}", settings.failure_policy), variable: None },
    Row { name: "divergence_policy", show: |settings| format!("{:?}", settings.divergence_policy), variable: None },
    Row {
        name: "cycle_threshold",
        show: |settings| java_duration(settings.cycle_threshold),
        variable: Some(("AERON_CLUSTER_SERVICE_CYCLE_THRESHOLD", |context, value| {
            Ok(context.cycle_threshold(duration(value)?))
        })),
    },
    Row {
        name: "snapshot_duration_threshold",
        show: |settings| java_duration(settings.snapshot_duration_threshold),
        variable: Some(("AERON_CLUSTER_SERVICE_SNAPSHOT_THRESHOLD", |context, value| {
            Ok(context.snapshot_duration_threshold(duration(value)?))
        })),
    },
    Row {
        name: "archive_control_channel",
        show: |settings| settings.archive_control_channel.clone(),
        variable: Some(("AERON_ARCHIVE_LOCAL_CONTROL_CHANNEL", |context, value| {
            Ok(context.archive_control_channel(value))
        })),
    },
    Row {
        name: "archive_control_stream_id",
        show: |settings| settings.archive_control_stream_id.to_string(),
        variable: Some(("AERON_ARCHIVE_LOCAL_CONTROL_STREAM_ID", |context, value| {
            Ok(context.archive_control_stream_id(number(value)?))
        })),
    },
    Row { name: "archive_response_channel", show: |settings| settings.archive_responses().to_owned(), variable: None },
    Row {
        name: "archive_response_stream_id",
        show: |settings| settings.archive_response_stream_id().to_string(),
        variable: None,
    },
    Row {
        name: "archive_message_timeout",
        show: |settings| java_duration(settings.archive_message_timeout),
        variable: Some(("AERON_ARCHIVE_MESSAGE_TIMEOUT", |context, value| {
            Ok(context.archive_message_timeout(duration(value)?))
        })),
    },
];

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusteredServiceContainer.Context")?;
        for row in ROWS {
            let name = row.property().unwrap_or_else(|| row.name.to_owned());
            write!(f, "\n    {name}={}", (row.show)(self))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(ROWS.iter().map(|row| (row.name, (row.show)(self)))).finish()
    }
}

fn text_or(path: Option<&Path>, otherwise: &str) -> String {
    path.map_or_else(|| otherwise.to_owned(), |path| path.display().to_string())
}

type MakeIdleStrategy = fn() -> Box<dyn IdleStrategy + Send>;

fn idle_strategy(context: Context, value: &str) -> Result<Context, &'static str> {
    let (name, make): (_, MakeIdleStrategy) = match value {
        "backoff" | "org.agrona.concurrent.BackoffIdleStrategy" => {
            ("backoff", || Box::new(BackoffIdleStrategy::default()))
        }
        "spin" | "spinning" | "org.agrona.concurrent.BusySpinIdleStrategy" => {
            ("spin", || Box::new(BusySpinIdleStrategy))
        }
        "yield" | "yielding" | "org.agrona.concurrent.YieldingIdleStrategy" => {
            ("yield", || Box::new(YieldingIdleStrategy))
        }
        "sleep-ns" | "sleeping" | "org.agrona.concurrent.SleepingIdleStrategy" => {
            ("sleep-ns", || Box::new(SleepingIdleStrategy::default()))
        }
        "noop" | "org.agrona.concurrent.NoOpIdleStrategy" => ("noop", || Box::new(NoOpIdleStrategy)),
        _ => return Err("backoff, spin, yield, sleep-ns or noop"),
    };
    let mut context = context.idle_strategy_supplier(make);
    context.settings.idle_strategy_name = name;
    Ok(context)
}

/// As in Java, a negative number means none.
fn affinity(mut context: Context, cpu: i32) -> Context {
    context.settings.cpu_affinity = usize::try_from(cpu).ok();
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the first table in `docs/settings.md`, without the last column, which is free text.
    fn documented() -> Vec<[String; 4]> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
        let text = std::fs::read_to_string(path).unwrap();
        let rows = text.lines().skip_while(|line| !line.starts_with("| Setting |")).skip(2);
        rows.take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
                [1, 2, 3, 4].map(|column| cells[column].clone())
            })
            .collect()
    }

    #[test]
    fn the_documentation_has_every_setting_with_its_default() {
        let defaults = Settings::default();
        let coded: Vec<_> = ROWS
            .iter()
            .map(|row| {
                let variable = row.variable.map_or("", |(variable, _)| variable);
                let property = row.property().unwrap_or_default();
                [row.name.to_owned(), property, variable.to_owned(), (row.show)(&defaults)]
            })
            .collect();
        let documented = documented();
        for row in &coded {
            assert!(documented.contains(row), "docs/settings.md lacks | {} |", row.join(" | "));
        }
        assert_eq!(documented.len(), coded.len());
    }

    #[test]
    fn settings_are_shown_under_javas_names() {
        let shown = Context::new()
            .cluster_id(7)
            .app_version(crate::codec::SemanticVersion::new(1, 2, 3))
            .settings()
            .to_string();
        for line in ["aeron.cluster.id=7", "app_version=1.2.3", "aeron.cluster.service.name=clustered-service-7-0"] {
            assert!(shown.lines().any(|shown| shown.trim() == line), "{shown}");
        }
    }
}
