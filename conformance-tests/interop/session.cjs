// One process of a scenario: loads the SDK with empty caches, runs one step, and
// reports its result and every HTTP exchange to the driver over the IPC channel.
//
// Started by `stage.cjs`. The first message of the driver says what to run:
// {scenario, step, given}. Further messages are announcements of other sessions.
"use strict";

const wire = require("./wire.cjs");
const { Sdk } = require("./sdk.cjs");

/** What the sessions of one scenario have announced to each other. */
class Board {
  constructor() {
    this.announced = new Map();
    this.waiting = [];
  }

  /** Tells all other sessions of the scenario, now and later ones, that `name` has happened. */
  announce(name) {
    process.send({ announce: name });
  }

  /** Resolves when another session has announced `name`. */
  until(name) {
    if (this.announced.has(name)) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.waiting.push({ name, resolve }));
  }

  hear(name) {
    this.announced.set(name, true);
    for (const waiter of this.waiting.filter((waiting) => waiting.name === name)) {
      waiter.resolve();
    }
  }
}

const board = new Board();
let sdk;
let reported = false;

function report(message) {
  if (reported) {
    return;
  }
  reported = true;
  // The driver hangs up when it has the report: an exit here could overtake it.
  process.send({ ...message, exchanges: wire.recorded() });
}

function fail(error) {
  const during = sdk && sdk.inFlight.size ? ` (during ${[...sdk.inFlight].join(", ")})` : "";
  const reason = error && error.message ? error.message : String(error);
  report({ failure: reason + during, stack: error && error.stack });
}

async function run({ scenario, step, given }) {
  wire.install();
  sdk = new Sdk(process.env.OPENDSU_SDK, board);
  const result = await require(scenario).steps[step](sdk, given);
  report({ result });
}

// The SDK throws some errors outside its callbacks; they belong to the step.
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
process.on("disconnect", () => process.exit(reported ? 0 : 1));
process.on("message", (message) => {
  if (message.heard) {
    board.hear(message.heard);
  } else {
    run(message).catch(fail);
  }
});
