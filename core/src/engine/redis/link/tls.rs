//! TLS by rustls. It trusts the public roots, or a given authority, or any certificate if the options say so.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::super::options::TlsOptions;
use super::own_certificate::GivenAuthorities;

/// A connection before its TLS handshake.
pub(super) fn client(options: &TlsOptions, host: &str) -> io::Result<ClientConnection> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = if options.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Verifier { provider, trust: Trust::Any }))
    } else if let Some(pem) = &options.ca {
        let given = certificates(pem)?;
        let mut roots = RootCertStore::empty();
        for certificate in &given {
            let added = roots.add(certificate.clone());
            added.map_err(|_| invalid("tls.ca holds something that is no certificate"))?;
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|_| invalid("tls.ca holds no certificate"))?;
        let trust = Trust::Given(GivenAuthorities { authorities, given });
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Verifier { provider, trust }))
    } else {
        builder.with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    };
    let config = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            let certs = CertificateDer::pem_slice_iter(cert).collect::<Result<Vec<_>, _>>();
            let certs = certs.ok().filter(|certs| !certs.is_empty());
            let certs = certs.ok_or_else(|| invalid("tls.cert holds no certificate as PEM"))?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| invalid("tls.key holds no private key as PEM, or an encrypted one"))?;
            builder
                .with_client_auth_cert(certs, key)
                .map_err(|_| invalid("tls.key is of a kind that is not known, or not the key of tls.cert"))?
        }
        _ => builder.with_no_client_auth(),
    };
    let name = options.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|_| invalid("the host is no name a certificate can have"))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    // Every write is flushed at once. A limit would cut a large value short.
    connection.set_buffer_limit(None);
    Ok(connection)
}

/// The authorities that are to be trusted.
fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|_| invalid("tls.ca is not PEM"))?;
    if certificates.is_empty() { Err(invalid("tls.ca holds no certificate")) } else { Ok(certificates) }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Accepts the certificates that the options let it accept. The signatures must be right in any case.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
}

/// The certificates to accept.
#[derive(Debug)]
enum Trust {
    Any,
    Given(GivenAuthorities),
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.trust {
            Trust::Any => Ok(ServerCertVerified::assertion()),
            Trust::Given(given) => given.verify(end_entity, intermediates, server_name, ocsp_response, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
