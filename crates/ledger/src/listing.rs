//! The anchors of a domain in the order of their creation, which is that of the log.

use crate::error::LedgerError;
use crate::log::Log;

impl Log {
    /// The wrapped ids of at most `count` anchors, oldest first, without the first `skip`. Those whose
    /// opening was erased are not among them. The cost grows with the log: it is read from its
    /// beginning.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn anchors(&self, skip: u64, count: usize) -> Result<Vec<String>, LedgerError> {
        let read = self.read(move |shared, domain| {
            let size = shared.log_state(domain)?.map_or(0, |state| state.size);
            let (mut anchors, mut skipped) = (Vec::new(), 0);
            // Nothing is behind the last one, and the walk would go over the whole log to find that.
            if skip >= shared.total(domain)? {
                return Ok(anchors);
            }
            for place in 0..size {
                if anchors.len() >= count {
                    break;
                }
                let Some(behind) = shared.behind(domain, place)? else {
                    continue;
                };
                match behind.version {
                    0 if skipped < skip => skipped += 1,
                    0 => anchors.push(behind.anchor),
                    _ => {}
                }
            }
            Ok(anchors)
        });
        Ok(read.await?.unwrap_or_default())
    }
}
