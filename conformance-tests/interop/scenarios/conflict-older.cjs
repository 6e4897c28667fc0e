// Two writers; the append that reaches the node second was signed first. The
// node answers 409, and the SDK reports that to its caller without a retry.
"use strict";

const { race, steps } = require("../writers.cjs");

async function play(stage) {
  const winner = { file: "/won.txt", signsAfter: "loser has signed" };
  const loser = { file: "/old.txt", answer: 409, reason: "timestamp is older" };
  const identifier = await race(stage, winner, "loserReports", loser);
  await stage.run("read", { identifier, files: { "/won.txt": "by the winner" }, versions: 2 });
}

module.exports = { play, steps };
