//! Certificate authorities and what they sign.

use std::path::Path;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use testkit::server::write_file;

/// An authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) der: CertificateDer<'static>,
    /// The same as text.
    pub(crate) pem: String,
}

/// A certificate and its key.
pub(crate) struct Leaf {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

/// Whether a certificate is valid now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    Now,
    Over,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let own = params.self_signed(&key)?;
        Ok(Self {
            der: own.der().clone(),
            pem: own.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// A certificate for 127.0.0.1 and `localhost`, as nodes have it.
    pub(crate) fn node(&self, time: Time) -> Result<Leaf> {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        self.sign(CertificateParams::new(names)?, time)
    }

    /// A certificate of a client with this name (`uri:`).
    pub(crate) fn client(&self, name: &str, time: Time) -> Result<Leaf> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.subject_alt_names = vec![SanType::URI(name.try_into()?)];
        self.sign(params, time)
    }

    fn sign(&self, mut params: CertificateParams, time: Time) -> Result<Leaf> {
        if time == Time::Over {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let key = KeyPair::generate()?;
        let own = params.signed_by(&key, &self.issuer)?;
        Ok(Leaf {
            der: own.der().clone(),
            pem: own.pem(),
            key,
        })
    }
}

impl Leaf {
    /// Puts both where the node looks for them.
    pub(crate) fn install(&self, folder: &Path) -> Result<()> {
        write_file(&folder.join("key.pem"), self.key.serialize_pem().as_bytes())?;
        Ok(write_file(&folder.join("node.pem"), self.pem.as_bytes())?)
    }
}
