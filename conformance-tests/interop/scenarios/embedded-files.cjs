// Files that live inside the brick map or share one container brick.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const { bytesOf, text } = require("../content.cjs");

const TEXT = "kept inside the brick map: ä € 漢 🔥";
const BYTES = bytesOf("embedded-files bytes", 300);
const COMPACTED = {
  "/compacted/a.txt": text("first slice"),
  "/compacted/b.bin": bytesOf("embedded-files slice", 5000),
  "/compacted/deep/c.bin": bytesOf("embedded-files deep", 77),
};

const steps = {
  async write(sdk) {
    for (const [file, content] of Object.entries(COMPACTED)) {
      const target = `source${file.replace("/compacted", "")}`;
      fs.mkdirSync(target.slice(0, target.lastIndexOf("/")), { recursive: true });
      fs.writeFileSync(target, content);
    }
    const dsu = await sdk.createSeed("default");
    await sdk.change(dsu, async () => {
      await sdk.write(dsu, "/inside.txt", TEXT, { embed: true });
      await sdk.write(dsu, "/inside.bin", BYTES, { embed: true });
      await sdk.write(dsu, "/log.txt", "one", { embed: true });
      await sdk.on(dsu, "addFolder", "source", "/compacted", { embedded: true });
      await sdk.write(dsu, "/outside.txt", text("an ordinary file beside them"));
    });
    await sdk.change(dsu, () => sdk.on(dsu, "appendToFile", "/log.txt", " two", {}));
    return sdk.identifier(dsu);
  },

  async read(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    // The SDK gives embedded text as a string, and embedded bytes as a parsed object.
    assert.equal(await sdk.read(dsu, "/inside.txt"), TEXT);
    assert.deepEqual(await sdk.read(dsu, "/inside.bin"), { type: "Buffer", data: [...BYTES] });
    assert.equal(await sdk.read(dsu, "/log.txt"), "one two");
    await sdk.expectFiles(dsu, { ...COMPACTED, "/outside.txt": text("an ordinary file beside them") });
  },
};

async function play(stage) {
  const identifier = await stage.run("write");
  await stage.run("read", identifier);
}

module.exports = { play, steps };
