use super::*;

const ONE_WEI: &str = "0x1";

fn pay(chain: &Anvil) -> Value {
    let [from, to, ..] = ACCOUNTS.map(|it| it.address);
    let transaction = json!({"from": from, "to": to, "value": ONE_WEI});
    chain.transact(transaction).unwrap()
}

fn payments(chain: &Anvil) -> Value {
    let params = json!([ACCOUNTS[0].address, "latest"]);
    chain.rpc("eth_getTransactionCount", params).unwrap()
}

#[test]
fn the_accounts_are_those_of_the_chain() {
    let chain = Anvil::start().unwrap();
    let accounts = chain.rpc("eth_accounts", json!([])).unwrap();
    let ours = ACCOUNTS.map(|it| Value::from(it.address));
    assert_eq!(accounts.as_array().unwrap()[..ours.len()], ours);
}

#[test]
fn a_chain_that_was_stopped_goes_on_where_it_was() {
    let mut chain = Anvil::start().unwrap();
    let url = chain.rpc_url();
    let paid: Vec<_> = (0..100).map(|_| pay(&chain)).collect();
    let oldest = &paid[0]["transactionHash"];
    chain.stop().unwrap();
    assert!(matches!(
        chain.rpc("eth_chainId", json!([])),
        Err(AnvilError::Http { .. })
    ));
    chain.restart().unwrap();
    assert_eq!(chain.rpc_url(), url);
    assert_eq!(chain.block_number().unwrap(), 100);
    for (number, paid) in (1..).zip(&paid) {
        let number = format!("{number:#x}");
        let block = chain.rpc("eth_getBlockByNumber", json!([number, false]));
        assert_eq!(block.unwrap()["hash"], paid["blockHash"]);
    }
    let oldest = chain.rpc("eth_getTransactionReceipt", json!([oldest]));
    assert_eq!(oldest.unwrap()["status"], "0x1");
    chain.reorg(10).unwrap();
    assert_eq!(payments(&chain), "0x5a");
    chain.kill();
    chain.restart().unwrap();
    assert_eq!(payments(&chain), "0x64");
}

#[test]
fn a_reorganisation_replaces_blocks_and_loses_their_transactions() {
    let chain = Anvil::start().unwrap();
    let [.., lost] = [pay(&chain), pay(&chain), pay(&chain)];
    chain.reorg(2).unwrap();
    assert_eq!(chain.block_number().unwrap(), 3);
    assert_eq!(payments(&chain), ONE_WEI);
    let receipt = chain.rpc(
        "eth_getTransactionReceipt",
        json!([lost["transactionHash"]]),
    );
    assert_eq!(receipt.unwrap(), Value::Null);
}

#[test]
fn what_waits_for_a_block_can_be_mined_or_dropped() {
    let chain = Anvil::start_with(Options {
        mining: Mining::OnDemand,
        chain_id: Some(1234),
        hardfork: Some("cancun"),
        base_fee_wei: Some(7),
        block_gas: Some(20_000_000),
    })
    .unwrap();
    assert_eq!(chain.rpc("eth_chainId", json!([])).unwrap(), "0x4d2");
    let block = chain.rpc("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(block.as_ref().unwrap()["baseFeePerGas"], "0x7");
    assert_eq!(block.unwrap()["gasLimit"], "0x1312d00");
    let [from, to, ..] = ACCOUNTS.map(|it| it.address);
    let send = |nonce: &str| {
        let transaction = json!({"from": from, "to": to, "value": ONE_WEI, "nonce": nonce});
        chain
            .rpc("eth_sendTransaction", json!([transaction]))
            .unwrap()
    };
    send("0x0");
    let second = send("0x1");
    chain.drop_transaction(second.as_str().unwrap()).unwrap();
    chain.mine(2).unwrap();
    assert_eq!(payments(&chain), ONE_WEI);
    send("0x1");
    chain.drop_transactions().unwrap();
    chain.mine(1).unwrap();
    assert_eq!(payments(&chain), ONE_WEI);
    chain.set_mining(Mining::Instant).unwrap();
    pay(&chain);
    chain.set_mining(Mining::EverySeconds(1)).unwrap();
    pay(&chain);
    assert_eq!(payments(&chain), "0x3");
    chain.set_mining(Mining::OnDemand).unwrap();
    send("0x3");
    chain.mine(1).unwrap();
    assert_eq!(payments(&chain), "0x4");
}

#[test]
fn a_frozen_chain_takes_connections_and_answers_after_thawing() {
    let chain = Anvil::start().unwrap();
    chain.freeze().unwrap();
    let mut connection = std::net::TcpStream::connect(chain.address()).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    std::io::Write::write_all(&mut connection, b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(std::io::Read::read(&mut connection, &mut [0]).is_err());
    chain.thaw().unwrap();
    assert_eq!(chain.block_number().unwrap(), 0);
}

#[test]
fn a_contract_is_created_and_called_and_a_revert_is_told() {
    let chain = Anvil::start().unwrap();
    // Code that returns one word, the number 42: PUSH1 2a PUSH0 MSTORE PUSH1 20 PUSH0 RETURN.
    let code = "602a5f5260205ff3";
    // Creation: PUSH8 code PUSH0 MSTORE PUSH1 8 PUSH1 24 RETURN.
    let address = chain
        .deploy(&format!("0x67{code}5f5260086018f3"), "")
        .unwrap();
    assert_eq!(
        chain.call(&address, "0x").unwrap(),
        format!("0x{:064x}", 42)
    );
    // PUSH0 PUSH0 REVERT.
    let failed = chain.deploy("0x5f5ffd", "").unwrap_err();
    assert!(matches!(&failed, AnvilError::Odd { .. }), "{failed}");
    let call = json!([{"data": "0x5f5ffd"}, "latest"]);
    let refused = chain.rpc("eth_call", call).unwrap_err();
    assert!(
        matches!(&refused, AnvilError::Refused { code: 3, .. }),
        "{refused}"
    );
}
