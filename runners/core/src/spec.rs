//! Executor specs: `name` or `name:key=value,…`.

use std::collections::BTreeMap;
use std::fmt;

/// One setting of an executor: what may be written, and what holds otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key.
    pub name: &'static str,
    /// The value of a spec that names none: the fastest safe one.
    pub default: &'static str,
    /// The values that it takes.
    pub values: Values,
    /// Its effect, in half a sentence.
    pub help: &'static str,
}

/// The values that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number in this range, both ends included.
    Number(u64, u64),
    /// Any text without a comma.
    Text,
}

impl Values {
    fn allow(self, value: &str) -> bool {
        match self {
            Self::OneOf(words) => words.contains(&value),
            Self::Number(least, most) => {
                value.parse().is_ok_and(|number: u64| (least..=most).contains(&number))
            }
            Self::Text => !value.is_empty(),
        }
    }

    fn nearest(self, value: &str) -> String {
        match self {
            Self::OneOf(words) => nearest(value, words),
            Self::Number(..) | Self::Text => String::new(),
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(words) => f.write_str(&words.join(", ")),
            Self::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Self::Text => f.write_str("a text"),
        }
    }
}

/// An executor's name and settings.
///
/// A parsed spec holds what was written; [`Spec::resolve`] checks it and fills in the other
/// settings. `{}` shows the settings that differ from their default, `{:#}` shows all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spec {
    name: String,
    /// Value, and whether it is the default.
    settings: BTreeMap<String, (String, bool)>,
}

/// The fault of a spec, with the names and values that could stand there.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpecError {
    /// A missing name, a key without a value, or a key twice.
    #[error("`{spec}` is not an executor spec: {reason}; write `name` or `name:key=value,…`")]
    Form {
        /// The text.
        spec: String,
        /// Its fault.
        reason: String,
    },
    /// An executor that the lab does not have.
    #[error("there is no executor `{name}`{}; there are: {}", nearest(name, known), known.join(", "))]
    Executor {
        /// The name.
        name: String,
        /// The lab's executors.
        known: Vec<String>,
    },
    /// A setting that the executor does not have.
    #[error("executor `{executor}` has no setting `{key}`{}; it has: {}", nearest(key, known), list(known))]
    Setting {
        /// The executor.
        executor: String,
        /// The key.
        key: String,
        /// The executor's settings.
        known: Vec<String>,
    },
    /// A value that the setting does not take.
    #[error("`{executor}:{key}` does not take `{value}`{}; it takes {allowed}", allowed.nearest(value))]
    Value {
        /// The executor.
        executor: String,
        /// The setting.
        key: String,
        /// The value.
        value: String,
        /// The values that the setting takes.
        allowed: Values,
    },
}

