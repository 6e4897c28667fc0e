// The unmodified SDK as a scenario step sees it: its API spaces, and each call
// as a promise that fails when the SDK does not call back in time.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const assert = require("node:assert/strict");
const wire = require("./wire.cjs");
const { assertBytes } = require("./content.cjs");

/** Longest wait for one callback of the SDK, in milliseconds. */
const CALL_MS_MAX = 60_000;

/** The SDK's bundle in a checkout; throws with a clear message when it is not there. */
function bundleOf(checkout) {
  const bundle = path.join(checkout, "builds", "output", "openDSU.js");
  if (!fs.existsSync(bundle)) {
    throw new Error(`OPENDSU_SDK must name a checkout of OpenDSU/opendsu-sdk: there is no ${bundle}`);
  }
  return bundle;
}

/** The error of an SDK callback as one line, with the errors that it wraps. */
function describe(error) {
  const messages = [];
  for (let e = error; e && messages.length < 6; e = e.previousError) {
    const message = typeof e === "string" ? e : e.originalMessage || e.message || JSON.stringify(e);
    if (message && !messages.includes(message)) {
      messages.push(message);
    }
  }
  return messages.join(" <- ").replace(/\s+/g, " ");
}

class Sdk {
  /** Loads the SDK of `checkout`; it finds the node by the environment variable BDNS_ROOT_HOSTS. */
  constructor(checkout, board) {
    require(bundleOf(checkout));
    const openDSU = require("opendsu");
    this.openDSU = openDSU;
    this.resolver = openDSU.loadApi("resolver");
    this.keyssi = openDSU.loadApi("keyssi");
    this.bricking = openDSU.loadApi("bricking");
    this.config = openDSU.loadApi("config");
    this.anchors = openDSU.loadApi("anchoring").getAnchoringX();
    this.wire = wire;
    this.board = board;
    this.inFlight = new Set();
  }

  /**
   * Calls `start` with a callback and gives what the callback got.
   *
   * Fails when the callback reports an error, or when nothing has called back
   * within the time limit: the SDK drops callbacks in some of its own failures.
   */
  call(label, start) {
    this.inFlight.add(label);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${label} has not called back within ${CALL_MS_MAX / 1000} s`)),
        CALL_MS_MAX,
      );
      start((error, result) => {
        clearTimeout(timer);
        if (error) {
          reject(Object.assign(new Error(`${label}: ${describe(error)}`), { cause: error }));
        } else {
          resolve(result);
        }
      });
    }).finally(() => this.inFlight.delete(label));
  }

  /** The error that the call reports; fails when it succeeds. */
  async refused(label, start) {
    let error;
    try {
      await this.call(label, start);
    } catch (reported) {
      error = reported;
    }
    assert.ok(error, `${label} succeeded, but had to be refused`);
    assert.ok(error.cause, error.message);
    return error;
  }

  /** Opens a DSU by its identifier. */
  load(identifier, options = {}) {
    return this.call("loadDSU", (done) => this.resolver.loadDSU(identifier, options, done));
  }

  /** A new seed DSU in `domain`. */
  createSeed(domain, options = {}) {
    return this.call("createSeedDSU", (done) => this.resolver.createSeedDSU(domain, options, done));
  }

  /** Begins a batch, lets `edit` change the DSU, and commits: one new version. */
  async change(dsu, edit) {
    const batch = await this.begin(dsu);
    await edit(dsu);
    await this.commit(dsu, batch);
  }

  begin(dsu) {
    return this.call("safeBeginBatch", (done) => dsu.safeBeginBatch(done));
  }

  commit(dsu, batch) {
    return this.call("commitBatch", (done) => dsu.commitBatch(batch, done));
  }

  /** Any method of a DSU by name: `on(dsu, "rename", "/a", "/b")`. */
  on(dsu, method, ...args) {
    return this.call(`${method} ${typeof args[0] === "string" ? args[0] : ""}`.trim(), (done) => dsu[method](...args, done));
  }

  write(dsu, file, content, options = {}) {
    return this.on(dsu, "writeFile", file, content, options);
  }

  read(dsu, file) {
    return this.on(dsu, "readFile", file);
  }

  /** Fails unless each path of `files` reads back as exactly its bytes. */
  async expectFiles(dsu, files) {
    for (const [file, expected] of Object.entries(files)) {
      assertBytes(await this.read(dsu, file), expected, file);
    }
  }

  /** Fails unless the DSU lists exactly these files (the SDK's own log aside). */
  async expectListing(dsu, expected, folder = "/") {
    const listed = await this.on(dsu, "listFiles", folder);
    const own = listed.filter((file) => file !== "dsu-metadata-log").sort();
    assert.deepEqual(own, [...expected].sort(), `files of ${folder}`);
  }

  /** The identifier of a DSU, to give to another process. */
  identifier(dsu) {
    return this.on(dsu, "getKeySSIAsString");
  }

  /** The versions of a DSU, oldest first, as the SDK lists them. */
  async versions(identifier) {
    const values = await this.call("getAllVersions", (done) => this.anchors.getAllVersions(identifier, done));
    return values.map((value) => value.getIdentifier());
  }

  exists(identifier) {
    return this.call("dsuExists", (done) => this.resolver.dsuExists(identifier, done));
  }
}

module.exports = { Sdk, bundleOf };
