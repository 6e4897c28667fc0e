// Two writers, the same file: the node answers 428 to the second append, and
// the SDK reports the conflict to its caller.
"use strict";

const { race, steps } = require("../writers.cjs");

async function play(stage) {
  const loser = { file: "/same.txt", signsAfter: "winner has signed", answer: 428, reason: "Anchoring conflict error" };
  const identifier = await race(stage, { file: "/same.txt" }, "loserReports", loser);
  await stage.run("read", { identifier, files: { "/same.txt": "by the winner" }, versions: 2 });
}

module.exports = { play, steps };
