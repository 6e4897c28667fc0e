// A cancelled batch leaves no version; its bricks stay behind as orphans.
"use strict";

const assert = require("node:assert/strict");
const { bytesOf, text } = require("../content.cjs");

const KEPT = { "/kept.txt": text("kept") };

const steps = {
  async write(sdk) {
    const dsu = await sdk.createSeed("default");
    await sdk.change(dsu, () => sdk.write(dsu, "/kept.txt", KEPT["/kept.txt"]));
    const batch = await sdk.begin(dsu);
    await sdk.write(dsu, "/dropped.bin", bytesOf("cancelled-batch", 1000));
    await sdk.write(dsu, "/kept.txt", text("not kept"));
    await sdk.on(dsu, "cancelBatch", batch);
    await sdk.expectFiles(dsu, KEPT);
    return sdk.identifier(dsu);
  },

  async read(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    await sdk.expectFiles(dsu, KEPT);
    await sdk.expectListing(dsu, ["kept.txt"]);
    assert.equal((await sdk.versions(identifier)).length, 2);
  },
};

async function play(stage) {
  const identifier = await stage.run("write");
  await stage.run("read", identifier);
}

module.exports = { play, steps };
