// An array DSU: its identifier comes from a list of texts.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { bytesOf, text } = require("../content.cjs");

const DOMAIN = "test2";
const FILES = {
  "/record.txt": text("found by product code and batch"),
  "/record.bin": bytesOf("array-dsu record", 12_345),
};

const steps = {
  async write(sdk, { parts }) {
    const dsu = await sdk.call("createArrayDSU", (done) => sdk.resolver.createArrayDSU(DOMAIN, parts, {}, done));
    await sdk.change(dsu, async () => {
      for (const [file, content] of Object.entries(FILES)) {
        await sdk.write(dsu, file, content);
      }
    });
    return sdk.identifier(dsu);
  },

  async read(sdk, { parts, identifier }) {
    assert.equal(sdk.keyssi.createArraySSI(DOMAIN, parts).getIdentifier(), identifier);
    const dsu = await sdk.load(identifier);
    await sdk.expectFiles(dsu, FILES);
    assert.equal((await sdk.versions(identifier)).length, 1);

    const again = await sdk.refused("createArrayDSU", (done) => sdk.resolver.createArrayDSU(DOMAIN, parts, {}, done));
    assert.match(again.message, /already exists/);
  },
};

async function play(stage) {
  const parts = ["05712345678908", `batch ${crypto.randomUUID()}`, "2027-01"];
  const identifier = await stage.run("write", { parts });
  await stage.run("read", { parts, identifier });
}

module.exports = { play, steps };
