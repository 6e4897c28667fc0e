//! A contract on a chain of its own, spoken to by its own ABI.

use alloy_primitives::{Address, B256, Bytes, LogData, hex};
use alloy_sol_types::{SolCall, SolError, SolEvent};
use serde_json::{Value, json};
use testkit::anvil::{ACCOUNTS, Anvil, AnvilError, Options};

use crate::artefacts::artefact;

/// A deployed contract.
pub(crate) struct Contract {
    pub(crate) chain: Anvil,
    pub(crate) address: String,
}

/// A transaction that was mined with success.
pub(crate) struct Mined {
    receipt: Value,
}

impl Contract {
    /// Deploys a contract, with its encoded constructor arguments, on a new chain.
    pub(crate) fn deploy(name: &str, arguments: &[u8]) -> Self {
        let chain = Anvil::start_with(Options {
            hardfork: Some("cancun"),
            ..Options::default()
        });
        let chain = chain.unwrap();
        let address = Self::deploy_on(&chain, name, arguments).unwrap();
        Self { chain, address }
    }

    /// Deploys a contract on a chain and gives its address.
    pub(crate) fn deploy_on(
        chain: &Anvil,
        name: &str,
        arguments: &[u8],
    ) -> Result<String, AnvilError> {
        let code = artefact(name)["bytecode"].as_str().unwrap().to_owned();
        chain.deploy(&code, &hex::encode(arguments))
    }

    /// Sends a call in the name of one of the accounts of the chain; it must succeed.
    pub(crate) fn send<C: SolCall>(&self, from: usize, call: &C) -> Mined {
        let receipt = self.transact(from, call);
        assert_eq!(receipt["status"], "0x1", "{}: {receipt}", C::SIGNATURE);
        Mined { receipt }
    }

    /// Sends a call that must be refused, and with exactly this error.
    pub(crate) fn refused<C: SolCall, E: SolError>(&self, from: usize, call: &C, error: &E) {
        let expected = hex::encode_prefixed(error.abi_encode());
        let told = self.try_call(from, call).err();
        assert_eq!(told, Some(expected), "{} is {}", C::SIGNATURE, E::SIGNATURE);
        assert_eq!(self.transact(from, call)["status"], "0x0");
    }

    /// Whether a call reverts, for whatever reason.
    pub(crate) fn reverts<C: SolCall>(&self, call: &C) -> bool {
        let reverted = self.try_call(0, call).is_err();
        assert_eq!(self.transact(0, call)["status"] == "0x0", reverted);
        reverted
    }

    /// What a function returns now.
    pub(crate) fn call<C: SolCall>(&self, call: &C) -> C::Return {
        self.try_call(0, call).unwrap()
    }

    /// What a function returns now, or the bytes of its revert in hexadecimal.
    pub(crate) fn try_call<C: SolCall>(&self, from: usize, call: &C) -> Result<C::Return, String> {
        let call = hex::encode_prefixed(call.abi_encode());
        let from = ACCOUNTS[from].address;
        let call = json!({"from": from, "to": self.address, "data": call});
        match self.chain.rpc("eth_call", json!([call, "latest"])) {
            Ok(bytes) => {
                let bytes = hex::decode(bytes.as_str().unwrap()).unwrap();
                Ok(C::abi_decode_returns(&bytes).unwrap())
            }
            Err(AnvilError::Refused { code: 3, data, .. }) => {
                Err(data.as_str().unwrap_or_default().to_owned())
            }
            Err(error) => panic!("{}: {error}", C::SIGNATURE),
        }
    }

    fn transact<C: SolCall>(&self, from: usize, call: &C) -> Value {
        let data = hex::encode_prefixed(call.abi_encode());
        let from = ACCOUNTS[from].address;
        let transaction = json!({"from": from, "to": self.address, "data": data});
        self.chain.transact(transaction).unwrap()
    }
}

impl Mined {
    /// The only event, which must be of this kind.
    pub(crate) fn event<E: SolEvent>(&self) -> E {
        let [log] = self.receipt["logs"].as_array().unwrap().as_slice() else {
            panic!("not one event: {}", self.receipt)
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let topics = log["topics"].as_array().unwrap();
        let topics = topics.iter().map(|it| text(it).parse::<B256>().unwrap());
        let data: Bytes = text(&log["data"]).parse().unwrap();
        let log = LogData::new_unchecked(topics.collect(), data);
        E::decode_log_data(&log).unwrap()
    }

    /// The gas that it took.
    pub(crate) fn gas(&self) -> u64 {
        self.number("gasUsed")
    }

    /// The block that holds it.
    pub(crate) fn block(&self) -> u64 {
        self.number("blockNumber")
    }

    fn number(&self, field: &str) -> u64 {
        let digits = self.receipt[field].as_str().unwrap();
        u64::from_str_radix(digits.trim_start_matches("0x"), 16).unwrap()
    }
}

/// One of the accounts of every test chain.
pub(crate) fn account(number: usize) -> Address {
    ACCOUNTS[number].address.parse().unwrap()
}
