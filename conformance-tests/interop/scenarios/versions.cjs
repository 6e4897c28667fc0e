// Five versions of one DSU; each is loaded by its anchor value and by its number.
"use strict";

const assert = require("node:assert/strict");
const { bytesOf, text } = require("../content.cjs");

const VERSIONS = 5;

/** The files of version `number` (1 to 5): one rewritten each time, one added each time. */
function filesOf(number) {
  const files = { "/current.txt": text(`version ${number}`), "/constant.bin": bytesOf("versions constant", 9000) };
  for (let n = 1; n <= number; n += 1) {
    files[`/added-${n}.bin`] = bytesOf(`versions added ${n}`, 100 * n);
  }
  return files;
}

const names = (files) => Object.keys(files).map((file) => file.slice(1));

const steps = {
  async write(sdk) {
    const dsu = await sdk.createSeed("default", { addLog: false });
    await sdk.change(dsu, async () => {
      for (const [file, content] of Object.entries(filesOf(1))) {
        await sdk.write(dsu, file, content);
      }
    });
    for (let number = 2; number <= VERSIONS; number += 1) {
      const files = filesOf(number);
      await sdk.change(dsu, async () => {
        await sdk.write(dsu, "/current.txt", files["/current.txt"]);
        await sdk.write(dsu, `/added-${number}.bin`, files[`/added-${number}.bin`]);
      });
    }
    return sdk.identifier(dsu);
  },

  async readByAnchorValue(sdk, identifier) {
    const values = await sdk.call("getAllVersions", (done) => sdk.anchors.getAllVersions(identifier, done));
    assert.equal(values.length, VERSIONS);
    for (const [index, value] of values.entries()) {
      const dsu = await sdk.call("loadDSUVersion", (done) => sdk.resolver.loadDSUVersion(identifier, value, {}, done));
      await sdk.expectFiles(dsu, filesOf(index + 1));
      await sdk.expectListing(dsu, names(filesOf(index + 1)));
    }
  },

  async readByNumber(sdk, identifier) {
    for (let number = 1; number <= VERSIONS; number += 1) {
      const ssi = sdk.keyssi.parse(identifier);
      ssi.setDSUVersionHint(number - 1);
      const dsu = await sdk.load(ssi);
      await sdk.expectFiles(dsu, filesOf(number));
    }
  },

  // One process keeps the DSU open while another one writes a version.
  async watch(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    assert.equal(await sdk.on(dsu, "hasNewVersion"), false);
    sdk.board.announce("loaded");
    await sdk.board.until("written");
    assert.equal(await sdk.on(dsu, "hasNewVersion"), true);
    await sdk.on(dsu, "refresh");
    await sdk.expectFiles(dsu, { "/current.txt": text("version 6") });
    assert.equal(await sdk.on(dsu, "hasNewVersion"), false);
  },

  async writeSixth(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    await sdk.board.until("loaded");
    await sdk.change(dsu, () => sdk.write(dsu, "/current.txt", text("version 6")));
    sdk.board.announce("written");
  },

  async readSixth(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    await sdk.expectFiles(dsu, { ...filesOf(VERSIONS), "/current.txt": text("version 6") });
    assert.equal((await sdk.versions(identifier)).length, VERSIONS + 1);
  },
};

async function play(stage) {
  const identifier = await stage.run("write");
  await stage.run("readByAnchorValue", identifier);
  await stage.run("readByNumber", identifier);
  await Promise.all([stage.run("watch", identifier), stage.run("writeSixth", identifier)]);
  await stage.run("readSixth", identifier);
}

module.exports = { play, steps };
