// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @title For tests only: what the anchoring contract of OpenDSU (generation 4) looks like from
/// outside, with its defects, because clients of that contract have to live with them.
/// @notice Never deploy this for real data. Anyone may write, constant anchors can be changed, and a
/// batch may hold the same new anchor twice.
/// @dev A rule that is broken does not revert: the transaction is mined, stores nothing and tells
/// why by `InvokeStatus`. Identifiers and values are plain KeySSIs
/// (`ssi:type:domain:specific:control:version[:hint]`). Several functions lack `view` or `pure`,
/// because the interface of the original lacks them.
contract Anchoring {
    struct Item {
        string anchorId;
        string[] anchorValues;
    }

    struct Anchor {
        string[] values;
        /// The key that signs since the last transfer; empty before the first.
        bytes key;
    }

    uint256 private constant STORED = 200;
    uint256 private constant BAD_FIRST_SIGNATURE = 103;
    uint256 private constant BAD_TIME_OR_SIGNATURE = 104;
    uint256 private constant ANCHOR_EXISTS = 105;
    uint256 private constant NO_SUCH_ANCHOR = 106;
    uint256 private constant ANCHOR_IS_CONSTANT = 107;

    /// Where the parts of a KeySSI stand between its colons.
    uint256 private constant TYPE = 1;
    uint256 private constant SPECIFIC = 3;
    uint256 private constant CONTROL = 4;

    bytes32 private constant CONSTANT_TYPE = keccak256("cza");
    bytes32 private constant TRANSFER_TYPE = keccak256("transfer");

    mapping(string anchorId => Anchor) private anchors;
    string[] private anchorIds;

    event InvokeStatus(uint256 indexed statusCode);

    /// Stores the first value of an anchor.
    function createAnchor(string memory anchorId, string memory newAnchorValue) public {
        bytes[] memory id = _split(bytes(anchorId), ":");
        if (anchors[anchorId].values.length != 0) {
            emit InvokeStatus(ANCHOR_EXISTS);
        } else if (!_isValid(anchorId, id, newAnchorValue)) {
            emit InvokeStatus(BAD_FIRST_SIGNATURE);
        } else {
            _store(anchorId, id, newAnchorValue);
            emit InvokeStatus(STORED);
        }
    }

    /// Stores a further value of an anchor.
    function appendAnchor(string memory anchorId, string memory newAnchorValue) public {
        if (anchors[anchorId].values.length == 0) {
            emit InvokeStatus(NO_SUCH_ANCHOR);
            return;
        }
        bytes[] memory id = _split(bytes(anchorId), ":");
        if (_isConstant(id)) {
            emit InvokeStatus(ANCHOR_IS_CONSTANT);
        } else if (!_isValid(anchorId, id, newAnchorValue)) {
            emit InvokeStatus(BAD_TIME_OR_SIGNATURE);
        } else {
            _store(anchorId, id, newAnchorValue);
            emit InvokeStatus(STORED);
        }
    }

    /// Stores values of several anchors, all or none: identifier, value, identifier, value...
    /// @dev All are judged by the state before the first is stored. So a constant anchor takes a
    /// second value here, and an anchor that is new twice in the list is created with two first
    /// values. An empty list reverts by underflow; a last item without a partner is ignored.
    function createOrUpdateMultipleAnchors(string[] memory list) public {
        for (uint256 i = 0; i < list.length - 1; i += 2) {
            if (!_isValid(list[i], _split(bytes(list[i]), ":"), list[i + 1])) {
                emit InvokeStatus(BAD_TIME_OR_SIGNATURE);
                return;
            }
        }
        for (uint256 i = 0; i < list.length - 1; i += 2) {
            _store(list[i], _split(bytes(list[i]), ":"), list[i + 1]);
        }
        emit InvokeStatus(STORED);
    }

    /// The values of an anchor, oldest first; none when it is unknown.
    function getAllVersions(string memory anchorId) public view returns (string[] memory) {
        return anchors[anchorId].values;
    }

    /// The newest value of an anchor; empty when it is unknown.
    function getLastVersion(string memory anchorId) public view returns (string memory) {
        string[] storage values = anchors[anchorId].values;
        return values.length == 0 ? "" : values[values.length - 1];
    }

    /// At most `limit` anchors in the order of their creation, from number `from` on. After `maxSize`
    /// bytes of identifiers and values the items stay empty. Reverts when `from` lies behind the end.
    function dumpAnchors(uint256 from, uint256 limit, uint256 maxSize)
        public
        returns (Item[] memory items)
    {
        uint256 left = anchorIds.length - from;
        items = new Item[](limit < left ? limit : left);
        uint256 size = 0;
        for (uint256 i = 0; i < items.length; ++i) {
            string memory anchorId = anchorIds[from + i];
            string[] memory values = anchors[anchorId].values;
            size += bytes(anchorId).length;
            for (uint256 k = 0; k < values.length; ++k) size += bytes(values[k]).length;
            if (size > maxSize) break;
            items[i] = Item(anchorId, values);
        }
    }

    /// How many anchors there are.
    function totalNumberOfAnchors() public returns (uint256) {
        return anchorIds.length;
    }

    /// The account whose key signed `hash`: r and s in 64 bytes. Zero when that is no signature.
    function recover(bytes32 hash, bytes memory signature, uint8 v) public returns (address) {
        if (signature.length != 64) return address(0);
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        return ecrecover(hash, v, r, s);
    }

    function _store(string memory anchorId, bytes[] memory id, string memory value) private {
        Anchor storage anchor = anchors[anchorId];
        if (anchor.values.length == 0) anchorIds.push(anchorId);
        anchor.values.push(value);
        if (_isConstant(id)) return;
        bytes[] memory parts = _split(bytes(value), ":");
        if (keccak256(parts[TYPE]) == TRANSFER_TYPE) {
            // The signature is taken for the new key: nothing can be signed from here on.
            anchor.key = _decode(_split(parts[CONTROL], "|")[1]);
        }
    }

    /// Whether time and signature of a value fit its anchor as it is stored now.
    function _isValid(string memory anchorId, bytes[] memory id, string memory value)
        private
        returns (bool)
    {
        if (_isConstant(id)) return true;
        Anchor storage anchor = anchors[anchorId];
        bytes[] memory parts = _split(bytes(value), ":");
        // Time and signature. A transfer as clients write it has a slash here, and reverts.
        bytes[] memory control = _split(parts[CONTROL], "|");
        string memory previous = getLastVersion(anchorId);
        if (bytes(previous).length != 0) {
            bytes[] memory last = _split(_split(bytes(previous), ":")[CONTROL], "|");
            if (_number(control[0]) < _number(last[0])) return false;
        }
        bytes32 digest =
            sha256(abi.encodePacked(anchorId, parts[SPECIFIC], previous, control[0]));
        bytes memory signature = _decode(control[1]);
        address signer = _account(anchor.key.length == 0 ? _decode(id[CONTROL]) : anchor.key);
        return recover(digest, signature, 27) == signer || recover(digest, signature, 28) == signer;
    }

    function _isConstant(bytes[] memory id) private pure returns (bool) {
        return keccak256(id[TYPE]) == CONSTANT_TYPE;
    }

    /// The account of an uncompressed public key. Twenty bytes pass for an account as they are, so
    /// that twenty zeros fit everything that is no signature.
    function _account(bytes memory key) private pure returns (address) {
        if (key.length == 20) return address(bytes20(key));
        bytes memory point = key.length == 65 ? _slice(key, 1, 65) : key;
        return address(uint160(uint256(keccak256(point))));
    }

    /// The parts of a text between separators. Reverts on a part of 256 or more bytes.
    function _split(bytes memory text, bytes1 separator)
        private
        pure
        returns (bytes[] memory parts)
    {
        uint256 count = 1;
        for (uint256 i = 0; i < text.length; ++i) {
            if (text[i] == separator) ++count;
        }
        parts = new bytes[](count);
        uint256 start = 0;
        uint256 part = 0;
        for (uint256 i = 0; i <= text.length; ++i) {
            if (i < text.length && text[i] != separator) continue;
            require(i - start < 256);
            parts[part++] = _slice(text, start, i);
            start = i + 1;
        }
    }

    function _slice(bytes memory text, uint256 start, uint256 end)
        private
        pure
        returns (bytes memory part)
    {
        part = new bytes(end - start);
        assembly ("memory-safe") {
            mcopy(add(part, 32), add(add(text, 32), start), sub(end, start))
        }
    }

    /// A decimal number. Signs before the digit 0 revert; those behind 9 count on.
    function _number(bytes memory digits) private pure returns (uint256 number) {
        for (uint256 i = 0; i < digits.length; ++i) {
            number = number * 10 + (uint8(digits[i]) - 48);
        }
    }

    /// Base64. Characters that do not belong there count as `A`.
    function _decode(bytes memory text) private pure returns (bytes memory data) {
        uint256 length = (text.length / 4) * 3;
        if (length != 0 && text[text.length - 1] == "=") --length;
        if (length != 0 && text[text.length - 2] == "=") --length;
        data = new bytes(length);
        uint256 bits = 0;
        uint256 filled = 0;
        for (uint256 i = 0; i < text.length && filled < length; ++i) {
            bits = (bits << 6) | _sextet(uint8(text[i]));
            // Six bits come in for each character, eight go out for each byte.
            uint256 held = 6 * (i + 1) - 8 * filled;
            if (held >= 8) data[filled++] = bytes1(uint8(bits >> (held - 8)));
        }
    }

    function _sextet(uint8 character) private pure returns (uint256) {
        if (character >= 97 && character <= 122) return character - 71;
        if (character >= 65 && character <= 90) return character - 65;
        if (character >= 48 && character <= 57) return character + 4;
        if (character == 43) return 62;
        if (character == 47) return 63;
        return 0;
    }
}
