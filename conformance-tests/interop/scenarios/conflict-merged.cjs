// Two writers, different files: the node answers 428 to the second append, and
// the SDK reloads, merges and appends again.
"use strict";

const { race, steps } = require("../writers.cjs");

async function play(stage) {
  const identifier = await race(stage, { file: "/won.txt" }, "loserMerges", { file: "/lost.txt", signsAfter: "winner has signed" });
  const files = { "/won.txt": "by the winner", "/lost.txt": "by the loser" };
  await stage.run("read", { identifier, files, versions: 3 });
}

module.exports = { play, steps };
