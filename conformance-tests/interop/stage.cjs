// Runs the steps of one scenario, each in a fresh process, from the driver.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { fork } = require("node:child_process");

/** Longest run of one step, in milliseconds: above the limit of a single SDK call. */
const STEP_MS_MAX = 180_000;
/** How much of a session's console output is kept to explain a failure. */
const OUTPUT_CHARS_MAX = 4000;

class Stage {
  /** `file` is the scenario's module, `baseUrl` the node under test. */
  constructor(file, baseUrl) {
    this.file = file;
    this.baseUrl = baseUrl;
    this.exchanges = [];
    this.announced = [];
    this.sessions = new Set();
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "kiln-interop-"));
  }

  /** Runs one step in a fresh process and gives its result. */
  run(step, given = {}, file = this.file) {
    return new Promise((resolve, reject) => {
      const session = fork(path.join(__dirname, "session.cjs"), [], {
        cwd: this.folder,
        env: this.environment(),
        silent: true,
        serialization: "advanced",
      });
      this.sessions.add(session);
      let output = "";
      const keep = (chunk) => {
        output = (output + chunk).slice(-OUTPUT_CHARS_MAX);
      };
      session.stdout.on("data", keep);
      session.stderr.on("data", keep);

      const finish = (settle, value) => {
        clearTimeout(timer);
        this.sessions.delete(session);
        if (session.connected) {
          session.disconnect();
        }
        settle(value);
      };
      const refuse = (reason) => finish(reject, Object.assign(new Error(`${step}: ${reason}`), { output }));
      const timer = setTimeout(() => {
        session.kill("SIGKILL");
        refuse(`the step has not ended within ${STEP_MS_MAX / 1000} s`);
      }, STEP_MS_MAX);
      session.on("message", (message) => this.receive(message, session, { resolve: (v) => finish(resolve, v), refuse }));
      session.on("error", (error) => refuse(error.message));
      session.on("exit", (code, signal) => refuse(`the process ended without a result (code ${code}, signal ${signal})`));
      this.announced.forEach((name) => session.send({ heard: name }));
      session.send({ scenario: file, step, given });
    });
  }

  receive(message, sender, { resolve, refuse }) {
    if (message.announce) {
      this.announced.push(message.announce);
      for (const session of this.sessions) {
        if (session !== sender) {
          session.send({ heard: message.announce });
        }
      }
      return;
    }
    this.exchanges.push(...message.exchanges);
    if (message.failure) {
      refuse(message.failure);
    } else {
      resolve(message.result);
    }
  }

  /** BDNS_ROOT_HOSTS is how the SDK, in Node, is told where its node is. */
  environment() {
    const { PATH, HOME, TMPDIR, OPENDSU_SDK } = process.env;
    const inherited = { PATH, HOME, TMPDIR, OPENDSU_SDK };
    const known = Object.fromEntries(Object.entries(inherited).filter(([, value]) => value !== undefined));
    return { ...known, BDNS_ROOT_HOSTS: this.baseUrl, NO_LOGS: "true", DEV: "false" };
  }

  /** Ends what is still running and removes the scratch folder. */
  close() {
    for (const session of this.sessions) {
      session.kill("SIGKILL");
    }
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

module.exports = { Stage };
