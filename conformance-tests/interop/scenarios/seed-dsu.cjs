// A seed DSU in each domain: created, written, and read by a fresh process that
// knows the identifier alone.
"use strict";

const assert = require("node:assert/strict");
const { bytesOf, text } = require("../content.cjs");

const DOMAINS = ["default", "test1", "test2", "vault"];

const filesOf = (domain) => ({
  "/hello.txt": text(`hello from ${domain}`),
  "/data.bin": bytesOf(`seed-dsu ${domain}`, 5000),
});

const steps = {
  async write(sdk) {
    const identifiers = {};
    for (const domain of DOMAINS) {
      const dsu = await sdk.createSeed(domain);
      await sdk.change(dsu, async () => {
        for (const [file, content] of Object.entries(filesOf(domain))) {
          await sdk.write(dsu, file, content);
        }
      });
      await sdk.expectFiles(dsu, filesOf(domain));
      identifiers[domain] = await sdk.identifier(dsu);
    }
    return identifiers;
  },

  async read(sdk, identifiers) {
    for (const domain of DOMAINS) {
      const dsu = await sdk.load(identifiers[domain]);
      await sdk.expectFiles(dsu, filesOf(domain));
      await sdk.expectListing(dsu, ["hello.txt", "data.bin"]);
      const log = await sdk.read(dsu, "/dsu-metadata-log");
      assert.match(log.toString(), /^DSU created on \d+\n$/);
      assert.equal((await sdk.versions(identifiers[domain])).length, 2);
    }
  },

  // A later process goes on with the history that an earlier one began.
  async extend(sdk, identifiers) {
    const dsu = await sdk.load(identifiers.vault);
    await sdk.change(dsu, () => sdk.write(dsu, "/later.txt", text("later")));
  },

  async readExtended(sdk, identifiers) {
    const dsu = await sdk.load(identifiers.vault);
    await sdk.expectFiles(dsu, { ...filesOf("vault"), "/later.txt": text("later") });
    assert.equal((await sdk.versions(identifiers.vault)).length, 3);
  },
};

async function play(stage) {
  const identifiers = await stage.run("write");
  await stage.run("read", identifiers);
  await stage.run("extend", identifiers);
  await stage.run("readExtended", identifiers);
}

module.exports = { play, steps };
