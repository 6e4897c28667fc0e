// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @title The roots of transparency logs, one log for each domain of a node.
/// @notice Whoever reads the chain knows that a log had a given size and root at a given time, and
/// that its operator can never say otherwise: a log only grows, and each batch has the next number.
/// That a root really continues the one before is not checked here; anyone can, from the events and
/// the log's tiles (RFC 9162, consistency proof).
/// @dev An identifier (`id`) is SHA-256 of the log's origin line. There is no upgrade path.
contract AnchorRegistry {
    /// What is known of a log. The first three share a word, so that publishing writes two.
    struct Log {
        /// Number of the newest batch, from 1; 0 before the first.
        uint64 sequence;
        /// Leaves of the tree.
        uint64 size;
        /// Seconds since the epoch, of the block.
        uint64 time;
        /// Root of the tree (RFC 6962).
        bytes32 root;
        /// Who may publish; zero for a log that is not registered.
        address submitter;
    }

    /// Begins what a submitter signs, so that it means nothing anywhere else.
    bytes32 public constant DOMAIN = keccak256("kiln/anchor-registry/batch/v1");
    /// Half of the order of secp256k1. Of the two signatures (r, s) and (r, n - s) of one statement
    /// only the one with the low s is taken (EIP-2).
    uint256 private constant HIGHEST_S =
        0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// Who registers logs and names their submitters.
    address public owner;
    /// Who becomes the owner by accepting; zero when nobody was asked.
    address public pendingOwner;

    mapping(bytes32 id => Log) private logs;
    /// Roots published to be kept, by batch.
    mapping(bytes32 id => mapping(uint64 sequence => bytes32)) private kept;

    /// A batch was published: the log `originHash` now has `size` leaves under `root`.
    event BatchAnchored(
        bytes32 indexed originHash,
        uint64 indexed sequence,
        uint64 size,
        uint64 time,
        bytes32 root,
        bytes32 previousRoot
    );
    /// From now on `submitter` publishes for the log; `previous` is zero for a new one.
    event SubmitterChanged(
        bytes32 indexed originHash,
        address indexed previous,
        address indexed submitter
    );
    event OwnershipOffered(address indexed owner, address indexed pendingOwner);
    event OwnershipTransferred(address indexed previous, address indexed owner);

    error NotOwner(address caller);
    error NotPendingOwner(address caller);
    error ZeroAddress();
    error UnknownLog(bytes32 id);
    error NotSubmitter(bytes32 id, address caller);
    error WrongSequence(bytes32 id, uint64 expected, uint64 given);
    error SizeNotGrowing(bytes32 id, uint64 last, uint64 given);
    /// The signature has not 65 bytes, a high s, a v that is neither 27 nor 28, or is none at all.
    error BadSignature(bytes32 id);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    constructor(address owner_) {
        if (owner_ == address(0)) revert ZeroAddress();
        owner = owner_;
        emit OwnershipTransferred(address(0), owner_);
    }

    /// Registers a log, or gives it another submitter.
    function register(bytes32 id, address submitter) external onlyOwner {
        if (submitter == address(0)) revert ZeroAddress();
        Log storage log = logs[id];
        emit SubmitterChanged(id, log.submitter, submitter);
        log.submitter = submitter;
    }

    /// Offers the ownership. It passes when the new owner accepts; zero takes an offer back.
    function transferOwnership(address newOwner) external onlyOwner {
        pendingOwner = newOwner;
        emit OwnershipOffered(owner, newOwner);
    }

    /// Takes the ownership that was offered to the caller.
    function acceptOwnership() external {
        if (msg.sender != pendingOwner) revert NotPendingOwner(msg.sender);
        emit OwnershipTransferred(owner, msg.sender);
        owner = msg.sender;
        pendingOwner = address(0);
    }

    /// Publishes the next batch of a log, as its submitter.
    function publish(bytes32 id, uint64 sequence, uint64 size, bytes32 root) external {
        _requireSubmitter(id, msg.sender);
        _publish(id, sequence, size, root);
    }

    /// As `publish`, and the root stays readable by `keptRoot` for ever.
    function publishKeep(bytes32 id, uint64 sequence, uint64 size, bytes32 root) external {
        _requireSubmitter(id, msg.sender);
        _publish(id, sequence, size, root);
        kept[id][sequence] = root;
    }

    /// Publishes the next batch in the name of the submitter, who signed its `statement`: r, s and v
    /// in 65 bytes. Anyone may send it, and pays for it.
    function publishSigned(
        bytes32 id,
        uint64 sequence,
        uint64 size,
        bytes32 root,
        bytes calldata signature
    ) external {
        address signer = _signer(id, statement(id, sequence, size, root), signature);
        _requireSubmitter(id, signer);
        _publish(id, sequence, size, root);
    }

    /// What a submitter signs for `publishSigned`: good for one batch, on one chain, here.
    function statement(bytes32 id, uint64 sequence, uint64 size, bytes32 root)
        public
        view
        returns (bytes32)
    {
        return
            keccak256(abi.encode(DOMAIN, block.chainid, address(this), id, sequence, size, root));
    }

    /// The newest batch of a log; all zero when it is not registered.
    function head(bytes32 id)
        external
        view
        returns (uint64 sequence, uint64 size, uint64 time, bytes32 root, address submitter)
    {
        Log storage log = logs[id];
        return (log.sequence, log.size, log.time, log.root, log.submitter);
    }

    /// The root of a batch published by `publishKeep`; zero when there is none.
    function keptRoot(bytes32 id, uint64 sequence) external view returns (bytes32) {
        return kept[id][sequence];
    }

    /// Whether the leaf with this hash is the one at `index` in the newest tree of the log.
    /// @param proof Hashes of RFC 6962 from the leaf upwards.
    function verifyInclusion(bytes32 id, bytes32 leafHash, uint64 index, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        Log storage log = logs[id];
        uint256 size = log.size;
        if (index >= size) return false;
        uint256 node = index;
        uint256 last = size - 1;
        bytes32 hash = leafHash;
        for (uint256 i = 0; i < proof.length; ++i) {
            if (last == 0) return false;
            if (node & 1 == 1 || node == last) {
                hash = sha256(abi.encodePacked(bytes1(0x01), proof[i], hash));
                // A node without a right sibling moves up unchanged.
                while (node & 1 == 0 && node != 0) {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                hash = sha256(abi.encodePacked(bytes1(0x01), hash, proof[i]));
            }
            node >>= 1;
            last >>= 1;
        }
        return last == 0 && hash == log.root;
    }

    function _publish(bytes32 id, uint64 sequence, uint64 size, bytes32 root) private {
        Log storage log = logs[id];
        uint64 last = log.sequence;
        if (sequence == 0 || sequence - 1 != last) revert WrongSequence(id, last + 1, sequence);
        if (size <= log.size) revert SizeNotGrowing(id, log.size, size);
        uint64 time = uint64(block.timestamp);
        bytes32 previous = log.root;
        log.sequence = sequence;
        log.size = size;
        log.time = time;
        log.root = root;
        emit BatchAnchored(id, sequence, size, time, root, previous);
    }

    function _requireSubmitter(bytes32 id, address who) private view {
        address submitter = logs[id].submitter;
        if (submitter == address(0)) revert UnknownLog(id);
        if (who != submitter) revert NotSubmitter(id, who);
    }

    function _signer(bytes32 id, bytes32 digest, bytes calldata signature)
        private
        pure
        returns (address signer)
    {
        if (signature.length != 65) revert BadSignature(id);
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        uint8 v = uint8(signature[64]);
        if (uint256(s) > HIGHEST_S || (v != 27 && v != 28)) revert BadSignature(id);
        signer = ecrecover(digest, v, r, s);
        if (signer == address(0)) revert BadSignature(id);
    }
}
