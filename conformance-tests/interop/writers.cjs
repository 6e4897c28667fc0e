// The steps of the `conflict-*` scenarios: two SDK processes write on the same
// version of one DSU.
//
// The SDK asks for the newest version just before it appends, so most conflicts
// never reach the node. Here both appends are held back until both writers have
// asked and signed; then the node gets them one after the other, and has to
// refuse the second: 428 when it was signed later (the SDK merges or reports),
// 409 when its timestamp is the older one (the SDK reports).
"use strict";

const assert = require("node:assert/strict");
const { bytesOf, text } = require("./content.cjs");

const BASE = { "/base.txt": text("written before both"), "/base.bin": bytesOf("conflict base", 4000) };
const APPEND = /^PUT \/anchor\/[^/]+\/append-to-anchor\//;

const appends = (sdk) => sdk.wire.recorded().filter(({ method, path }) => APPEND.test(`${method} ${path}`));
const statuses = (sdk) => appends(sdk).map(({ status }) => status);

/**
 * Lets this writer sign after `signsAfter` (if given), keeps its append back
 * until `release`, and tells the other writer as soon as it has signed.
 */
async function signInTurn(sdk, who, signsAfter, release) {
  const caught = sdk.wire.holdNext(APPEND, release);
  caught.then(() => sdk.board.announce(`${who} has signed`));
  if (signsAfter) {
    await sdk.board.until(signsAfter);
  }
}

const steps = {
  async create(sdk) {
    const dsu = await sdk.createSeed("default", { addLog: false });
    await sdk.change(dsu, async () => {
      for (const [file, content] of Object.entries(BASE)) {
        await sdk.write(dsu, file, content);
      }
    });
    return sdk.identifier(dsu);
  },

  // The winner: its append reaches the node first.
  async winner(sdk, { identifier, file, signsAfter }) {
    const dsu = await sdk.load(identifier);
    const batch = await sdk.begin(dsu);
    await sdk.write(dsu, file, text("by the winner"));
    await signInTurn(sdk, "winner", signsAfter, sdk.board.until("loser has signed"));
    await sdk.commit(dsu, batch);
    assert.deepEqual(statuses(sdk), [201]);
    sdk.board.announce("winner has committed");
  },

  // The loser changes a path that the winner does not touch: the SDK merges.
  async loserMerges(sdk, { identifier, file, signsAfter }) {
    const dsu = await sdk.load(identifier);
    const batch = await sdk.begin(dsu);
    await sdk.write(dsu, file, text("by the loser"));
    await signInTurn(sdk, "loser", signsAfter, sdk.board.until("winner has committed"));
    await sdk.commit(dsu, batch);
    assert.deepEqual(statuses(sdk), [428, 201], "answers to the loser's appends");
  },

  // The loser changes the same path, or is late by its own clock: the SDK reports.
  async loserReports(sdk, { identifier, file, signsAfter, answer, reason }) {
    const dsu = await sdk.load(identifier);
    const batch = await sdk.begin(dsu);
    await sdk.write(dsu, file, text("by the loser"));
    await signInTurn(sdk, "loser", signsAfter, sdk.board.until("winner has committed"));
    const reported = await sdk.refused("commitBatch", (done) => dsu.commitBatch(batch, done));
    assert.deepEqual(statuses(sdk), [answer], "answers to the loser's appends");
    assert.ok(reported.message.includes(reason), reported.message);
  },

  // A writer on a version that is no longer the newest finds out by itself.
  async stale(sdk, { identifier }) {
    const dsu = await sdk.load(identifier);
    const batch = await sdk.begin(dsu);
    await sdk.write(dsu, "/stale.txt", text("by the stale writer"));
    sdk.board.announce("stale has begun");
    await sdk.board.until("newest written");
    await sdk.commit(dsu, batch);
    assert.deepEqual(statuses(sdk), [201]);
  },

  async newest(sdk, { identifier }) {
    const dsu = await sdk.load(identifier);
    await sdk.board.until("stale has begun");
    await sdk.change(dsu, () => sdk.write(dsu, "/newest.txt", text("by the newest writer")));
    sdk.board.announce("newest written");
  },

  async read(sdk, { identifier, files, versions }) {
    const dsu = await sdk.load(identifier);
    const expected = { ...BASE, ...Object.fromEntries(Object.entries(files).map(([file, content]) => [file, text(content)])) };
    await sdk.expectFiles(dsu, expected);
    await sdk.expectListing(dsu, Object.keys(expected).map((file) => file.slice(1)));
    assert.equal((await sdk.versions(identifier)).length, versions);
  },
};

/** Two writers race on a fresh DSU; gives its identifier. */
async function race(stage, winner, loserStep, loser) {
  const identifier = await stage.run("create");
  await Promise.all([
    stage.run("winner", { identifier, ...winner }),
    stage.run(loserStep, { identifier, ...loser }),
  ]);
  return identifier;
}

module.exports = { race, steps, APPEND, BASE, statuses };
