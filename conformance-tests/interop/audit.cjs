// What the node holds, read back over plain HTTP without the SDK, against what
// the SDK believes that it wrote.
"use strict";

const assert = require("node:assert/strict");
const { brickName, parseIdentifier } = require("./base58.cjs");

/** Longest wait for one answer of the node, in milliseconds. */
const ANSWER_MS_MAX = 30_000;

const accepted = (exchange) => exchange.status >= 200 && exchange.status < 300;

async function get(origin, path) {
  // The audit's own credential: the SDK does not know it.
  const key = process.env.AUDIT_API_KEY;
  const headers = key ? { "x-api-key": key } : {};
  const response = await fetch(origin + path, { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  return { status: response.status, body: Buffer.from(await response.arrayBuffer()) };
}

/** Where requests may go: to the node, and to the services that its BDNS names. */
async function knownOrigins(baseUrl) {
  const answer = await get(baseUrl, "/bdns");
  assert.equal(answer.status, 200, "GET /bdns");
  const urls = answer.body.toString("utf8").match(/https?:\/\/[^"/]+/g) || [];
  return new Set([baseUrl, ...urls.map((url) => new URL(url).origin)]);
}

/** The writes among the exchanges, by kind. */
function writesOf(exchanges) {
  const bricks = [];
  const anchorings = [];
  const documents = new Map();
  for (const exchange of exchanges.filter(({ method }) => method === "PUT")) {
    const [, service, domain, action, id, value] = exchange.path.split("/");
    if (service === "bricking" && action === "put-brick") {
      bricks.push({ domain, exchange });
    } else if (service === "anchor" && ["create-anchor", "append-to-anchor"].includes(action)) {
      anchorings.push({ domain, id, value, exchange });
    } else if (service === "versionlessdsu") {
      documents.set(exchange.path, exchange);
    } else {
      throw new Error(`the SDK sent an unexpected PUT ${exchange.path}`);
    }
  }
  return { bricks, anchorings, documents };
}

/** Each brick: acknowledged under the hash of the bytes sent, there, and the same bytes. */
async function auditBrick({ domain, exchange }) {
  const { origin } = exchange;
  assert.equal(exchange.status, 201, `put-brick in ${domain} answered ${exchange.status} ${exchange.answer}`);
  const name = JSON.parse(exchange.answer).message;
  assert.equal(name, exchange.bodyHash, "put-brick answered another name than the hash of the bytes sent");
  const exists = await get(origin, `/bricking/${domain}/brick-exists/${name}`);
  assert.equal(`${exists.status} ${exists.body}`, "200 true", `brick-exists of ${name}`);
  const brick = await get(origin, `/bricking/${domain}/get-brick/${name}`);
  assert.equal(brick.status, 200, `get-brick of ${name}`);
  assert.equal(brick.body.length, exchange.bodyBytes, `length of brick ${name}`);
  assert.equal(brickName(brick.body), name, `the bytes of brick ${name} do not hash to its name`);
}

/**
 * One anchor: the node lists exactly the values that it acknowledged, none that
 * it refused, and its last version is the last of the list.
 */
async function auditAnchor(domain, id, anchorings) {
  const { origin } = anchorings[0].exchange;
  const answer = await get(origin, `/anchor/${domain}/get-all-versions/${id}`);
  assert.equal(answer.status, 200, `get-all-versions of ${id}`);
  const listed = JSON.parse(answer.body);
  const acknowledged = anchorings.filter(({ exchange }) => accepted(exchange)).map(({ value }) => value);
  assert.deepEqual([...listed].sort(), [...acknowledged].sort(), `versions of ${id}: listed and acknowledged`);
  const created = anchorings.find(({ exchange }) => exchange.path.includes("/create-anchor/") && accepted(exchange));
  assert.equal(listed[0], created.value, `the first version of ${id} is the one that created it`);
  const last = await get(origin, `/anchor/${domain}/get-last-version/${id}`);
  assert.deepEqual(JSON.parse(last.body), { message: listed.at(-1) }, `last version of ${id}`);
  return listed;
}

/** The brick map of each version was among the bricks, in the bricks domain that its value names. */
function auditBrickMaps(values, bricks) {
  for (const value of values) {
    const { domain, specific } = parseIdentifier(value);
    const written = bricks.some((brick) => brick.domain === domain && brick.exchange.bodyHash === specific);
    assert.ok(written, `the brick map ${specific} of a listed version was never put into ${domain}`);
  }
}

async function auditDocument(path, exchange) {
  assert.equal(exchange.status, 200, `PUT ${path}`);
  const answer = await get(exchange.origin, path);
  assert.equal(answer.status, 200, `GET ${path}`);
  assert.equal(brickName(answer.body), exchange.bodyHash, `${path} is not what was put there last`);
}

/**
 * Checks all writes of a scenario. `stage` runs the last check in a fresh SDK
 * process: it lists the same versions, and its full check of all signatures holds.
 *
 * Gives how many bricks, versions and documents were found.
 */
async function audit(baseUrl, stage) {
  const { bricks, anchorings, documents } = writesOf(stage.exchanges);
  assert.ok(bricks.length + documents.size > 0, "the scenario wrote nothing that was recorded");
  const origins = await knownOrigins(baseUrl);
  for (const { origin, method, path } of stage.exchanges) {
    assert.ok(origins.has(origin), `${method} ${path} went to ${origin}, which the BDNS of ${baseUrl} does not name`);
  }
  for (const brick of bricks) {
    await auditBrick(brick);
  }
  const anchors = {};
  for (const { domain, id } of anchorings) {
    if (!anchors[id]) {
      const ofThisAnchor = anchorings.filter((anchoring) => anchoring.id === id);
      anchors[id] = await auditAnchor(domain, id, ofThisAnchor);
      auditBrickMaps(anchors[id], bricks);
    }
  }
  for (const [path, exchange] of documents) {
    await auditDocument(path, exchange);
  }
  if (Object.keys(anchors).length > 0) {
    await stage.run("listVersions", anchors, __filename);
  }
  const versions = Object.values(anchors).flat().length;
  return { bricks: bricks.length, versions, documents: documents.size };
}

const steps = {
  async listVersions(sdk, anchors) {
    // Level 0 makes the SDK verify every signature of a history, not only read it.
    sdk.config.set("trustLevel", 0);
    for (const [id, listed] of Object.entries(anchors)) {
      assert.deepEqual(await sdk.versions(id), listed, `versions of ${id} as the SDK lists them`);
    }
  },
};

module.exports = { audit, steps };
