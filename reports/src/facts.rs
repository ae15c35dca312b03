//! What a run tells of its settings, its machine and its versions, as text.

use serde_json::Value;

/// A fact's name in `run.json` as people read it.
pub(crate) fn name(name: &str) -> String {
    name.replace('_', " ")
}

/// A fact's value, with nothing escaped.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "not known".into(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(facts) => {
            let facts = facts.iter().map(|(fact, value)| format!("{} {}", name(fact), plain(value)));
            facts.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// The versions of an executor's parts.
pub(crate) fn versions(versions: &[(String, String)]) -> String {
    versions.iter().map(|(part, version)| format!("{part} {version}")).collect::<Vec<_>>().join(", ")
}
