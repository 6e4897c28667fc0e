//! What a client's certificate says.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Error};

use crate::peer::{ClientCertificate, Fingerprint};

/// Reads a certificate that was verified; names of other kinds are left out.
pub(super) fn read(der: &[u8]) -> Result<ClientCertificate, X509Error> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| X509Error::InvalidCertificate)?;
    let names = parsed.subject_alternative_name()?;
    let names = names.iter().flat_map(|it| &it.value.general_names);
    Ok(ClientCertificate {
        fingerprint: Fingerprint(Sha256::digest(der).into()),
        subject: parsed.subject().to_string(),
        names: names.filter_map(name).collect(),
        not_after_ms: u64::try_from(parsed.validity().not_after.timestamp())
            .unwrap_or(0)
            .saturating_mul(1000),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("dns:{name}")),
        GeneralName::URI(name) => Some(format!("uri:{name}")),
        GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|it| format!("ip:{it}"))
        }
        _ => None,
    }
}
