// Base58 (Bitcoin alphabet) and the text of identifiers, written apart from the
// SDK so that the checks do not lean on the code under test.
"use strict";

const crypto = require("node:crypto");

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** Base58 of bytes; each leading zero byte becomes a leading `1`. */
function base58(bytes) {
  let zeros = 0;
  while (zeros < bytes.length && bytes[zeros] === 0) {
    zeros += 1;
  }
  let number = BigInt(`0x0${Buffer.from(bytes).toString("hex")}`);
  let digits = "";
  while (number > 0n) {
    digits = ALPHABET[Number(number % 58n)] + digits;
    number /= 58n;
  }
  return "1".repeat(zeros) + digits;
}

/** The bytes behind base58 text; throws on a foreign character. */
function fromBase58(text) {
  let zeros = 0;
  while (text[zeros] === "1") {
    zeros += 1;
  }
  let number = 0n;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) {
      throw new Error(`'${character}' is not a base58 character`);
    }
    number = number * 58n + BigInt(digit);
  }
  const hex = number === 0n ? "" : number.toString(16);
  return Buffer.from("00".repeat(zeros) + (hex.length % 2 ? `0${hex}` : hex), "hex");
}

/** The name of a brick: base58 of the SHA-256 of its bytes. */
function brickName(bytes) {
  return base58(crypto.createHash("sha256").update(bytes).digest());
}

/** `ssi:type:domain:specific:control:vn[:hint]` from its base58 form, in parts. */
function parseIdentifier(identifier) {
  const plain = fromBase58(identifier).toString("utf8");
  const [scheme, type, domain, specific, control, vn] = plain.split(":");
  if (scheme !== "ssi") {
    throw new Error(`${identifier} is no identifier: ${plain}`);
  }
  return { plain, type, domain, specific, control, vn };
}

module.exports = { base58, brickName, parseIdentifier };
