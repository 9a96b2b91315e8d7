//! The options: the address of the server, and how to talk to it. Printing them never shows a password.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo};

use crate::error::{Code, Error, Result};

/// The engine's name.
pub(super) const NAME: &str = "redis";

/// Options of the redis engine. `url` excludes `host`, `port` and `path`; the other fields win over the URL.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://[user[:password]@]host[:port][/db]`, `rediss://…` for TLS,
    /// or `unix:///path[?db=n&user=…&pass=…]`.
    pub url: Option<String>,
    /// A name or an address; `127.0.0.1` if absent.
    pub host: Option<String>,
    /// 6379 if absent.
    pub port: Option<u16>,
    /// The user to log in as; the server's default user if absent.
    pub username: Option<String>,
    /// The password to log in with; no login if absent.
    pub password: Option<String>,
    /// The number of the database on the server; 0 if absent.
    pub db: Option<u32>,
    /// Encrypts the connection. `rediss://` does so with the defaults.
    pub tls: Option<TlsOptions>,
    /// The prefix of every key of this store. On a cluster it needs a hash tag: `{app}:`.
    pub key_prefix: String,
    /// The longest time to connect, and for a call to wait until a lost connection is back.
    pub connect_timeout: Duration,
    /// The longest time for the server to answer one call.
    pub command_timeout: Duration,
    /// Further connections for scans. With 0, scans use the main connection.
    pub pool_size: usize,
    /// Keep created and updated times for every record. A write then costs the server more.
    pub timestamps: bool,
    /// Is told when the connection is lost, and when there is a new one.
    pub listener: Option<Listener>,
}

/// A change of the connection of an engine.
#[derive(Clone, Debug)]
pub enum Availability {
    /// The connection was lost. Calls wait for the next one.
    Down(Error),
    /// There is a connection again.
    Up,
}

/// Is told of changes of a connection, on a thread of the engine. It must not block.
pub type Listener = Arc<dyn Fn(&Availability) + Send + Sync>;

impl Default for RedisOptions {
    fn default() -> Self {
        RedisOptions {
            url: None,
            host: None,
            port: None,
            username: None,
            password: None,
            db: None,
            tls: None,
            key_prefix: String::new(),
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(10),
            pool_size: 1,
            timestamps: false,
            listener: None,
        }
    }
}

/// The certificates that server and client show each other.
#[derive(Clone, Default)]
pub struct TlsOptions {
    /// Certificates to trust, as PEM, instead of the public ones.
    pub ca: Option<Vec<u8>>,
    /// The client's certificate chain as PEM. It needs `key`.
    pub cert: Option<Vec<u8>>,
    /// The private key of `cert` as unencrypted PEM.
    pub key: Option<Vec<u8>>,
    /// The name in the server's certificate; the host if absent.
    pub server_name: Option<String>,
    /// Accept any certificate. Somebody between client and server can then read and change everything.
    pub insecure: bool,
}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The options after the check: the URL is merged with the other fields.
#[derive(Clone)]
pub(super) struct Settings {
    pub address: Address,
    pub username: Option<String>,
    pub password: Option<String>,
    pub db: u32,
    pub tls: Option<TlsOptions>,
    pub key_prefix: String,
    pub connect_timeout: Duration,
    pub command_timeout: Duration,
    pub pool_size: usize,
    pub timestamps: bool,
    pub listener: Option<Listener>,
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("url", &self.url.as_ref().map(|_| "(hidden)"))
            .field("host", &self.host)
            .field("port", &self.port)
            .field("db", &self.db)
            .field("tls", &self.tls)
            .field("key_prefix", &self.key_prefix)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions").field("insecure", &self.insecure).finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("address", &self.address).field("db", &self.db).finish_non_exhaustive()
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, message)
}

