//! The grants of a function in the form of WASI: arguments and environment variables.

use std::fmt::Write;

use super::Wasi;
use crate::function::Grants;

/// Arguments and environment of a function's instances. Empty unless something is granted.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// The function's name, and its arguments; empty if it is granted none.
    arguments: Vec<Vec<u8>>,
    /// Entries `name=value`.
    environment: Vec<Vec<u8>>,
}

impl Granted {
    /// Arguments and environment of the function of this name, by its grants.
    pub fn of(function: &str, Grants { args, env, .. }: &Grants) -> Self {
        let bytes = |text: &String| text.as_bytes().to_vec();
        let name = (!args.is_empty()).then(|| function.as_bytes().to_vec());
        let arguments = name.into_iter().chain(args.iter().map(bytes)).collect();
        let environment = env.iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect();
        Self { arguments, environment }
    }

    /// Gives it to a new instance.
    pub fn give(&self, wasi: &mut Wasi) {
        if !self.arguments.is_empty() {
            wasi.set_arguments(self.arguments.clone());
        }
        if !self.environment.is_empty() {
            wasi.set_environment(self.environment.clone());
        }
    }

    /// The environment, and those of `others` whose names it does not have.
    pub fn environment_before(&self, others: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let name = |entry: &[u8]| entry.split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
        let is_granted = |entry: &Vec<u8>| self.environment.iter().any(|own| name(own) == name(entry));
        let others = others.into_iter().filter(|entry| !is_granted(entry));
        self.environment.iter().cloned().chain(others).collect()
    }

    /// Bytes that differ if what is granted does; none if nothing is.
    pub fn key(&self) -> String {
        let mut key = String::new();
        for (kind, texts) in [("argument", &self.arguments), ("variable", &self.environment)] {
            for text in texts {
                // A text of any length cannot look like the next one.
                let _ = write!(key, "{kind} {} {}", text.len(), String::from_utf8_lossy(text));
            }
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(args: &[&str], env: &[(&str, &str)]) -> Granted {
        let args = args.iter().map(|text| (*text).to_owned()).collect();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Granted::of("me", &Grants { env, args, ..Grants::default() })
    }

    #[test]
    fn grants_come_before_the_entries_of_a_client() {
        let sent = || vec![b"a=sent".to_vec(), b"b=sent".to_vec()];
        assert_eq!(granted(&[], &[]).environment_before(sent()), sent());
        let both = granted(&[], &[("a", "x=y")]).environment_before(sent());
        assert_eq!(both, [b"a=x=y".to_vec(), b"b=sent".to_vec()]);
    }

    #[test]
    fn keys_tell_grants_apart() {
        let keys = [
            granted(&[], &[]),
            granted(&["a=b"], &[]),
            granted(&["a", "b"], &[]),
            granted(&[], &[("a", "b")]),
            granted(&[], &[("a", "b"), ("c", "d")]),
            granted(&[], &[("a", "bvariable 3 c=d")]),
        ];
        let keys: std::collections::BTreeSet<_> = keys.iter().map(Granted::key).collect();
        assert_eq!(keys.len(), 6);
        assert_eq!(keys.first().map(String::as_str), Some(""));
    }
}
