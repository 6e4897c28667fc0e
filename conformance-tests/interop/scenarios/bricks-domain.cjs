// Identifiers with hints: bricks in another domain than the anchor, and brick
// maps encrypted without randomness.
"use strict";

const assert = require("node:assert/strict");
const { bytesOf, text } = require("../content.cjs");

const FILES = { "/one.txt": text("bricks live elsewhere"), "/two.bin": bytesOf("bricks-domain two", 6000) };
const HINTS = { elsewhere: { bricksDomain: "test2" }, repeatable: { avoidRandom: true } };

const steps = {
  async write(sdk) {
    const identifiers = {};
    for (const [name, hint] of Object.entries(HINTS)) {
      const template = sdk.keyssi.createTemplateSeedSSI("default", undefined, undefined, undefined, JSON.stringify(hint));
      const dsu = await sdk.call("createDSU", (done) => sdk.resolver.createDSU(template, { addLog: false }, done));
      const sentBefore = sdk.wire.recorded().length;
      await sdk.change(dsu, async () => {
        for (const [file, content] of Object.entries(FILES)) {
          await sdk.write(dsu, file, content);
        }
      });
      const sent = sdk.wire.recorded().slice(sentBefore).filter(({ method }) => method === "PUT").map(({ path }) => path);
      const bricksDomain = hint.bricksDomain || "default";
      assert.equal(sent.filter((path) => path === `/bricking/${bricksDomain}/put-brick`).length, 3);
      assert.equal(sent.filter((path) => path.startsWith("/anchor/default/create-anchor/")).length, 1);
      identifiers[name] = await sdk.identifier(dsu);
    }
    return identifiers;
  },

  async read(sdk, identifiers) {
    for (const [name, identifier] of Object.entries(identifiers)) {
      const plain = sdk.keyssi.parse(identifier).getIdentifier(true);
      assert.ok(plain.endsWith(`:v0:${JSON.stringify(HINTS[name])}`), plain);
      await sdk.expectFiles(await sdk.load(identifier), FILES);
    }
  },
};

async function play(stage) {
  const identifiers = await stage.run("write");
  await stage.run("read", identifiers);
}

module.exports = { play, steps };
