// Nested folders, rename and delete, over three versions.
"use strict";

const assert = require("node:assert/strict");
const { bytesOf, text } = require("../content.cjs");

const DEEP = "/a/b/c/d/e/f/g/deep.bin";
const UNICODE = "/Ordner mit Leerzeichen/naïve – 漢字.txt";
const FIRST = {
  "/top.txt": text("top"),
  [DEEP]: bytesOf("folders deep", 2000),
  [UNICODE]: text("unicode name"),
  "/docs/keep.txt": text("keep"),
  "/docs/drop.txt": text("drop"),
  "/docs/sub/one.txt": text("one"),
  "/docs/sub/two.txt": text("two"),
  "/trash/x.txt": text("x"),
  "/trash/y/z.txt": text("z"),
};
const LAST = {
  "/renamed.txt": text("top"),
  [DEEP]: FIRST[DEEP],
  [UNICODE]: FIRST[UNICODE],
  "/docs/keep.txt": text("keep"),
  "/docs/moved/one.txt": text("one"),
  "/docs/moved/two.txt": text("two, rewritten"),
  "/trash/again.txt": text("the folder came back"),
  "/cloned/keep.txt": text("keep"),
  "/cloned/moved/one.txt": text("one"),
  "/cloned/moved/two.txt": text("two"),
};

const names = (files) => Object.keys(files).map((file) => file.slice(1));

const steps = {
  async write(sdk) {
    const dsu = await sdk.createSeed("test1", { addLog: false });
    await sdk.change(dsu, async () => {
      for (const [file, content] of Object.entries(FIRST)) {
        await sdk.write(dsu, file, content);
      }
      await sdk.on(dsu, "createFolder", "/empty");
    });
    return sdk.identifier(dsu);
  },

  async readFirst(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    await sdk.expectFiles(dsu, FIRST);
    await sdk.expectListing(dsu, names(FIRST));
    await sdk.expectListing(dsu, ["keep.txt", "drop.txt", "sub/one.txt", "sub/two.txt"], "/docs");
    const folders = await sdk.on(dsu, "listFolders", "/");
    assert.deepEqual(folders.sort(), ["Ordner mit Leerzeichen", "a", "docs", "empty", "trash"].sort());
    const entries = await sdk.on(dsu, "readDir", "/docs", { withFileTypes: true });
    assert.deepEqual(entries, { files: ["keep.txt", "drop.txt"], folders: ["sub"], mounts: [] });
    assert.equal((await sdk.on(dsu, "stat", "/docs/sub")).type, "directory");
    assert.equal((await sdk.on(dsu, "stat", DEEP)).type, "file");
    assert.equal((await sdk.on(dsu, "stat", "/nowhere")).type, undefined);
  },

  async change(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    await sdk.change(dsu, async () => {
      await sdk.on(dsu, "rename", "/top.txt", "/renamed.txt");
      await sdk.on(dsu, "rename", "/docs/sub", "/docs/moved");
      await sdk.on(dsu, "delete", "/docs/drop.txt");
      await sdk.on(dsu, "delete", "/trash");
    });
    await sdk.change(dsu, async () => {
      await sdk.on(dsu, "cloneFolder", "/docs", "/cloned");
      await sdk.write(dsu, "/docs/moved/two.txt", text("two, rewritten"));
      await sdk.write(dsu, "/trash/again.txt", text("the folder came back"));
    });
  },

  async readLast(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    await sdk.expectFiles(dsu, LAST);
    await sdk.expectListing(dsu, names(LAST));
    for (const gone of ["/top.txt", "/docs/drop.txt", "/docs/sub/one.txt", "/trash/x.txt", "/trash/y/z.txt"]) {
      await sdk.refused(`readFile ${gone}`, (done) => dsu.readFile(gone, done));
    }
    assert.equal((await sdk.versions(identifier)).length, 3);
  },
};

async function play(stage) {
  const identifier = await stage.run("write");
  await stage.run("readFirst", identifier);
  await stage.run("change", identifier);
  await stage.run("readLast", identifier);
}

module.exports = { play, steps };
