//! Reads answers of a node; whatever is not exactly as specified is an error that says what.

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::Value;

use super::COUNT_END;

/// A block, without its transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Seconds since the epoch, as its maker says.
    pub timestamp_s: u64,
    /// Gas that its transactions may use together.
    pub gas_limit: u64,
    /// Wei for each unit of gas that a transaction of the block must burn; `None` on chains
    /// without EIP-1559.
    pub base_fee: Option<u128>,
}

/// What became of a transaction in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The hash of the transaction.
    pub transaction: B256,
    /// Height of the block that holds it.
    pub block_number: u64,
    /// Hash of that block.
    pub block_hash: B256,
    /// False if it reverted or ran out of gas.
    pub succeeded: bool,
    /// Gas that it used.
    pub gas_used: u64,
    /// The contract that it made.
    pub contract: Option<Address>,
    /// What it logged.
    pub logs: Vec<Log>,
}

/// What a contract logged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// At most four.
    pub topics: Vec<B256>,
    /// The rest.
    pub data: Bytes,
    /// Height of the block.
    pub block_number: u64,
    /// Hash of the block.
    pub block_hash: B256,
    /// The transaction that made the contract log it.
    pub transaction: B256,
}

/// A part of an answer, with the name that errors call it by.
pub(super) struct Field<'a> {
    name: &'static str,
    value: &'a Value,
}

impl<'a> Field<'a> {
    pub(super) fn new(name: &'static str, value: &'a Value) -> Self {
        Self { name, value }
    }

    /// A number: `0x` and hex digits without leading zeros.
    pub(super) fn quantity(&self) -> Result<U256, String> {
        let digits = self.hex_digits()?;
        let canonical = digits == "0" || !digits.starts_with('0');
        let hex_only = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !canonical || !hex_only || digits.is_empty() || digits.len() > 64 {
            return Err(self.wrong("no number"));
        }
        U256::from_str_radix(digits, 16).map_err(|_| self.wrong("no number"))
    }

    pub(super) fn quantity_u64(&self) -> Result<u64, String> {
        u64::try_from(self.quantity()?).map_err(|_| self.wrong("a number too large"))
    }

    /// The number of a block, or of the transactions of an account.
    pub(super) fn count(&self) -> Result<u64, String> {
        let count = self.quantity_u64()?;
        if count >= COUNT_END {
            return Err(self.wrong("a number too large"));
        }
        Ok(count)
    }

    pub(super) fn quantity_u128(&self) -> Result<u128, String> {
        u128::try_from(self.quantity()?).map_err(|_| self.wrong("a number too large"))
    }

    /// 32 bytes.
    pub(super) fn word(&self) -> Result<B256, String> {
        B256::try_from(self.bytes()?.as_ref()).map_err(|_| self.wrong("not 32 bytes"))
    }

    /// 20 bytes.
    fn address(&self) -> Result<Address, String> {
        Address::try_from(self.bytes()?.as_ref()).map_err(|_| self.wrong("no address"))
    }

    /// Bytes of any number.
    pub(super) fn bytes(&self) -> Result<Bytes, String> {
        let digits = self.hex_digits()?;
        // The decoder would pass over a second prefix.
        if digits.starts_with("0x") {
            return Err(self.wrong("no hex"));
        }
        hex::decode(digits)
            .map(Bytes::from)
            .map_err(|_| self.wrong("no hex"))
    }

    fn hex_digits(&self) -> Result<&'a str, String> {
        let text = self.value.as_str().ok_or_else(|| self.wrong("no text"))?;
        text.strip_prefix("0x")
            .ok_or_else(|| self.wrong("text without 0x"))
    }

    /// A field of an object; `null` and an absent one are the same.
    fn optional(&self, name: &'static str) -> Result<Option<Self>, String> {
        let fields = self
            .value
            .as_object()
            .ok_or_else(|| self.wrong("no object"))?;
        let value = fields.get(name).filter(|value| !value.is_null());
        Ok(value.map(|value| Self { name, value }))
    }

    fn field(&self, name: &'static str) -> Result<Self, String> {
        self.optional(name)?
            .ok_or_else(|| format!("a {} without {name}", self.name))
    }

    fn items(&self) -> Result<impl Iterator<Item = Self>, String> {
        let name = self.name;
        let items = self.value.as_array().ok_or_else(|| self.wrong("no list"))?;
        Ok(items.iter().map(move |value| Self { name, value }))
    }

    fn wrong(&self, what: &str) -> String {
        format!("the {} is {what}", self.name)
    }
}

