//! Connections that fail, hang, lie or end.
use crate::calls::{connect, increment, options, set, until_ok};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::proxy::{CUT_REPLIES, DROP_REPLIES, HOLD, NO_HELLO, PASS, Proxy, RELEASE};
use crate::redis_server::{RedisServer, free_port};
use holdfast_core::engine::redis::{RedisOptions, TlsOptions, open};
use holdfast_core::engine::{EngineExt, Projection, Read, Reply, Request};
use holdfast_core::testing::{Calls, error_of, json};
use holdfast_core::{Batch, Code, Error, Key, KeyRange, Op, Result, Space};

#[test]
fn a_password_is_never_shown() {
    let server = RedisServer::start(&["--requirepass", "correct-horse"]);
    let shown = |error: &Error| format!("{error} {error:?} {:?} {}", error.cause(), error.message());
    for (options, what) in [
        (RedisOptions { password: Some("battery-staple".into()), ..options(server.port) }, "wrong"),
        (
            RedisOptions {
                username: Some("u".into()),
                password: Some("battery-staple".into()),
                ..options(server.port)
            },
            "user",
        ),
        (options(server.port), "none"),
    ] {
        let error = error_of(open(options));
        assert_eq!(error.code(), Code::Connection, "{what}: {error}");
        assert!(!shown(&error).contains("staple"), "{error:?}");
        assert!(error.message().contains("password"), "{error}");
    }
    let url = format!("redis://:battery-staple@127.0.0.1:{}/0", server.port);
    let wrong = RedisOptions { url: Some(url), ..RedisOptions::default() };
    assert!(!format!("{wrong:?}").contains("staple"));
    assert!(!shown(&error_of(open(wrong))).contains("staple"));
    let url = format!("redis://:correct-horse@127.0.0.1:{}/1", server.port);
    let lease = open(RedisOptions { url: Some(url), ..RedisOptions::default() }).unwrap();
    lease.engine().set("k", "1");
}

#[test]
fn a_port_nobody_listens_on_fails_fast() {
    let start = Instant::now();
    let error = error_of(open(options(free_port())));
    assert_eq!(error.code(), Code::Connection);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_server_that_never_greets_fails_after_the_connect_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let start = Instant::now();
    let error = error_of(open(RedisOptions { connect_timeout: Duration::from_millis(200), ..options(port) }));
    assert_eq!(error.code(), Code::Connection);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_write_whose_reply_is_lost_has_an_unknown_outcome() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = connect(proxy.port);
    let engine = lease.engine().as_ref();
    engine.set("k", "1");
    proxy.set(CUT_REPLIES);
    assert_eq!(set(engine, "k", "2").unwrap_err().code(), Code::UnknownOutcome);
    proxy.set(PASS);
    assert_eq!(until_ok(|| engine.try_value("k")).as_deref(), Some("2"), "it was applied, this time");
    proxy.set(CUT_REPLIES);
    let error = engine.try_value("k").unwrap_err();
    assert_eq!(error.code(), Code::Connection);
    proxy.set(PASS);
    until_ok(|| increment(engine, "n", 1.0));
    proxy.set(CUT_REPLIES);
    assert_eq!(increment(engine, "n", 1.0).unwrap_err().code(), Code::UnknownOutcome);
    proxy.set(PASS);
    assert_eq!(until_ok(|| engine.try_value("n")).as_deref(), Some("2"), "an increment is never sent twice");
}

#[test]
fn a_call_during_an_outage_waits_and_then_says_connection() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = open(RedisOptions { connect_timeout: Duration::from_millis(400), ..options(proxy.port) }).unwrap();
    let engine = lease.engine().as_ref();
    engine.set("k", "1");
    proxy.cut_all();
    let start = Instant::now();
    let code = set(engine, "k", "2").unwrap_err().code();
    assert!(matches!(code, Code::Connection | Code::UnknownOutcome), "{code:?}");
    if code == Code::Connection {
        assert!(start.elapsed() >= Duration::from_millis(300), "it waited");
    }
    let engine = lease.engine().clone();
    let waiting = std::thread::spawn(move || set(engine.as_ref(), "k", "3"));
    std::thread::sleep(Duration::from_millis(50));
    proxy.set(PASS);
    let outcome = waiting.join().unwrap();
    assert!(outcome.is_ok() || outcome.unwrap_err().code() == Code::Connection);
    until_ok(|| set(lease.engine().as_ref(), "k", "4"));
}

