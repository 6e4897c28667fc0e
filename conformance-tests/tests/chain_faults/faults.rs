//! What goes wrong in a round.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use testkit::random::Random;

use crate::chain::Chain;
use crate::node::Node;

/// A chain call of a node takes at most 20 seconds: longer than that.
const LONG_FREEZE: Duration = Duration::from_secs(21);
/// A short fault takes this and up to twice as much more, in milliseconds.
const SHORT_MS: u64 = 400;

/// What goes wrong in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The chain ends in order and is started again; what waits in its pool is gone.
    ChainStopped,
    /// The chain takes connections and answers nothing, for longer than a node waits.
    ChainFrozen,
    /// The same, for less than that.
    ChainSlow,
    /// The newest block, with a transaction of the node, is replaced by an empty one.
    Reorganised,
    /// The pool forgets transactions of the node.
    Dropped,
    /// Another transaction of the node's account takes the place of one of the node's.
    NonceTaken,
    /// The node is killed and started again.
    NodeKilled,
    /// The node is killed, and is started again before the chain is.
    NodeKilledWithoutChain,
    /// The node is killed, finds its transaction in the newest block, and that block is replaced.
    NodeKilledThenReorganised,
    /// The node is stopped in good order and started again.
    NodeStopped,
}

impl Fault {
    pub(crate) const ALL: [Self; 10] = [
        Self::ChainStopped,
        Self::ChainFrozen,
        Self::ChainSlow,
        Self::Reorganised,
        Self::Dropped,
        Self::NonceTaken,
        Self::NodeKilled,
        Self::NodeKilledWithoutChain,
        Self::NodeKilledThenReorganised,
        Self::NodeStopped,
    ];

    /// Any; those that take long are rare.
    pub(crate) fn any(random: &mut Random) -> Self {
        let place = random.index(Self::ALL.len());
        match Self::ALL.get(place) {
            Some(Self::ChainFrozen) if random.below(4) > 0 => Self::ChainSlow,
            Some(fault) => *fault,
            None => Self::ChainStopped,
        }
    }

    /// Lets it happen. The node and the chain run again afterwards.
    pub(crate) fn happen(self, chain: &Chain, node: &mut Node, random: &mut Random) -> Result<()> {
        let account = node.account();
        let short = Duration::from_millis(SHORT_MS + random.below(2 * SHORT_MS));
        // Nothing else is done to the chain meanwhile, and no block is made.
        let mut held = chain.hold();
        match self {
            Self::ChainStopped => {
                held.stop()?;
                thread::sleep(short);
                held.restart()
            }
            Self::ChainFrozen => held.freeze_for(LONG_FREEZE),
            Self::ChainSlow => held.freeze_for(short),
            Self::Reorganised => {
                held.wait_for_pending(account)?;
                held.mine(1)?;
                held.reorganise()
            }
            Self::Dropped => {
                held.wait_for_pending(account)?;
                held.drop_transactions()
            }
            Self::NonceTaken => {
                held.wait_for_pending(account)?;
                held.take_nonce(account)
            }
            Self::NodeKilled => {
                drop(held);
                node.kill();
                node.start_again()
            }
            Self::NodeKilledWithoutChain => {
                held.stop()?;
                node.kill();
                node.start_again()?;
                thread::sleep(short);
                held.restart()
            }
            Self::NodeKilledThenReorganised => {
                held.wait_for_pending(account)?;
                node.kill();
                held.mine(1)?;
                node.start_again()?;
                thread::sleep(short);
                held.reorganise()
            }
            Self::NodeStopped => {
                drop(held);
                node.stop()?;
                node.start_again()
            }
        }
    }
}
