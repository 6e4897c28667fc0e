//! Transactions: their fees, their bytes, their signature.
//!
//! Only what anchors need: no value is sent, and there are no access lists.
//!
//! **Source:** EIP-155 (legacy), EIP-2718 and EIP-1559 (typed), yellow paper appendix B (RLP).

use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_rlp::{Encodable, Header};

use crate::account::{ChainKey, Recoverable};
use crate::rpc::Call;

/// The first byte of a transaction with a priority fee.
const TYPE_EIP1559: u8 = 0x02;

/// What a transaction offers for each unit of gas, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fees {
    /// EIP-1559.
    Eip1559 {
        /// The most that is paid, base fee and priority fee together.
        max_fee: u128,
        /// The most that the maker of the block gets.
        priority_fee: u128,
    },
    /// One price.
    Legacy {
        /// What is paid.
        gas_price: u128,
    },
}

/// A transaction without value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The chain that it is valid on.
    pub chain_id: u64,
    /// Its place among the transactions of the account.
    pub nonce: u64,
    /// The most gas that it may use.
    pub gas_limit: u64,
    /// What it offers.
    pub fees: Fees,
    /// What it does.
    pub call: Call,
}

/// A transaction as it goes to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its name.
    pub hash: B256,
    /// Its bytes.
    pub raw: Bytes,
}

impl Fees {
    /// The most that is paid for each unit of gas.
    #[must_use]
    pub fn most(&self) -> u128 {
        match *self {
            Self::Eip1559 { max_fee, .. } => max_fee,
            Self::Legacy { gas_price } => gas_price,
        }
    }

    /// Twice of all.
    pub(crate) fn doubled(&self) -> Self {
        match *self {
            Self::Legacy { gas_price } => Self::Legacy {
                gas_price: gas_price.saturating_mul(2),
            },
            Self::Eip1559 {
                max_fee,
                priority_fee,
            } => Self::Eip1559 {
                max_fee: max_fee.saturating_mul(2),
                priority_fee: priority_fee.saturating_mul(2),
            },
        }
    }

    /// An eighth more (what every node takes as a replacement), or what is usual now if that is more,
    /// but no more than `cap`; `None` if that would be less than an eighth more.
    pub(crate) fn raised(&self, usual: &Self, cap: u128) -> Option<Self> {
        let fees = match *self {
            Self::Legacy { gas_price } => Self::Legacy {
                gas_price: eighth_more(gas_price).max(usual.most().min(cap)),
            },
            Self::Eip1559 {
                max_fee,
                priority_fee,
            } => {
                let usual_priority = match *usual {
                    Self::Eip1559 { priority_fee, .. } => priority_fee,
                    Self::Legacy { .. } => 0,
                };
                let max_fee = eighth_more(max_fee).max(usual.most().min(cap));
                Self::Eip1559 {
                    max_fee,
                    priority_fee: eighth_more(priority_fee).max(usual_priority).min(max_fee),
                }
            }
        };
        (fees.most() <= cap).then_some(fees)
    }
}

impl Transaction {
    /// Signs it.
    #[must_use]
    pub fn sign(&self, key: &ChainKey) -> Signed {
        let signature = key.sign(&keccak256(self.encode(None)));
        let raw = self.encode(Some(&signature));
        Signed {
            hash: keccak256(&raw),
            raw: raw.into(),
        }
    }

    /// The bytes that are signed, or those with the signature.
    fn encode(&self, signature: Option<&Recoverable>) -> Vec<u8> {
        match self.fees {
            Fees::Eip1559 {
                max_fee,
                priority_fee,
            } => self.encode_eip1559(max_fee, priority_fee, signature),
            Fees::Legacy { gas_price } => self.encode_legacy(gas_price, signature),
        }
    }

    fn encode_eip1559(
        &self,
        max_fee: u128,
        priority_fee: u128,
        signature: Option<&Recoverable>,
    ) -> Vec<u8> {
        let mut fields = Vec::new();
        self.chain_id.encode(&mut fields);
        self.nonce.encode(&mut fields);
        priority_fee.encode(&mut fields);
        max_fee.encode(&mut fields);
        self.gas_limit.encode(&mut fields);
        self.encode_call(&mut fields);
        // No access list.
        fields.push(alloy_rlp::EMPTY_LIST_CODE);
        if let Some(signature) = signature {
            signature.y_odd.encode(&mut fields);
            encode_numbers(signature, &mut fields);
        }
        list(&[TYPE_EIP1559], &fields)
    }

    fn encode_legacy(&self, gas_price: u128, signature: Option<&Recoverable>) -> Vec<u8> {
        let mut fields = Vec::new();
        self.nonce.encode(&mut fields);
        gas_price.encode(&mut fields);
        self.gas_limit.encode(&mut fields);
        self.encode_call(&mut fields);
        if let Some(signature) = signature {
            let v = u128::from(self.chain_id) * 2 + 35 + u128::from(signature.y_odd);
            v.encode(&mut fields);
            encode_numbers(signature, &mut fields);
        } else {
            // EIP-155: the chain stands where the signature comes.
            self.chain_id.encode(&mut fields);
            0_u8.encode(&mut fields);
            0_u8.encode(&mut fields);
        }
        list(&[], &fields)
    }

    /// Receiver (empty for a new contract), value (nothing), data.
    fn encode_call(&self, fields: &mut Vec<u8>) {
        match self.call.to {
            Some(to) => to.encode(fields),
            None => fields.push(alloy_rlp::EMPTY_STRING_CODE),
        }
        0_u8.encode(fields);
        self.call.data.encode(fields);
    }
}

