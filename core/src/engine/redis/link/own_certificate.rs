//! Certificates that are given as `ca` and that a server shows as its own: self-signed ones. The library below refuses
//! one that says that it is an authority, and most tools make such ones.

use std::sync::Arc;

use rustls::CertificateError;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;

/// Trusts given authorities, and their own certificates as those of a server.
#[derive(Debug)]
pub(super) struct GivenAuthorities {
    pub authorities: Arc<WebPkiServerVerifier>,
    pub given: Vec<CertificateDer<'static>>,
}

impl GivenAuthorities {
    /// As [`ServerCertVerifier::verify_server_cert`].
    pub(super) fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let result = self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let own = self.given.iter().any(|given| given.as_ref() == end_entity.as_ref());
        match result {
            // It says that it is an authority. The library has checked its dates before that, and not yet its name.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_))) if own => check_name(
                end_entity,
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name),
                server_name,
            ),
            Err(error) if own => check_name(end_entity, Err(error), server_name),
            result => result,
        }
    }
}

/// The result of the check of a name, which a certificate without alternative names may have as its common name.
fn check_name(
    certificate: &CertificateDer<'_>,
    checked: Result<(), rustls::Error>,
    server_name: &ServerName<'_>,
) -> Result<ServerCertVerified, rustls::Error> {
    match checked {
        Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))
            if presented.is_empty()
                && common_name(certificate)
                    .is_some_and(|name| name.eq_ignore_ascii_case(server_name.to_str().as_bytes())) =>
        {
            Ok(ServerCertVerified::assertion())
        }
        checked => checked.map(|()| ServerCertVerified::assertion()),
    }
}

/// The common name of the subject of a certificate.
fn common_name<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    const COMMON_NAME: &[u8] = &[0x55, 4, 3];
    let (_, content, _) = element(certificate)?;
    let (_, mut fields, _) = element(content)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        fields = element(fields)?.2;
    }
    let (SEQUENCE, mut subject, _) = element(fields)? else { return None };
    let mut found = None;
    while !subject.is_empty() {
        let (_, set, rest) = element(subject)?;
        let (_, attribute, _) = element(set)?;
        let (_, kind, value) = element(attribute)?;
        if kind == COMMON_NAME {
            found = Some(element(value)?.1);
        }
        subject = rest;
    }
    found
}

/// The first element of DER bytes: its tag, its content, and the bytes behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match usize::from(length) {
        length @ 0..=0x7f => (length, rest),
        count @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(count - 0x80)?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_is_found_and_other_bytes_are_refused() {
        let mut parameters = rcgen::CertificateParams::new(vec!["other".into()]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "o".repeat(300));
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let der = certificate.der();
        assert_eq!(common_name(der), Some(&b"localhost"[..]));
        for cut in 0..der.len() {
            assert_eq!(common_name(&CertificateDer::from(&der[..cut])), None, "{cut}");
        }
    }
}
