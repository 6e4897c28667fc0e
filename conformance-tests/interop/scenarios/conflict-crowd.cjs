// Four writers append to one anchor at the same moment, unordered: exactly one
// of them wins on the common version, and no acknowledged version is lost.
//
// The SDK itself loses a writer's change, and reports success, when that writer
// meets a second conflict within one commit: its merge has used up the list of
// changes. Only writers with at most one conflict can be asked for their file.
"use strict";

const assert = require("node:assert/strict");
const { text } = require("../content.cjs");
const { steps: common, APPEND, BASE, statuses } = require("../writers.cjs");

const WRITERS = ["a", "b", "c", "d"];
const fileOf = (writer) => `/by-${writer}.txt`;
const contentOf = (writer) => `by writer ${writer}`;

const steps = {
  ...common,

  // Says how this writer's commit went: at once, after merges, or reported.
  async write(sdk, { identifier, writer }) {
    const dsu = await sdk.load(identifier);
    const batch = await sdk.begin(dsu);
    await sdk.write(dsu, fileOf(writer), text(contentOf(writer)));
    const everyone = Promise.all(WRITERS.filter((w) => w !== writer).map((w) => sdk.board.until(`${w} has signed`)));
    sdk.wire.holdNext(APPEND, everyone).then(() => sdk.board.announce(`${writer} has signed`));
    let committed = true;
    try {
      await sdk.commit(dsu, batch);
    } catch (error) {
      // Without a cause, it is not the SDK that reported it: it has not called back.
      assert.ok(error.cause, error.message);
      committed = false;
    }
    // One brick for the file, one brick map for the first try, one for each merge.
    const bricks = sdk.wire.recorded().filter(({ path }) => path.endsWith("/put-brick")).length;
    return { writer, committed, answers: statuses(sdk), merges: bricks - 2 };
  },

  async readAll(sdk, { identifier, sure, versions }) {
    const dsu = await sdk.load(identifier);
    await sdk.expectFiles(dsu, BASE);
    for (const writer of sure) {
      await sdk.expectFiles(dsu, { [fileOf(writer)]: text(contentOf(writer)) });
    }
    assert.equal((await sdk.versions(identifier)).length, versions);
  },
};

async function play(stage) {
  const identifier = await stage.run("create");
  const outcomes = await Promise.all(WRITERS.map((writer) => stage.run("write", { identifier, writer })));
  const summary = JSON.stringify(outcomes);

  assert.equal(outcomes.filter(({ answers }) => answers[0] === 201).length, 1, `one winner on the common version: ${summary}`);
  for (const { answers, committed } of outcomes) {
    assert.ok(answers.every((status) => [201, 409, 428].includes(status)), `answers to appends: ${summary}`);
    assert.equal(committed, answers.at(-1) === 201, `a commit succeeds if and only if its last append does: ${summary}`);
  }
  const committed = outcomes.filter((outcome) => outcome.committed);
  const sure = committed.filter(({ merges }) => merges <= 1).map(({ writer }) => writer);
  await stage.run("readAll", { identifier, sure, versions: 1 + committed.length });
}

module.exports = { play, steps };