#[test]
fn a_server_that_hangs_times_out_and_is_used_again_when_it_wakes() {
    let server = RedisServer::start(&[]);
    let lease = open(RedisOptions { command_timeout: Duration::from_millis(300), ..options(server.port) }).unwrap();
    let engine = lease.engine().as_ref();
    engine.set("k", "\"old\"");
    server.freeze();
    let start = Instant::now();
    assert_eq!(engine.try_value("k").unwrap_err().code(), Code::Timeout);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    server.thaw();
    assert_eq!(until_ok(|| engine.try_value("k")).as_deref(), Some("\"old\""));
    server.freeze();
    assert_eq!(set(engine, "k", "\"late\"").unwrap_err().code(), Code::UnknownOutcome);
    server.thaw();
    until_ok(|| set(engine, "k", "\"new\""));
}

#[test]
fn a_write_given_up_does_not_arrive_after_a_newer_one() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = open(RedisOptions { command_timeout: Duration::from_millis(200), ..options(proxy.port) }).unwrap();
    let engine = lease.engine().as_ref();
    engine.set("k", "\"first\"");
    proxy.set(HOLD);
    assert_eq!(set(engine, "k", "\"late\"").unwrap_err().code(), Code::UnknownOutcome);
    proxy.set(PASS);
    until_ok(|| set(engine, "k", "\"new\""));
    proxy.set(RELEASE);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(engine.value("k").as_deref(), Some("\"new\""));
}

#[test]
fn closing_during_an_outage_ends_and_answers_what_waits() {
    let mut server = RedisServer::start(&[]);
    let lease = open(RedisOptions { connect_timeout: Duration::from_millis(300), ..options(server.port) }).unwrap();
    server.kill();
    let engine = lease.engine().clone();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..100 {
        let sender = sender.clone();
        let request = Request::Commit(Batch::one(Op::set("k", json("1"))));
        engine.submit(request, Box::new(move |reply| sender.send(reply.map(drop).unwrap_err().code()).unwrap()));
    }
    drop(sender);
    let start = Instant::now();
    lease.close().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let codes: Vec<Code> = receiver.iter().collect();
    assert_eq!(codes.len(), 100);
    assert!(codes.iter().all(|code| matches!(code, Code::Connection | Code::UnknownOutcome)), "{codes:?}");
}

#[test]
fn an_engine_let_go_without_closing_answers_what_is_under_way_and_disconnects() {
    let server = RedisServer::start(&[]);
    let clients = || String::from_utf8(server.raw(&[b"CLIENT", b"LIST"])).unwrap().matches("id=").count();
    let alone = clients();
    let lease = connect(server.port);
    assert_eq!(clients(), alone + 1);
    server.freeze();
    let (sender, receiver) = mpsc::channel();
    let done = move |reply: Result<Reply>| sender.send(reply.map(drop).unwrap_err().code()).unwrap();
    lease.engine().submit(Request::Commit(Batch::one(Op::set("k", json("1")))), Box::new(done));
    drop(lease);
    assert_eq!(receiver.recv_timeout(Duration::from_secs(1)), Ok(Code::UnknownOutcome));
    server.thaw();
    until_ok(|| if clients() == alone { Ok(()) } else { Err(Error::closed()) });
}

#[test]
fn a_crashed_server_is_found_again_and_has_its_script_again() {
    let mut server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().as_ref();
    assert_eq!(engine.add("n", 1.0), 1.0);
    server.crash_and_restart();
    assert_eq!(until_ok(|| increment(engine, "n", 1.0)), 1.0);
    server.raw(&[b"SCRIPT", b"FLUSH"]);
    assert_eq!(engine.add("n", 1.0), 2.0);
}