impl Block {
    pub(super) fn read(answer: &Field<'_>) -> Result<Option<Self>, String> {
        if answer.value.is_null() {
            return Ok(None);
        }
        let base_fee = answer.optional("baseFeePerGas")?;
        Ok(Some(Self {
            number: answer.field("number")?.quantity_u64()?,
            hash: answer.field("hash")?.word()?,
            timestamp_s: answer.field("timestamp")?.quantity_u64()?,
            gas_limit: answer.field("gasLimit")?.quantity_u64()?,
            base_fee: base_fee.map(|fee| fee.quantity_u128()).transpose()?,
        }))
    }
}

impl Receipt {
    pub(super) fn read(answer: &Field<'_>) -> Result<Option<Self>, String> {
        // Some nodes give receipts of what is in no block yet.
        if answer.value.is_null() || answer.optional("blockNumber")?.is_none() {
            return Ok(None);
        }
        let contract = answer.optional("contractAddress")?;
        let status = answer.field("status")?.quantity_u64()?;
        if status > 1 {
            return Err("the status is neither 0 nor 1".to_owned());
        }
        Ok(Some(Self {
            transaction: answer.field("transactionHash")?.word()?,
            block_number: answer.field("blockNumber")?.count()?,
            block_hash: answer.field("blockHash")?.word()?,
            succeeded: status == 1,
            gas_used: answer.field("gasUsed")?.quantity_u64()?,
            contract: contract.map(|contract| contract.address()).transpose()?,
            logs: Log::read_all(&answer.field("logs")?)?,
        }))
    }
}

impl Log {
    pub(super) fn read_all(list: &Field<'_>) -> Result<Vec<Self>, String> {
        list.items()?.map(|log| Self::read(&log)).collect()
    }

    fn read(log: &Field<'_>) -> Result<Self, String> {
        let topics: Vec<B256> = log
            .field("topics")?
            .items()?
            .map(|topic| topic.word())
            .collect::<Result<_, _>>()?;
        if topics.len() > 4 {
            return Err("a log with more than four topics".to_owned());
        }
        Ok(Self {
            address: log.field("address")?.address()?,
            topics,
            data: log.field("data")?.bytes()?,
            block_number: log.field("blockNumber")?.count()?,
            block_hash: log.field("blockHash")?.word()?,
            transaction: log.field("transactionHash")?.word()?,
        })
    }
}

/// What a call reverted with, out of the `data` of an error: nodes put it there plainly, behind a
/// word, or in an object.
pub(super) fn revert_data(data: &Value) -> Option<Bytes> {
    let text = data
        .as_str()
        .or_else(|| data.get("data").and_then(Value::as_str))?;
    let hex_text = text.strip_prefix("Reverted ").unwrap_or(text);
    hex::decode(hex_text.strip_prefix("0x")?)
        .ok()
        .map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_read_strictly() {
        let read = |value: &Value| Field::new("x", value).quantity_u64();
        for (text, number) in [("0x0", 0), ("0x1", 1), ("0xffffffffffffffff", u64::MAX)] {
            assert_eq!(read(&json!(text)), Ok(number));
        }
        let wrong = [
            json!(1),
            json!(null),
            json!("1"),
            json!("0x"),
            json!("0x01"),
            json!("0xg"),
            json!("0x+1"),
            json!("0x10000000000000000"),
            json!(["0x1"]),
            json!("0x 1"),
            json!(format!("0x{}", "f".repeat(65))),
            json!("0x1_0"),
        ];
        for value in wrong {
            assert!(read(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn words_are_32_bytes() {
        let read = |value: &Value| Field::new("x", value).word();
        assert!(read(&json!(format!("0x{}", "ab".repeat(32)))).is_ok());
        for length in [0, 31, 33] {
            assert!(read(&json!(format!("0x{}", "ab".repeat(length)))).is_err());
        }
        assert!(read(&json!(format!("0x0x{}", "ab".repeat(31)))).is_err());
    }

    #[test]
    fn what_a_call_reverted_with_is_found_where_nodes_put_it() {
        let bytes = Some(Bytes::from_static(&[8, 0xc3]));
        assert_eq!(revert_data(&json!("0x08c3")), bytes);
        assert_eq!(revert_data(&json!("Reverted 0x08c3")), bytes);
        assert_eq!(revert_data(&json!({"data": "0x08c3"})), bytes);
        assert_eq!(revert_data(&json!("words")), None);
        assert_eq!(revert_data(&json!(7)), None);
    }
}