impl Spec {
    /// Reads one spec. Its executor and settings need not exist: [`Spec::resolve`] checks
    /// that.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let form = |reason: &str| SpecError::Form { spec: text.to_owned(), reason: reason.to_owned() };
        let (name, rest) = match text.split_once(':') {
            Some((_, "")) => return Err(form("nothing follows the colon")),
            Some((name, rest)) => (name, rest),
            None => (text, ""),
        };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(form("a name is made of letters, digits and hyphens"));
        }
        let mut settings = BTreeMap::new();
        for pair in rest.split(',').filter(|_| !rest.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| form("a setting is `key=value`"))?;
            if settings.insert(key.to_owned(), (value.to_owned(), false)).is_some() {
                return Err(form("a setting stands twice"));
            }
        }
        Ok(Self { name: name.to_owned(), settings })
    }

    /// Reads several specs separated by commas. A part that is `key=value` belongs
    /// to the spec before it: `wasm:compiler=winch,memory=dynamic,v8` are two.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, SpecError> {
        let mut specs: Vec<String> = Vec::new();
        for part in text.split(',') {
            let continues = part.split_once('=').is_some_and(|(key, _)| !key.contains(':'));
            match specs.last_mut() {
                Some(spec) if continues => {
                    spec.push(',');
                    spec.push_str(part);
                }
                _ => specs.push(part.to_owned()),
            }
        }
        specs.iter().map(|spec| Self::parse(spec)).collect()
    }

    /// The executor's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks the settings against those that the executor has, and fills in the
    /// rest.
    pub fn resolve(mut self, known: &[Setting]) -> Result<Self, SpecError> {
        for (key, (value, _)) in &self.settings {
            let Some(setting) = known.iter().find(|setting| setting.name == key) else {
                let known = known.iter().map(|setting| setting.name.to_owned()).collect();
                return Err(SpecError::Setting { executor: self.name, key: key.clone(), known });
            };
            if !setting.values.allow(value) {
                let (key, value, allowed) = (key.clone(), value.clone(), setting.values);
                return Err(SpecError::Value { executor: self.name, key, value, allowed });
            }
        }
        for setting in known {
            let entry = self.settings.entry(setting.name.to_owned());
            let (value, is_default) = entry.or_insert_with(|| (setting.default.to_owned(), true));
            *is_default = value == setting.default;
        }
        Ok(self)
    }

    /// The value of a setting.
    ///
    /// # Panics
    /// If the spec was not resolved against settings with this one.
    pub fn get(&self, key: &str) -> &str {
        match self.settings.get(key) {
            Some((value, _)) => value,
            None => panic!("spec `{self}` was not resolved: no setting `{key}`"),
        }
    }

    /// The value of a setting whose values are numbers.
    ///
    /// # Panics
    /// If the spec was not resolved against settings where this one is a number.
    pub fn number(&self, key: &str) -> u64 {
        self.get(key).parse().expect("resolving a spec checks its numbers")
    }

    /// All settings in the order of their keys.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(key, (value, _))| (key.as_str(), value.as_str()))
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let all = f.alternate();
        let shown = self.settings.iter().filter(|(_, (_, is_default))| all || !is_default);
        for (index, (key, (value, _))) in shown.enumerate() {
            write!(f, "{}{key}={value}", if index == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

/// ` (did you mean …?)` for a word close to one of `known`, else nothing.
pub fn nearest(word: &str, known: &[impl AsRef<str>]) -> String {
    let distance = |name: &str| strsim::damerau_levenshtein(word, name);
    match known.iter().map(AsRef::as_ref).min_by_key(|name| distance(name)) {
        Some(name) if distance(name) <= 1 + word.len() / 3 => format!(" (did you mean `{name}`?)"),
        _ => String::new(),
    }
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: &[Setting] = &[
        Setting {
            name: "compiler",
            default: "cranelift",
            values: Values::OneOf(&["cranelift", "winch"]),
            help: "",
        },
        Setting { name: "pids", default: "64", values: Values::Number(1, 1000), help: "" },
    ];

    fn resolve(text: &str) -> Result<Spec, SpecError> {
        Spec::parse(text)?.resolve(SETTINGS)
    }

    #[test]
    fn settings_are_completed_and_shown_short_and_long() {
        let spec = resolve("wasm:compiler=winch").unwrap();
        assert_eq!(spec.to_string(), "wasm:compiler=winch");
        assert_eq!(format!("{spec:#}"), "wasm:compiler=winch,pids=64");
        assert_eq!((spec.get("compiler"), spec.number("pids")), ("winch", 64));
        assert_eq!(resolve("wasm:pids=64").unwrap(), resolve("wasm").unwrap());
    }

    #[test]
    fn a_list_keeps_settings_with_their_executor() {
        let specs = Spec::parse_list("wasm:compiler=winch,pids=1,v8").unwrap();
        let shown: Vec<_> = specs.iter().map(Spec::to_string).collect();
        assert_eq!(shown, ["wasm:compiler=winch,pids=1", "v8"]);
    }

    #[test]
    fn errors_list_what_could_stand_there() {
        let error = resolve("wasm:compilr=winch").unwrap_err().to_string();
        assert!(error.contains("did you mean `compiler`?") && error.contains("compiler, pids"), "{error}");
        let error = resolve("wasm:compiler=gcc").unwrap_err().to_string();
        assert!(error.ends_with("it takes cranelift, winch"), "{error}");
        assert!(resolve("wasm:pids=0").unwrap_err().to_string().contains("from 1 to 1000"));
        for text in ["", ":", "wasm:", "wasm:x", "wasm:pids=1,pids=2", "wa sm", "wasm,v8"] {
            assert!(matches!(Spec::parse(text), Err(SpecError::Form { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            if let Ok(specs) = Spec::parse_list(&text) {
                let again: Vec<_> = specs.iter().map(|spec| Spec::parse(&spec.to_string()).unwrap()).collect();
                prop_assert_eq!(again, specs);
            }
        }
    }
}
