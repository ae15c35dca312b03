//! The form of an order: one message for one server.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The use of a descriptor that comes with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A pipe that takes the number of the new process, as four bytes.
    Answer,
    /// The stderr of the server.
    Stderr,
    /// The file `cgroup.procs` of a control group that the server enters.
    Group,
    /// A Landlock ruleset that the server steps behind.
    Rules,
}

/// Every role with the byte that stands for it.
const ROLES: [(Role, u8); 4] =
    [(Role::Answer, b'a'), (Role::Stderr, b'e'), (Role::Group, b'g'), (Role::Rules, b'r')];

/// The end of the roles.
const END: u8 = b'\n';

/// The server that the host wants, without the descriptors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The roles of the descriptors, in their order.
    pub roles: Vec<Role>,
    /// Environment variables beside those of the zygote.
    pub variables: Vec<(OsString, OsString)>,
}

impl Order {
    /// The bytes of the message: the roles, a line feed, and each variable as `NAME=VALUE` with a zero behind it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.roles.iter().map(|role| byte(*role)).collect();
        bytes.push(END);
        for (name, value) in &self.variables {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b'=');
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0);
        }
        bytes
    }

    /// Reads a message; `None` if it is not an order.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == END)?;
        let roles = bytes[..end].iter().map(|byte| role(*byte)).collect::<Option<_>>()?;
        let variables =
            bytes[end + 1..].split_inclusive(|byte| *byte == 0).map(split).collect::<Option<_>>()?;
        Some(Self { roles, variables })
    }
}

fn byte(role: Role) -> u8 {
    ROLES.iter().find(|(it, _)| *it == role).map_or(END, |(_, byte)| *byte)
}

fn role(byte: u8) -> Option<Role> {
    ROLES.iter().find(|(_, it)| *it == byte).map(|(role, _)| *role)
}

fn split(variable: &[u8]) -> Option<(OsString, OsString)> {
    let variable = variable.strip_suffix(&[0])?;
    let equals = variable.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&variable[..equals], &variable[equals + 1..]);
    Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variable() -> impl Strategy<Value = (OsString, OsString)> {
        ("[A-Z_]{1,8}", "[^\0]{0,20}").prop_map(|(name, value)| (name.into(), value.into()))
    }

    proptest! {
        #[test]
        fn an_order_is_read_as_it_was_written(
            roles in prop::collection::vec(prop::sample::select(ROLES.map(|(role, _)| role).to_vec()), 0..8),
            variables in prop::collection::vec(variable(), 0..4),
        ) {
            let order = Order { roles, variables };
            prop_assert_eq!(Order::from_bytes(&order.to_bytes()), Some(order));
        }
    }

    #[test]
    fn bytes_that_are_not_an_order_are_refused() {
        for bytes in ["", "ae", "x\n", "a\nNAME=cut", "a\nNAME\0"] {
            assert_eq!(Order::from_bytes(bytes.as_bytes()), None, "{bytes:?}");
        }
    }
}
