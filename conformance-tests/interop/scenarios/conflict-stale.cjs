// Two writers, one whole commit after the other: the second finds out by itself
// that its version is no longer the newest, and merges before it appends.
"use strict";

const { steps } = require("../writers.cjs");

async function play(stage) {
  const identifier = await stage.run("create");
  await Promise.all([stage.run("stale", { identifier }), stage.run("newest", { identifier })]);
  const files = { "/stale.txt": "by the stale writer", "/newest.txt": "by the newest writer" };
  await stage.run("read", { identifier, files, versions: 3 });
}

module.exports = { play, steps };