impl Settings {
    /// Checks the options. `INVALID_ARGUMENT` names the option that is wrong, and never shows its value.
    pub(super) fn new(options: RedisOptions) -> Result<Self> {
        let mut settings = Settings {
            address: Address::Tcp {
                host: options.host.clone().unwrap_or_else(|| "127.0.0.1".into()),
                port: options.port.unwrap_or(6379),
            },
            username: None,
            password: None,
            db: 0,
            tls: options.tls,
            key_prefix: options.key_prefix,
            connect_timeout: options.connect_timeout,
            command_timeout: options.command_timeout,
            pool_size: options.pool_size,
            timestamps: options.timestamps,
            listener: options.listener,
        };
        if let Some(text) = &options.url {
            if options.host.is_some() || options.port.is_some() {
                return Err(invalid("give redis a url, or a host and a port, not both"));
            }
            settings.read_url(text)?;
        }
        settings.username = options.username.or(settings.username);
        settings.password = options.password.or(settings.password);
        settings.db = options.db.unwrap_or(settings.db);
        if settings.username.is_some() && settings.password.is_none() {
            return Err(invalid("redis has a username but no password"));
        }
        if matches!(&settings.address, Address::Tcp { host, .. } if host.is_empty()) {
            return Err(invalid("the redis host is empty"));
        }
        if settings.tls.as_ref().is_some_and(|tls| tls.cert.is_some() != tls.key.is_some()) {
            return Err(invalid("tls.cert and tls.key go together; give both or neither"));
        }
        if settings.connect_timeout.is_zero() || settings.command_timeout.is_zero() {
            return Err(invalid("connectTimeout and commandTimeout must be positive"));
        }
        if settings.pool_size > 64 {
            return Err(invalid("poolSize is at most 64"));
        }
        Ok(settings)
    }

    fn read_url(&mut self, text: &str) -> Result<()> {
        // The error of the parser could repeat the password.
        let unreadable = || invalid("the redis url cannot be read; expected redis://[user:password@]host[:port][/db]");
        let mut url = redis::parse_redis_url(text).ok_or_else(unreadable)?;
        match url.fragment() {
            None | Some("") => {}
            Some("insecure") => {
                if !self.tls.as_ref().is_some_and(|tls| tls.insecure) {
                    return Err(invalid(
                        "the redis url says #insecure, which accepts any certificate; \
                         if meant, set tls.rejectUnauthorized: false",
                    ));
                }
            }
            Some(_) => return Err(invalid("the redis url has an unknown fragment")),
        }
        let is_unix = url.scheme().ends_with("unix");
        if !url.query_pairs().all(|(name, _)| is_unix && matches!(name.as_ref(), "db" | "user" | "pass")) {
            return Err(invalid(
                "the redis url has an unknown parameter; unix:// takes db, user and pass, others none",
            ));
        }
        if matches!(url.scheme(), "rediss" | "valkeys") {
            self.tls.get_or_insert_default();
            // The parser knows this scheme only with the TLS of its own crate.
            url.set_scheme("redis").map_err(|()| unreadable())?;
        }
        let info = url.into_connection_info().map_err(|_| unreadable())?;
        self.address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return Err(unreadable()),
        };
        let redis = info.redis_settings();
        self.username = redis.username().map(ToOwned::to_owned);
        self.password = redis.password().map(ToOwned::to_owned);
        self.db = u32::try_from(redis.db()).map_err(|_| unreadable())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Settings> {
        Settings::new(RedisOptions { url: Some(url.into()), ..RedisOptions::default() })
    }

    #[test]
    fn a_url_gives_every_part() {
        let settings = read("rediss://us%3Aer:p%40ss%2Fword@example.org:7000/3").unwrap();
        assert_eq!(settings.address, Address::Tcp { host: "example.org".into(), port: 7000 });
        assert_eq!(settings.username.as_deref(), Some("us:er"));
        assert_eq!(settings.password.as_deref(), Some("p@ss/word"));
        assert_eq!(settings.db, 3);
        assert!(settings.tls.is_some_and(|tls| !tls.insecure));
        let plain = read("redis://[::1]").unwrap();
        assert_eq!(plain.address, Address::Tcp { host: "::1".into(), port: 6379 });
        assert!(plain.tls.is_none() && plain.password.is_none() && plain.username.is_none());
        assert_eq!(read("unix:///run/redis.sock?db=2").unwrap().address, Address::Unix("/run/redis.sock".into()));
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        for url in [
            "http://secret@host",
            "redis://:secret@host:99999999",
            "redis://:secret@host/secret",
            "redis://:secret@host?secret=1",
            "rediss://:secret@host#insecure",
            "redis://:secret@host#secret",
            "redis://secret@host",
            "redis://:secret@host/-1",
            "redis://host?protocol=secret",
            "secret",
        ] {
            let error = read(url).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{url}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn insecure_counts_when_asked_for() {
        let tls = Some(TlsOptions { insecure: true, ..TlsOptions::default() });
        let url = Some("rediss://host#insecure".to_owned());
        assert!(Settings::new(RedisOptions { url, tls, ..RedisOptions::default() }).is_ok());
    }

    #[test]
    fn printing_options_shows_no_password() {
        let options = RedisOptions {
            url: Some("redis://u:hunter2@h".into()),
            password: Some("hunter2".into()),
            ..RedisOptions::default()
        };
        let settings = Settings::new(options.clone()).unwrap();
        assert!(!format!("{options:?} {settings:?}").contains("hunter2"));
    }
}
