//! The accounts that every test chain begins with.

/// A funded account of every test chain: its private key is public knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// `0x` and 40 lower-case hexadecimal digits.
    pub address: &'static str,
    /// `0x` and 64 hexadecimal digits.
    pub key: &'static str,
}

/// The accounts of the well-known test mnemonic, each with 10,000 ether at the start. The first one
/// pays for what [`deploy`](super::Anvil::deploy) does.
pub const ACCOUNTS: [Account; 6] = [
    Account {
        address: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        key: "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    },
    Account {
        address: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
        key: "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    },
    Account {
        address: "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
        key: "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    },
    Account {
        address: "0x90f79bf6eb2c4f870365e785982e1f101e93b906",
        key: "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    },
    Account {
        address: "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
        key: "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    },
    Account {
        address: "0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
        key: "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    },
];
