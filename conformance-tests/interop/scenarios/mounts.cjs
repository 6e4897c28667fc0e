// DSUs mounted in a DSU: writable by seed, read-only by sread, in other domains
// than the parent, and nested.
"use strict";

const assert = require("node:assert/strict");
const { bytesOf, text } = require("../content.cjs");

const OUTER = { "/outer.txt": text("outer") };
const INNER = { "/in.txt": text("inner"), "/sub/deep.bin": bytesOf("mounts deep", 3000) };
const SHARED = { "/shared.bin": bytesOf("mounts shared", 500) };
const NESTED = { "/nested.txt": text("two mounts away") };

const under = (mount, files) => Object.fromEntries(Object.entries(files).map(([file, content]) => [mount + file, content]));

async function createWith(sdk, domain, files) {
  const dsu = await sdk.createSeed(domain);
  await sdk.change(dsu, async () => {
    for (const [file, content] of Object.entries(files)) {
      await sdk.write(dsu, file, content);
    }
  });
  return dsu;
}

const steps = {
  async write(sdk) {
    const nested = await createWith(sdk, "vault", NESTED);
    const inner = await createWith(sdk, "test2", INNER);
    await sdk.change(inner, async () => sdk.on(inner, "mount", "/further", await sdk.identifier(nested)));
    const shared = await createWith(sdk, "test1", SHARED);
    const sread = await sdk.call("getKeySSIAsObject", (done) => shared.getKeySSIAsObject("sread", done));

    const outer = await createWith(sdk, "default", OUTER);
    await sdk.change(outer, async () => {
      await sdk.on(outer, "mount", "/mnt/inner", await sdk.identifier(inner));
      await sdk.on(outer, "mount", "/shared", sread.getIdentifier());
    });
    return { outer: await sdk.identifier(outer), inner: await sdk.identifier(inner), sread: sread.getIdentifier() };
  },

  async read(sdk, { outer, inner, sread }) {
    const dsu = await sdk.load(outer);
    const expected = {
      ...OUTER,
      ...under("/mnt/inner", INNER),
      ...under("/mnt/inner/further", NESTED),
      ...under("/shared", SHARED),
    };
    await sdk.expectFiles(dsu, expected);
    const mounts = await sdk.on(dsu, "listMountedDSUs", "/");
    assert.deepEqual(mounts, [{ path: "mnt/inner", identifier: inner }, { path: "shared", identifier: sread }]);
    const entries = await sdk.on(dsu, "readDir", "/", { withFileTypes: true });
    assert.deepEqual(entries.folders, ["mnt"]);
    assert.deepEqual(entries.mounts, ["shared"]);
  },

  // One commit on the parent anchors a version of each DSU written through it.
  async writeThrough(sdk, { outer, inner }) {
    const before = await sdk.versions(inner);
    const dsu = await sdk.load(outer);
    await sdk.change(dsu, async () => {
      await sdk.write(dsu, "/outer.txt", text("outer, changed"));
      await sdk.write(dsu, "/mnt/inner/through.bin", bytesOf("mounts through", 800));
    });
    assert.equal((await sdk.versions(inner)).length, before.length + 1);
  },

  async readThrough(sdk, { outer, inner }) {
    const through = { "/through.bin": bytesOf("mounts through", 800) };
    await sdk.expectFiles(await sdk.load(inner), { ...INNER, ...through });
    const dsu = await sdk.load(outer);
    await sdk.expectFiles(dsu, { "/outer.txt": text("outer, changed"), ...under("/mnt/inner", { ...INNER, ...through }) });
  },

  async unmount(sdk, { outer }) {
    const dsu = await sdk.load(outer);
    await sdk.change(dsu, () => sdk.on(dsu, "unmount", "/shared"));
  },

  async readUnmounted(sdk, { outer, inner }) {
    const dsu = await sdk.load(outer);
    assert.deepEqual(await sdk.on(dsu, "listMountedDSUs", "/"), [{ path: "mnt/inner", identifier: inner }]);
    await sdk.refused("readFile", (done) => dsu.readFile("/shared/shared.bin", done));
    await sdk.expectFiles(dsu, under("/mnt/inner", INNER));
  },
};

async function play(stage) {
  const identifiers = await stage.run("write");
  await stage.run("read", identifiers);
  await stage.run("writeThrough", identifiers);
  await stage.run("readThrough", identifiers);
  await stage.run("unmount", identifiers);
  await stage.run("readUnmounted", identifiers);
}

module.exports = { play, steps };
