//! The methods of htpasswd files: their words, and how dear one of their lines may be.

/// A cost of bcrypt beyond this is some seconds of a processor for each try: 14 is sixteen times what `htpasswd -B -C 10`
/// writes.
pub const BCRYPT_COST_MAX: u32 = 14;

/// Below this bcrypt is not defined.
pub const BCRYPT_COST_MIN: u32 = 4;

/// The rounds of SHA-crypt, of which 5,000 are usual, that cost as much as bcrypt's cost 11 or so.
pub const SHA_CRYPT_ROUNDS_MAX: u32 = 1_000_000;

/// The fewest rounds that `crypt` accepts.
pub const SHA_CRYPT_ROUNDS_MIN: u32 = 1000;

/// The memory of one try: what `mkpasswd -m scrypt` asks for, four times that of yescrypt. Each thread that hashes may
/// take as much at once.
pub const MEMORY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How often scrypt may fill, or argon2 pass over, [`MEMORY_BYTES_MAX`], or more often a smaller part of it.
pub const PASSES_MAX: u64 = 8;

/// The rounds of `bsdi-crypt`, of which 7,250 are usual.
pub const BSDI_ROUNDS_MAX: u32 = 1_000_000;

/// bcrypt looks at no byte after these. A password that is longer is refused: its end would be decoration.
pub const BCRYPT_PASSWORD_BYTES_MAX: usize = 72;

/// How a line keeps its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// `$2y$`, `$2b$`, `$2a$`
    Bcrypt,
    /// `$apr1$`: Apache's MD5-crypt.
    Apr1,
    /// `$1$`
    Md5Crypt,
    /// `$5$`
    Sha256Crypt,
    /// `$6$`
    Sha512Crypt,
    /// `{SHA}`
    Sha,
    /// `{SSHA}`
    Ssha,
    /// `$y$`
    Yescrypt,
    /// `$7$`
    Scrypt,
    /// `$argon2id$`, `$argon2i$`, `$argon2d$`
    Argon2,
    /// 13 letters.
    Des,
    /// `_` and 19 letters.
    Bsdi,
}

/// Who reads a line of a method, beside Cloakroom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Everywhere.
    Yes,
    /// Where the `crypt` of the system's C library does, as that of Debian, Ubuntu, Fedora and RHEL; not on Alpine.
    WithCrypt,
    /// Nowhere.
    No,
}

impl Reads {
    /// The word of `lint`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::WithCrypt => "by crypt",
            Self::No => "no",
        }
    }
}

impl Method {
    /// The word of commands and logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bcrypt => "bcrypt",
            Self::Apr1 => "apr1",
            Self::Md5Crypt => "md5-crypt",
            Self::Sha256Crypt => "sha256-crypt",
            Self::Sha512Crypt => "sha512-crypt",
            Self::Sha => "sha",
            Self::Ssha => "ssha",
            Self::Yescrypt => "yescrypt",
            Self::Scrypt => "scrypt",
            Self::Argon2 => "argon2",
            Self::Des => "des-crypt",
            Self::Bsdi => "bsdi-crypt",
        }
    }

    /// Whether nginx's `auth_basic` reads it: `{SHA}`, `{SSHA}` and apr1 by itself, all else by `crypt`.
    pub const fn nginx(self) -> Reads {
        match self {
            Self::Apr1 | Self::Sha | Self::Ssha => Reads::Yes,
            Self::Argon2 => Reads::No,
            _ => Reads::WithCrypt,
        }
    }

    /// Whether Apache's `AuthUserFile` reads it: `{SHA}`, apr1 and bcrypt by itself, all else by `crypt`.
    pub const fn apache(self) -> Reads {
        match self {
            Self::Apr1 | Self::Sha | Self::Bcrypt => Reads::Yes,
            Self::Argon2 | Self::Ssha => Reads::No,
            _ => Reads::WithCrypt,
        }
    }

    /// What speaks against it, if something does.
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::Sha => Some("no salt: tables know the usual passwords"),
            Self::Ssha => Some("one round of SHA-1: a thief of the file tries billions a second"),
            Self::Des | Self::Bsdi => Some("DES: a thief of the file tries every password"),
            Self::Apr1 | Self::Md5Crypt => Some("MD5: for generated passwords only"),
            _ => None,
        }
    }
}