/// At least one wei more: an eighth of little is nothing.
fn eighth_more(fee: u128) -> u128 {
    fee.saturating_add((fee / 8).max(1))
}

/// The two numbers, without leading zeros.
fn encode_numbers(signature: &Recoverable, fields: &mut Vec<u8>) {
    U256::from_be_bytes(signature.r.0).encode(fields);
    U256::from_be_bytes(signature.s.0).encode(fields);
}

fn list(before: &[u8], fields: &[u8]) -> Vec<u8> {
    let mut bytes = before.to_vec();
    Header {
        list: true,
        payload_length: fields.len(),
    }
    .encode(&mut bytes);
    bytes.extend_from_slice(fields);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, hex};

    const TEST_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    fn check(transaction: &Transaction, raw: &str, hash: &str) {
        let signed = transaction.sign(&ChainKey::parse(TEST_KEY).unwrap());
        assert_eq!(hex::encode_prefixed(&signed.raw), raw);
        assert_eq!(hex::encode_prefixed(signed.hash), hash);
    }

    fn call_of(fees: Fees) -> Transaction {
        Transaction {
            chain_id: 31337,
            nonce: 7,
            gas_limit: 123_456,
            fees,
            call: Call {
                to: Some(address!("5FbDB2315678afecb367f032d93F642f64180aa3")),
                data: hex!("deadbeef00").into(),
            },
        }
    }

    fn creation(fees: Fees) -> Transaction {
        Transaction {
            chain_id: 1,
            nonce: 0,
            gas_limit: 2_000_000,
            fees,
            call: Call {
                to: None,
                data: hex!("60006000f3").into(),
            },
        }
    }

    /// Signed by the npm package ethers 6 with the same key.
    #[test]
    fn eip1559_is_what_another_library_signs() {
        check(
            &call_of(Fees::Eip1559 {
                max_fee: 3_000_000_000,
                priority_fee: 1_000_000_000,
            }),
            "0x02f872827a6907843b9aca0084b2d05e008301e240945fbdb2315678afecb367f032d93f642f64180aa38085deadbeef00c001a047ec0f61b00309af70121fd2ca59e6f2f8da3caa0970cbbb633139a600cc560ca01ca42d258109078ab8a07fb20cbce60da47c5fa2188097040e0d5c03f7e4bc57",
            "0x440044fadf561ebb9ff07ac7a7a693b2ad266f580ddd68411fcc7af0e2b6c696",
        );
        check(
            &creation(Fees::Eip1559 {
                max_fee: 0,
                priority_fee: 0,
            }),
            "0x02f85401808080831e848080808560006000f3c080a0e06a59118017af0b902cd40ea41eeb2a815b4d3cd733750bb0afe0d940b69912a01bee0366ae8aa9541771f1808c366b4e7d499692560fd76f4157997c3b65375c",
            "0x6e0bc62098c0f2dfd1d8ef82af328c33c0621c47a7f4dc28e2a6c3b36a0c3ea6",
        );
    }

    /// The same.
    #[test]
    fn legacy_is_what_another_library_signs() {
        check(
            &call_of(Fees::Legacy {
                gas_price: 2_000_000_000,
            }),
            "0xf86b0784773594008301e240945fbdb2315678afecb367f032d93f642f64180aa38085deadbeef0082f4f6a0a8900eacbc41e3f2536cc66c9f48ce5834d9df84ea5dfaad0f7afdd21a1ec7bda073b09e1ab887248f8ae324c9730ac0facde51bc0fd20f6937440725384093469",
            "0x578965712e412a17d3ec174cfb6a91b6b24554dbf1456f1a2ec315cf73181763",
        );
        check(
            &creation(Fees::Legacy { gas_price: 0 }),
            "0xf8518080831e848080808560006000f326a03d7cc5a73850c386a8a3bb44a334d48983bfc776143f29d931f3f485c76f4ebaa02be65cf2ee5448b6dca41e2b0b48c2a915d83aff7a205a793400b592eea8cbf5",
            "0x8b1e8a13518e9d3bd05b52dd4995493b840eaee7376b7a881203292a8046fa69",
        );
    }

    #[test]
    fn raised_fees_replace_and_keep_to_the_cap() {
        let legacy = |gas_price| Fees::Legacy { gas_price };
        let typed = |max_fee, priority_fee| Fees::Eip1559 {
            max_fee,
            priority_fee,
        };
        // What was offered, what is usual now, the cap, what is offered then.
        let cases = [
            (legacy(800), legacy(100), 10_000, Some(legacy(900))),
            (legacy(800), legacy(5_000), 10_000, Some(legacy(5_000))),
            (legacy(800), legacy(5_000), 1_000, Some(legacy(1_000))),
            (legacy(800), legacy(100), 899, None),
            (legacy(0), legacy(0), 10, Some(legacy(1))),
            (typed(800, 80), typed(100, 10), 10_000, Some(typed(900, 90))),
            (
                typed(800, 80),
                typed(5_000, 500),
                10_000,
                Some(typed(5_000, 500)),
            ),
            (typed(800, 800), typed(0, 5_000), 900, Some(typed(900, 900))),
            (typed(800, 80), typed(0, 0), 899, None),
            (
                typed(u128::MAX, 1),
                typed(0, 0),
                u128::MAX,
                Some(typed(u128::MAX, 2)),
            ),
        ];
        for (before, usual, cap, after) in cases {
            assert_eq!(
                before.raised(&usual, cap),
                after,
                "{before:?} {usual:?} {cap}"
            );
        }
    }
}