#[test]
fn ten_thousand_calls_under_way_never_get_each_others_replies() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = open(RedisOptions { command_timeout: Duration::from_millis(200), ..options(proxy.port) }).unwrap();
    let engine = lease.engine();
    engine.run(Batch::of((0..1000).map(|i| Op::set(format!("k{i}"), json(i.to_string())))));
    let (sender, receiver) = mpsc::channel();
    let total = 10_000;
    let meddling = std::thread::spawn(move || {
        for mode in [DROP_REPLIES, PASS, CUT_REPLIES, PASS, DROP_REPLIES, PASS] {
            proxy.set(mode);
            std::thread::sleep(Duration::from_millis(60));
        }
        proxy
    });
    let mut meddling = Some(meddling);
    let mut proxy = None;
    for i in 0..total {
        if i == total * 9 / 10 {
            // However the disturbances fell, the last calls are made after them, over a connection that has healed.
            proxy = meddling.take().map(|meddling| meddling.join().unwrap());
            assert!((0..50).any(|_| engine.try_value("k1").is_ok()), "the connection heals");
        }
        let sender = sender.clone();
        let key = Key::from(format!("k{}", i % 1000));
        let done = move |reply: Result<Reply>| drop(sender.send((i, reply)));
        engine.submit(Request::Read(Read::Get(Space::User, key)), Box::new(done));
        if i % 20 == 0 {
            std::thread::sleep(Duration::from_micros(500));
        }
    }
    drop(sender);
    let mut answered = vec![0u32; total];
    let (mut good, mut lost) = (0, 0);
    for (i, reply) in receiver {
        answered[i] += 1;
        match reply {
            Ok(Reply::Value(value)) => {
                assert_eq!(value, Some(json((i % 1000).to_string())));
                good += 1;
            }
            Ok(_) => panic!("a reply of another kind"),
            Err(error) => {
                assert!(matches!(error.code(), Code::Timeout | Code::Connection), "{error}");
                lost += 1;
            }
        }
    }
    drop(proxy);
    assert!(answered.iter().all(|count| *count == 1), "each call is answered once");
    assert!(good > 0 && lost > 0, "{good} answered, {lost} lost");
}

#[test]
fn closing_answers_everything_and_refuses_what_comes() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine().clone();
    let (sender, receiver) = mpsc::channel();
    for i in 0..2000 {
        let sender = sender.clone();
        let done = move |reply: Result<Reply>| drop(sender.send(reply.map(drop)));
        engine.submit(Request::Commit(Batch::one(Op::set(format!("k{i}"), json("1")))), Box::new(done));
    }
    drop(sender);
    let view = engine.view().unwrap();
    lease.close().unwrap();
    let error = view.scan(Space::User, &KeyRange::all(), Projection::Keys, None, 1000).unwrap_err();
    assert_eq!(error.code(), Code::Closed);
    assert_eq!(receiver.iter().flatten().count(), 2000);
    assert_eq!(engine.try_value("k1").unwrap_err().code(), Code::Closed);
    engine.close().unwrap();
}

/// A server that speaks TLS on the port returned, and its certificate and key. It wants its own certificate of
/// clients if `auth` is `yes`.
fn tls_server(auth: &str) -> (RedisServer, u16, [Vec<u8>; 2]) {
    tls_server_with(auth, &rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap())
}

fn tls_server_with(auth: &str, parameters: &rcgen::CertificateParams) -> (RedisServer, u16, [Vec<u8>; 2]) {
    let secret = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&secret).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pems = [certificate.pem().into_bytes(), secret.serialize_pem().into_bytes()];
    let (certificate, secret) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, &pems[0]).unwrap();
    std::fs::write(&secret, &pems[1]).unwrap();
    let port = free_port();
    let (certificate, secret) = (certificate.to_str().unwrap(), secret.to_str().unwrap());
    let tls_port = port.to_string();
    let mut args = vec!["--tls-port", &tls_port, "--tls-cert-file", certificate, "--tls-key-file", secret];
    args.extend(["--tls-auth-clients", auth, "--tls-ca-cert-file", certificate]);
    (RedisServer::start(&args), port, pems)
}

fn over_tls(port: u16, tls: TlsOptions) -> RedisOptions {
    let url = Some(format!("rediss://localhost:{port}"));
    RedisOptions { url, port: None, tls: Some(tls), ..options(port) }
}

#[test]
fn tls_shows_the_clients_certificate_to_a_server_that_asks() {
    let (_server, port, [cert, key]) = tls_server("yes");
    let trusting = TlsOptions { ca: Some(cert.clone()), ..TlsOptions::default() };
    let shown = TlsOptions { cert: Some(cert.clone()), key: Some(key.clone()), ..trusting.clone() };
    let lease = open(over_tls(port, shown.clone())).unwrap();
    lease.engine().set("k", "1");
    assert_eq!(lease.engine().value("k").as_deref(), Some("1"));
    assert_eq!(error_of(open(over_tls(port, trusting.clone()))).code(), Code::Connection);
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let other = Some(other.signing_key.serialize_pem().into_bytes());
    for wrong in [
        TlsOptions { key: None, ..shown.clone() },
        TlsOptions { cert: None, ..shown.clone() },
        TlsOptions { cert: Some(key.clone()), ..shown.clone() },
        TlsOptions { key: Some(cert.clone()), ..shown.clone() },
        TlsOptions { key: other, ..shown },
    ] {
        let error = error_of(open(over_tls(port, wrong)));
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert!(error.message().contains("tls."), "{error}");
        assert!(!format!("{error:?}").contains("PRIVATE"), "{error:?}");
    }
}

