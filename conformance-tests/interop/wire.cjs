// Records every HTTP exchange of this process, from outside the SDK.
//
// The SDK calls `http.request`, `https.request` and the global `fetch` of Node.
// They are wrapped before the SDK is loaded, so that no line of the SDK changes
// and its requests still go straight to the node. Bodies are kept as a hash and
// a length, because a scenario may send 25 MB.
"use strict";

const crypto = require("node:crypto");
const { base58 } = require("./base58.cjs");

/** Longest answer that is kept as text: the answers to writes are short. */
const ANSWER_CHARS_MAX = 2000;

const exchanges = [];
const holds = [];

/** All exchanges so far, oldest first. */
function recorded() {
  return exchanges;
}

/**
 * Keeps the next request whose method and path match `pattern` (tested on
 * `"PUT /path"`) from leaving this process until `release` resolves.
 *
 * Returns a promise that resolves when a request has been caught.
 */
function holdNext(pattern, release) {
  return new Promise((caught) => holds.push({ pattern, release, caught }));
}

function takeHold(exchange) {
  const index = holds.findIndex((hold) => hold.pattern.test(`${exchange.method} ${exchange.path}`));
  return index < 0 ? undefined : holds.splice(index, 1)[0];
}

function startExchange(method, url) {
  const { origin, pathname, search } = new URL(url);
  const exchange = { method, origin, path: pathname + search, status: 0, bodyBytes: 0, bodyHash: "", answer: "" };
  exchanges.push(exchange);
  return exchange;
}

function wrapRequest(network) {
  const original = network.request;
  network.request = function request(...args) {
    const sent = original.apply(this, args);
    const port = args[0] && args[0].port ? `:${args[0].port}` : "";
    const exchange = startExchange(sent.method, `${sent.protocol}//${sent.host}${port}${sent.path}`);
    recordBody(sent, exchange);
    sent.on("response", (response) => {
      exchange.status = response.statusCode;
      response.on("data", (chunk) => {
        exchange.answer = (exchange.answer + chunk.toString()).slice(0, ANSWER_CHARS_MAX);
      });
    });
    return sent;
  };
}

function recordBody(sent, exchange) {
  const digest = crypto.createHash("sha256");
  const note = (chunk, encoding) => {
    if (typeof chunk === "string" || ArrayBuffer.isView(chunk)) {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk, typeof encoding === "string" ? encoding : "utf8") : chunk;
      digest.update(bytes);
      exchange.bodyBytes += bytes.byteLength;
    }
  };
  const write = sent.write.bind(sent);
  const end = sent.end.bind(sent);
  sent.write = (chunk, ...rest) => {
    note(chunk, rest[0]);
    return write(chunk, ...rest);
  };
  sent.end = (chunk, ...rest) => {
    note(chunk, rest[0]);
    exchange.bodyHash = base58(digest.digest());
    const hold = takeHold(exchange);
    if (!hold) {
      return chunk === undefined ? end() : end(chunk, ...rest);
    }
    hold.caught();
    hold.release.then(() => (chunk === undefined ? end() : end(chunk, ...rest)));
    return sent;
  };
}

function wrapFetch() {
  const original = globalThis.fetch;
  globalThis.fetch = async function fetch(input, init) {
    const url = typeof input === "string" ? input : input.url || String(input);
    const exchange = startExchange((init && init.method) || "GET", url);
    const response = await original(input, init);
    exchange.status = response.status;
    return response;
  };
}

/** Starts the recording. Call it once, before the SDK is loaded. */
function install() {
  wrapRequest(require("http"));
  wrapRequest(require("https"));
  wrapFetch();
}

module.exports = { install, recorded, holdNext };
