// A constant DSU: its identifier comes from a text, it has one version for ever.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { bytesOf, text } = require("../content.cjs");

const DOMAIN = "test1";
const FILES = {
  "/leaflet.txt": text("the same for everyone who knows the constant"),
  "/images/scan.bin": bytesOf("const-dsu scan", 70_000),
};

const steps = {
  async write(sdk, { constant }) {
    const dsu = await sdk.call("createConstDSU", (done) => sdk.resolver.createConstDSU(DOMAIN, constant, {}, done));
    await sdk.change(dsu, async () => {
      for (const [file, content] of Object.entries(FILES)) {
        await sdk.write(dsu, file, content);
      }
    });
    return sdk.identifier(dsu);
  },

  async read(sdk, { constant, identifier }) {
    // The text alone gives the identifier again.
    assert.equal(sdk.keyssi.createConstSSI(DOMAIN, constant).getIdentifier(), identifier);
    const dsu = await sdk.load(identifier);
    await sdk.expectFiles(dsu, FILES);
    await sdk.expectListing(dsu, ["leaflet.txt", "images/scan.bin"]);
    assert.equal((await sdk.versions(identifier)).length, 1);
  },

  // The node must report the anchor, so that the SDK sees that the constant is taken.
  async createAgain(sdk, { constant, identifier }) {
    const again = await sdk.refused("createConstDSU", (done) => sdk.resolver.createConstDSU(DOMAIN, constant, {}, done));
    assert.match(again.message, /already exists/);

    const dsu = await sdk.load(identifier);
    const batch = await sdk.begin(dsu);
    await sdk.write(dsu, "/second.txt", text("second version"));
    const second = await sdk.refused("commitBatch", (done) => dsu.commitBatch(batch, done));
    assert.match(second.message, /Cannot append anchor/);
    assert.equal((await sdk.versions(identifier)).length, 1);
  },
};

async function play(stage) {
  const constant = `kiln interop ${crypto.randomUUID()}`;
  const identifier = await stage.run("write", { constant });
  await stage.run("read", { constant, identifier });
  await stage.run("createAgain", { constant, identifier });
  await stage.run("read", { constant, identifier });
}

module.exports = { play, steps };
