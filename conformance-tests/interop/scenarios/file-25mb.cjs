// A file of 25 MB: two bricks of the SDK's default size (10,000,000 bytes before
// encryption, 64 more after) and a rest.
"use strict";

const assert = require("node:assert/strict");
const { bytesOf } = require("../content.cjs");

const BYTES = 25_000_000;
const EXPECTED = () => ({ "/scan.dcm": bytesOf("file-25mb", BYTES) });

const steps = {
  async write(sdk) {
    const dsu = await sdk.createSeed("default");
    await sdk.change(dsu, () => sdk.write(dsu, "/scan.dcm", EXPECTED()["/scan.dcm"]));
    const large = sdk.wire.recorded().filter(({ bodyBytes }) => bodyBytes > 1_000_000);
    assert.deepEqual(large.map(({ bodyBytes }) => bodyBytes), [10_000_064, 10_000_064, 5_000_064]);
    return sdk.identifier(dsu);
  },

  async read(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    await sdk.expectFiles(dsu, EXPECTED());
  },
};

async function play(stage) {
  const identifier = await stage.run("write");
  await stage.run("read", identifier);
}

module.exports = { play, steps };
