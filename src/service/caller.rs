//! Who asks for something to be done over the API, in the words that the history of a grant keeps.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;

/// Where the names of users stand; one `name:password:uid:…` a line.
const USERS: &str = "/etc/passwd";

/// So much of it is read. What a directory server knows is not in it anyway.
const USERS_BYTES_MAX: u64 = 1 << 20;

/// The most that is kept of what a caller says that it is.
const AGENT_CHARACTERS_MAX: usize = 64;

/// The other end of a connection to the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The number of the user, on a unix socket.
    pub user: Option<u32>,
    /// The address, on any other.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// `anna (cloakroom grant extend)`: who it is, and with what, as the caller itself says (`User-Agent`).
    pub fn in_words(self, agent: Option<&str>) -> String {
        let who = match self {
            Self { user: Some(user), .. } => user_name(user).unwrap_or_else(|| format!("uid {user}")),
            Self { address: Some(address), .. } => address.to_string(),
            Self { user: None, address: None } => "somebody".to_owned(),
        };
        let agent: String = agent.unwrap_or("api").chars().filter(|sign| !sign.is_control()).take(AGENT_CHARACTERS_MAX).collect();
        format!("{who} ({})", agent.trim())
    }
}

/// The name of the user with this number, as `/etc/passwd` has it.
pub fn user_name(user: u32) -> Option<String> {
    let mut users = String::new();
    File::open(USERS).ok()?.take(USERS_BYTES_MAX).read_to_string(&mut users).ok()?;
    name_in(&users, user).map(str::to_owned)
}

/// The name of the first line with that number: what `id` says, too.
fn name_in(users: &str, user: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(user) && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_with_the_number_has_the_name() {
        let users =
            "root:x:0:0:root:/root:/bin/bash\nbroken\n:x:7:7\n\ntoor:x:0:0::/:\nanna:x:1000:1000:Anna,,,:/home/anna:/bin/sh\nb:x:1001";
        for (user, name) in [(0, Some("root")), (1000, Some("anna")), (1001, Some("b")), (7, None), (100, None), (u32::MAX, None)] {
            assert_eq!(name_in(users, user), name, "{user}");
        }
    }

    #[test]
    fn a_caller_is_told_with_what_it_said_to_be() {
        let unknown = Caller { user: Some(u32::MAX - 7), address: None };
        let far = Caller { user: None, address: Some([192, 0, 2, 7].into()) };
        for (caller, agent, words) in [
            (unknown, Some("cloakroom grant extend"), "uid 4294967288 (cloakroom grant extend)".to_owned()),
            (far, None, "192.0.2.7 (api)".to_owned()),
            (Caller::default(), Some("a\nb\u{1b}[2J"), "somebody (ab[2J)".to_owned()),
            (far, Some(&"x".repeat(500)), format!("192.0.2.7 ({})", "x".repeat(64))),
        ] {
            assert_eq!(caller.in_words(agent), words);
        }
        assert_eq!(Caller { user: Some(0), address: None }.in_words(None), "root (api)");
    }
}
