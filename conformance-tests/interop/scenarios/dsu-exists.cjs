// What the SDK makes of things that are not there, and `dsuExists` before and
// after the first version.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { brickName } = require("../base58.cjs");
const { bytesOf, text } = require("../content.cjs");

const newSeed = (sdk) => sdk.call("createSeedSSI", (done) => sdk.keyssi.createSeedSSI("default", done));

const steps = {
  async check(sdk) {
    const seed = await newSeed(sdk);
    const constant = sdk.keyssi.createConstSSI("vault", `kiln interop ${crypto.randomUUID()}`);
    for (const ssi of [seed, constant]) {
      assert.equal(await sdk.exists(ssi.getIdentifier()), false);
      assert.deepEqual(await sdk.versions(ssi.getIdentifier()), []);
      await sdk.refused("loadDSU", (done) => sdk.resolver.loadDSU(ssi.getIdentifier(), {}, done));
    }

    for (const ssi of [seed, constant]) {
      const options = { addLog: false };
      const dsu = await sdk.call("createDSUForExistingSSI", (done) => sdk.resolver.createDSUForExistingSSI(ssi, options, done));
      assert.equal(await sdk.exists(ssi.getIdentifier()), false, "nothing is anchored before the first commit");
      await sdk.change(dsu, () => sdk.write(dsu, "/file.txt", text("now it exists")));
      assert.equal(await sdk.exists(ssi.getIdentifier()), true);
    }
    return [seed.getIdentifier(), constant.getIdentifier()];
  },

  async checkAfresh(sdk, identifiers) {
    for (const identifier of identifiers) {
      assert.equal(await sdk.exists(identifier), true);
      await sdk.expectFiles(await sdk.load(identifier), { "/file.txt": text("now it exists") });
    }
    assert.equal(await sdk.exists((await newSeed(sdk)).getIdentifier()), false);
  },

  async missingBrick(sdk) {
    const stored = bytesOf("dsu-exists brick", 256);
    const link = (bytes) => sdk.keyssi.createHashLinkSSI("test1", brickName(bytes), "v0");
    const isThere = (bytes) => sdk.call("brickExistsOnServer", (done) => sdk.bricking.brickExistsOnServer(link(bytes), done));

    const name = await sdk.call("putBrick", (done) => sdk.bricking.putBrick("test1", stored, done));
    assert.equal(name, brickName(stored));
    assert.equal(await isThere(stored), true);

    const absent = crypto.randomBytes(256);
    assert.equal(await isThere(absent), false);
    await sdk.refused("getBrick", (done) => sdk.bricking.getBrick(link(absent), done));
  },
};

async function play(stage) {
  const identifiers = await stage.run("check");
  await stage.run("checkAfresh", identifiers);
  await stage.run("missingBrick");
}

module.exports = { play, steps };
