//! Domains that were added or disabled while the node ran.

use keyssi::Domain;

use super::{Control, ControlError, Event};
use crate::domain_config::DomainConfig;

/// What is stored of a domain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredDomain {
    pub(crate) name: Domain,
    /// Its settings; `None` for one of the configuration.
    pub(crate) settings: Option<DomainConfig>,
    pub(crate) disabled: bool,
}

impl Control {
    /// All of them, by name.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(crate) fn domains(&self) -> Result<Vec<StoredDomain>, ControlError> {
        let rows = self.read(|transaction| {
            let text = "SELECT name, settings, disabled FROM domains ORDER BY name";
            let mut query = transaction.prepare(text)?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<Vec<(String, Option<String>, bool)>, _>>()?)
        })?;
        let parse = |(name, settings, disabled): (String, Option<String>, bool)| {
            let corrupt = |_| ControlError::Corrupt(format!("domain {name:?}"));
            let settings = settings.as_deref().map(serde_json::from_str).transpose();
            Ok(StoredDomain {
                settings: settings.map_err(corrupt)?,
                disabled,
                name: name
                    .parse()
                    .map_err(|_| ControlError::Corrupt(format!("domain {name:?}")))?,
            })
        };
        rows.into_iter().map(parse).collect()
    }

    /// Stores a domain that is new.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(crate) fn add_domain(
        &self,
        settings: &DomainConfig,
        event: &Event,
    ) -> Result<(), ControlError> {
        let text = serde_json::to_string(settings)
            .map_err(|error| ControlError::Invalid(format!("the settings: {error}")))?;
        self.change(event, |transaction| {
            // One that was disabled while it stood in the configuration may be there.
            transaction.execute(
                "INSERT INTO domains (name, settings, disabled) VALUES (?1, ?2, FALSE)
                 ON CONFLICT (name) DO UPDATE SET settings = ?2, disabled = FALSE",
                [settings.name.as_str(), &text],
            )?;
            Ok(())
        })
    }

    /// Stores whether a domain is disabled.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(crate) fn set_domain_disabled(
        &self,
        name: &Domain,
        disabled: bool,
        event: &Event,
    ) -> Result<(), ControlError> {
        self.change(event, |transaction| {
            transaction.execute(
                "INSERT INTO domains (name, settings, disabled) VALUES (?1, NULL, ?2)
                 ON CONFLICT (name) DO UPDATE SET disabled = ?2",
                (name.as_str(), disabled),
            )?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_there_when_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let event = Event::new("test", "a test", 1);
        let domain = |name: &str| name.parse::<Domain>().unwrap();
        let mut settings = DomainConfig::named(domain("added"));
        settings.log.origin = "anchors.example/added".to_owned();
        let control = Control::open(folder.path()).unwrap();
        assert_eq!(control.domains().unwrap(), []);
        control.add_domain(&settings, &event).unwrap();
        control
            .set_domain_disabled(&domain("default"), true, &event)
            .unwrap();
        control
            .set_domain_disabled(&domain("added"), true, &event)
            .unwrap();
        drop(control);
        let control = Control::open(folder.path()).unwrap();
        let stored = |name, settings, disabled| StoredDomain {
            name: domain(name),
            settings,
            disabled,
        };
        let expected = [
            stored("added", Some(settings.clone()), true),
            stored("default", None, true),
        ];
        assert_eq!(control.domains().unwrap(), expected);
        control
            .set_domain_disabled(&domain("added"), false, &event)
            .unwrap();
        let expected = stored("added", Some(settings), false);
        assert_eq!(control.domains().unwrap()[0], expected);
    }
}
