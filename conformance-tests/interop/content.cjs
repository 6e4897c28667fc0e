// Test content that every process can make again by itself, and its comparison.
"use strict";

const crypto = require("node:crypto");

/** `length` bytes that depend on `name` only; they look random, so nothing can pack them. */
function bytesOf(name, length) {
  const key = crypto.createHash("sha256").update(name).digest();
  return crypto.createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** UTF-8 text as bytes. */
function text(value) {
  return Buffer.from(value, "utf8");
}

/** Throws unless `actual` is exactly the bytes `expected`; says where they part. */
function assertBytes(actual, expected, what) {
  if (!(actual instanceof Uint8Array)) {
    throw new Error(`${what}: expected bytes, got ${typeof actual} ${JSON.stringify(actual).slice(0, 80)}`);
  }
  if (Buffer.compare(actual, expected) === 0) {
    return;
  }
  const end = Math.min(actual.length, expected.length);
  let offset = 0;
  while (offset < end && actual[offset] === expected[offset]) {
    offset += 1;
  }
  throw new Error(`${what}: ${actual.length} bytes read, ${expected.length} written, they differ from byte ${offset} on`);
}

module.exports = { bytesOf, text, assertBytes };