#[test]
fn tls_trusts_the_given_authority_and_nobody_else() {
    let (_server, port, [pem, _]) = tls_server("no");
    let with = |tls| over_tls(port, tls);
    let lease = open(with(TlsOptions { ca: Some(pem), ..TlsOptions::default() })).unwrap();
    let engine = lease.engine().as_ref();
    let large = format!("\"{}\"", "x".repeat(3 << 20));
    engine.set("large", &large);
    assert_eq!(engine.value("large"), Some(large));
    for i in 0..200 {
        engine.set(&format!("k{i}"), "1");
    }
    assert_eq!(engine.keys(&KeyRange::prefix("k")).len(), 200);
    let error = error_of(open(with(TlsOptions::default())));
    assert_eq!(error.code(), Code::Connection, "{error}");
    assert!(open(with(TlsOptions { insecure: true, ..TlsOptions::default() })).is_ok());
}

#[test]
fn tls_accepts_a_self_signed_certificate_that_is_given_as_the_authority() {
    let parameters = |name: &str, alternative: Option<&str>| {
        let mut parameters =
            rcgen::CertificateParams::new(alternative.map(String::from).into_iter().collect::<Vec<_>>()).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        // As most tools make it.
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters
    };
    let mut expired = parameters("localhost", Some("localhost"));
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    for (what, parameters, accepted) in [
        ("an alternative name", parameters("other", Some("localhost")), true),
        ("a common name", parameters("LocalHost", None), true),
        ("an address", parameters("other", Some("127.0.0.1")), false),
        ("another common name", parameters("other", None), false),
        ("another alternative name", parameters("localhost", Some("other")), false),
        ("the past", expired, false),
    ] {
        let (_server, port, [pem, _]) = tls_server_with("no", &parameters);
        let result = open(over_tls(port, TlsOptions { ca: Some(pem), ..TlsOptions::default() }));
        match result {
            Ok(lease) => {
                lease.engine().set("k", "1");
                assert!(accepted, "{what} is accepted");
            }
            Err(error) => assert!(!accepted && error.code() == Code::Connection, "{what}: {error}"),
        }
        // Another self-signed certificate of the same name is no authority for it.
        let other = rcgen::KeyPair::generate().unwrap();
        let ca = Some(parameters.self_signed(&other).unwrap().pem().into_bytes());
        assert_eq!(error_of(open(over_tls(port, TlsOptions { ca, ..TlsOptions::default() }))).code(), Code::Connection);
    }
}

#[test]
fn the_newer_protocol_is_spoken_where_hello_is_known_and_the_older_one_elsewhere() {
    for password in [None, Some("correct-horse")] {
        let args: Vec<&str> = password.map_or(vec![], |password| vec!["--requirepass", password]);
        let server = RedisServer::start(&args);
        let proxy = Proxy::to(server.port);
        for (mode, newer) in [(NO_HELLO, false), (PASS, true)] {
            proxy.set(mode);
            let password = password.map(ToOwned::to_owned);
            let options = RedisOptions { password: password.clone(), ..options(proxy.port) };
            let lease = open(options).unwrap();
            let engine = lease.engine().as_ref();
            engine.set("k", "1");
            assert_eq!(engine.add("k", 1.5), 2.5);
            assert_eq!(engine.value("k").as_deref(), Some("2.5"));
            assert_eq!(engine.keys(&KeyRange::all()), ["k"]);
            assert!(engine.verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
            assert!(engine.stats().unwrap().memory_bytes.is_some());
            if password.is_none() {
                let clients = String::from_utf8_lossy(&server.raw(&[b"CLIENT", b"LIST"])).into_owned();
                assert_eq!(clients.contains("resp=3"), newer, "{clients}");
            }
        }
        if password.is_none() {
            continue;
        }
        proxy.set(NO_HELLO);
        let wrong = RedisOptions { password: Some("battery-staple".into()), ..options(proxy.port) };
        assert_eq!(error_of(open(wrong)).code(), Code::Connection, "over the older protocol, too");
    }
}
