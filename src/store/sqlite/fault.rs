//! What goes wrong with a database.

use std::fmt;

use rusqlite::ErrorCode;

use crate::store::record::Unreadable;

/// A statement failed, or a row does not hold what was written into it.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite says no.
    Database(rusqlite::Error),
    /// A row that no version of the program wrote.
    Row(Unreadable),
    /// What is needed is not allowed here.
    Unusable(String),
}

impl Fault {
    /// Whether the file is damaged: nothing of it can be trusted until a person has looked.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Row(_) => true,
            Self::Unusable(_) => false,
            Self::Database(fault) => {
                matches!(fault.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch))
                    || matches!(
                        fault,
                        rusqlite::Error::InvalidColumnType(..)
                            | rusqlite::Error::FromSqlConversionFailure(..)
                            | rusqlite::Error::IntegralValueOutOfRange(..)
                            | rusqlite::Error::Utf8Error(..)
                    )
            }
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(fault: rusqlite::Error) -> Self {
        Self::Database(fault)
    }
}

impl From<Unreadable> for Fault {
    fn from(unreadable: Unreadable) -> Self {
        Self::Row(unreadable)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(fault) => write!(f, "{fault}"),
            Self::Row(unreadable) => write!(f, "{unreadable}"),
            Self::Unusable(why) => f.write_str(why),
        }
    }
}
