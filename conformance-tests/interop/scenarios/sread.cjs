// A seed DSU opened by its sread identifier: a reader that cannot sign sees all
// versions that the owner writes.
"use strict";

const assert = require("node:assert/strict");
const { bytesOf, text } = require("../content.cjs");

const FIRST = { "/report.txt": text("first"), "/image.bin": bytesOf("sread image", 20_000) };
const SECOND = { ...FIRST, "/report.txt": text("second"), "/more.txt": text("more") };

const steps = {
  async write(sdk) {
    const dsu = await sdk.createSeed("test2");
    await sdk.change(dsu, async () => {
      for (const [file, content] of Object.entries(FIRST)) {
        await sdk.write(dsu, file, content);
      }
    });
    const sread = await sdk.call("getKeySSIAsObject", (done) => dsu.getKeySSIAsObject("sread", done));
    return { seed: await sdk.identifier(dsu), sread: sread.getIdentifier(), anchor: await sdk.on(dsu, "getAnchorId") };
  },

  async read(sdk, { sread, anchor, second }) {
    assert.equal(sdk.keyssi.parse(sread).getTypeName(), "sread");
    const dsu = await sdk.load(sread);
    assert.equal(await sdk.on(dsu, "getAnchorId"), anchor);
    await sdk.expectFiles(dsu, second ? SECOND : FIRST);
    await sdk.expectListing(dsu, Object.keys(second ? SECOND : FIRST).map((file) => file.slice(1)));
    assert.equal(await sdk.exists(sread), true);
    assert.equal((await sdk.versions(sread)).length, second ? 3 : 2);
  },

  async writeAgain(sdk, { seed }) {
    const dsu = await sdk.load(seed);
    await sdk.change(dsu, async () => {
      await sdk.write(dsu, "/report.txt", SECOND["/report.txt"]);
      await sdk.write(dsu, "/more.txt", SECOND["/more.txt"]);
    });
  },
};

async function play(stage) {
  const identifiers = await stage.run("write");
  await stage.run("read", { ...identifiers, second: false });
  await stage.run("writeAgain", identifiers);
  await stage.run("read", { ...identifiers, second: true });
}

module.exports = { play, steps };
