//! Values that never print.

pub use secrecy::ExposeSecret;

/// A secret text. `Debug` and errors show `[REDACTED]`; memory is wiped when it is dropped. Read it with [`ExposeSecret`].
pub type Secret = secrecy::SecretString;
