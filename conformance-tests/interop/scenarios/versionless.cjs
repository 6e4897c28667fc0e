// Versionless DSUs: one mutable document each, plain and encrypted.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { bytesOf, text } = require("../content.cjs");

/** The SDK wants a key of exactly 32 characters. */
const KEYS = { plain: undefined, encrypted: "0123456789abcdefghijklmnopqrstuv" };
const FIRST = { "/v.txt": text("first"), "/d/e.bin": bytesOf("versionless", 400), "/gone.txt": text("gone soon") };
const SECOND = { "/v.txt": text("second"), "/d/e.bin": FIRST["/d/e.bin"], "/moved.txt": text("new") };

const steps = {
  async write(sdk, { folder }) {
    const identifiers = {};
    for (const [name, key] of Object.entries(KEYS)) {
      const file = `${folder}/${name}.json`;
      const dsu = await sdk.call("createVersionlessDSU", (done) =>
        key ? sdk.resolver.createVersionlessDSU(file, key, done) : sdk.resolver.createVersionlessDSU(file, done),
      );
      for (const [path, content] of Object.entries(FIRST)) {
        await sdk.write(dsu, path, content);
      }
      identifiers[name] = await sdk.identifier(dsu);
    }
    return identifiers;
  },

  async readFirst(sdk, { identifiers }) {
    for (const identifier of Object.values(identifiers)) {
      const dsu = await sdk.load(identifier);
      await sdk.expectFiles(dsu, FIRST);
      await sdk.expectListing(dsu, ["v.txt", "d/e.bin", "gone.txt"]);
    }
  },

  async change(sdk, { identifiers }) {
    for (const identifier of Object.values(identifiers)) {
      const dsu = await sdk.load(identifier);
      const putsBefore = sdk.wire.recorded().filter(({ method }) => method === "PUT").length;
      await sdk.change(dsu, async () => {
        await sdk.write(dsu, "/v.txt", SECOND["/v.txt"]);
        await sdk.on(dsu, "delete", "/gone.txt");
        await sdk.write(dsu, "/new.txt", text("new"));
        await sdk.on(dsu, "rename", "/new.txt", "/moved.txt");
      });
      const puts = sdk.wire.recorded().filter(({ method }) => method === "PUT").length - putsBefore;
      assert.equal(puts, 1, "a batch is one PUT");
    }
  },

  async readSecond(sdk, { identifiers }) {
    for (const identifier of Object.values(identifiers)) {
      const dsu = await sdk.load(identifier);
      await sdk.expectFiles(dsu, SECOND);
      await sdk.expectListing(dsu, ["v.txt", "d/e.bin", "moved.txt"]);
    }
    // Nothing is there: the SDK has to report it.
    const absent = sdk.keyssi.createVersionlessSSI("ORIGIN", `interop/${crypto.randomUUID()}.json`);
    await sdk.refused("loadDSU", (done) => sdk.resolver.loadDSU(absent.getIdentifier(), {}, done));
  },
};

async function play(stage) {
  const folder = `interop/${crypto.randomUUID()}`;
  const identifiers = await stage.run("write", { folder });
  await stage.run("readFirst", { identifiers });
  await stage.run("change", { identifiers });
  await stage.run("readSecond", { identifiers });
}

module.exports = { play, steps };
