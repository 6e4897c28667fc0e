// The unmodified SDK as a long-lived process that a test drives.
//
//   OPENDSU_SDK=<checkout> BDNS_ROOT_HOSTS=<base url> node peer.cjs
//
// One JSON object per line on standard input: {"call": <name>, ...}; one per line on standard
// output: {"result": ...} or {"error": <why>}. Calls are answered in order. Bytes travel as base64.
// What the SDK itself prints goes to standard error. Ends when its input ends.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

// The SDK prints to the console; standard output is for answers.
for (const method of ["log", "info", "debug", "warn", "trace"]) {
  console[method] = (...args) => console.error(...args);
}

const { Sdk } = require("./sdk.cjs");

const sdk = new Sdk(process.env.OPENDSU_SDK);

const decode = (base64) => Buffer.from(base64, "base64");

/** The options of one write: the size of a brick, if the operation names one. */
const sized = ({ brickBytes }) => (brickBytes ? { bufferSize: brickBytes } : {});

/** What an operation of a test does to a DSU. */
const operations = {
  write: (dsu, op) => sdk.write(dsu, op.path, decode(op.bytes), sized(op)),
  append: (dsu, op) => sdk.on(dsu, "appendToFile", op.path, decode(op.bytes), sized(op)),
  embedText: (dsu, op) => sdk.write(dsu, op.path, op.text, { embed: true }),
  embedBytes: (dsu, op) => sdk.write(dsu, op.path, decode(op.bytes), { embed: true }),
  appendText: (dsu, op) => sdk.on(dsu, "appendToFile", op.path, op.text, {}),
  createFolder: (dsu, op) => sdk.on(dsu, "createFolder", op.path),
  delete: (dsu, op) => sdk.on(dsu, "delete", op.path),
  rename: (dsu, op) => sdk.on(dsu, "rename", op.path, op.to),
  copy: (dsu, op) => sdk.on(dsu, "cloneFolder", op.path, op.to),
  mount: (dsu, op) => sdk.on(dsu, "mount", op.path, op.ssi),
  unmount: (dsu, op) => sdk.on(dsu, "unmount", op.path),
  compact: (dsu, op) => compact(dsu, op),
};

/** Adds files as the slices of one container brick; the SDK takes them from a folder on disk. */
async function compact(dsu, { path: place, files }) {
  const folder = fs.mkdtempSync(path.join(process.cwd(), "compact-"));
  for (const [name, bytes] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, decode(bytes));
  }
  await sdk.on(dsu, "addFolder", path.relative(process.cwd(), folder), place, { embedded: true });
  fs.rmSync(folder, { recursive: true });
}

/** Carries out the operations as one version. */
async function edit(dsu, list) {
  await sdk.change(dsu, async () => {
    for (const op of list) {
      await operations[op.op](dsu, op);
    }
  });
}

/** A new DSU of a kind, not yet anchored. */
function create({ kind, domain, text, elements, ssi, application }) {
  const options = { addLog: false };
  switch (kind) {
    case "seed":
      return ssi ? existing(ssi, options) : sdk.createSeed(domain, options);
    case "const":
      return sdk.call("createConstDSU", (done) => sdk.resolver.createConstDSU(domain, text, options, done));
    case "array":
      return sdk.call("createArrayDSU", (done) => sdk.resolver.createArrayDSU(domain, elements, options, done));
    case "wallet":
      return existing(sdk.keyssi.createTemplateWalletSSI(domain, elements), { dsuTypeSSI: application });
    default:
      throw new Error(`no kind ${kind}`);
  }
}

function existing(ssi, options) {
  return sdk.call("createDSUForExistingSSI", (done) => sdk.resolver.createDSUForExistingSSI(ssi, options, done));
}

/** The bytes of what readFile gives: it leaves embedded bytes as an object. */
function bytesOf(content) {
  if (typeof content === "string") {
    return Buffer.from(content, "utf8");
  }
  return content && content.type === "Buffer" && Array.isArray(content.data) ? Buffer.from(content.data) : content;
}

async function describe(dsu) {
  const files = {};
  for (const file of await sdk.on(dsu, "listFiles", "/")) {
    const bytes = bytesOf(await sdk.read(dsu, `/${file}`));
    files[`/${file}`] = { bytes: bytes.length, sha256: crypto.createHash("sha256").update(bytes).digest("hex") };
  }
  const folders = await sdk.on(dsu, "listFolders", "/", { recursive: true });
  return { files, folders: folders.map((folder) => `/${folder}`) };
}

/** Loads the newest version, or the one at a place in the list of versions. */
async function load({ ssi, version }) {
  if (version === undefined || version === null) {
    return sdk.load(ssi);
  }
  const values = await sdk.call("getAllVersions", (done) => sdk.anchors.getAllVersions(ssi, done));
  return sdk.call("loadDSUVersion", (done) => sdk.resolver.loadDSUVersion(ssi, values[version], {}, done));
}

/** A batch that was begun and not committed, by a name of the test's choice. */
const begun = new Map();

const calls = {
  /** Makes a DSU; with operations it is anchored. Gives its identifier and that of a wallet's writable part. */
  async create(given) {
    const dsu = await create(given);
    if (given.ops.length > 0) {
      await edit(given.kind === "wallet" ? dsu.getWritableDSU() : dsu, given.ops);
    }
    const writable = given.kind === "wallet" ? await sdk.identifier(dsu.getWritableDSU()) : null;
    return { ssi: await sdk.identifier(dsu), writable };
  },
  /** One more version of a DSU. */
  async change({ ssi, ops }) {
    await edit(await sdk.load(ssi), ops);
  },
  /** One more version of the writable part of a wallet, found by the wallet's key. */
  async changeWritable({ ssi, ops }) {
    const wallet = await sdk.load(ssi);
    await edit(wallet.getWritableDSU(), ops);
  },
  /** Opens a DSU and carries out operations without committing them. */
  async begin({ name, ssi, ops }) {
    const dsu = await sdk.load(ssi);
    const batch = await sdk.begin(dsu);
    for (const op of ops) {
      await operations[op.op](dsu, op);
    }
    begun.set(name, { dsu, batch });
  },
  /** Commits what was begun. */
  async commit({ name }) {
    const { dsu, batch } = begun.get(name);
    begun.delete(name);
    await sdk.commit(dsu, batch);
  },
  /** Every file with its size and hash, and every folder. */
  async read(given) {
    return describe(await load(given));
  },
  /** What is mounted: path to identifier. */
  async mounts({ ssi }) {
    const mounts = await sdk.on(await sdk.load(ssi), "listMountedDSUs", "/");
    return Object.fromEntries(mounts.map(({ path: place, identifier }) => [`/${place}`, identifier]));
  },
  /**
   * The versions of an anchor, oldest first, with every signature checked. Takes the anchor's id: given
   * a key that signs, the SDK checks against that key's own identifier and finds no signature right.
   */
  async versions({ anchor }) {
    sdk.config.set("trustLevel", 0);
    try {
      return await sdk.versions(anchor);
    } finally {
      sdk.config.set("trustLevel", 1);
    }
  },
};

function answer(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Fails the call under way: the SDK throws some errors outside its callbacks. */
let fail = () => {};

async function serve(line) {
  const request = JSON.parse(line);
  const thrown = new Promise((_, reject) => {
    fail = reject;
  });
  try {
    const result = await Promise.race([calls[request.call](request), thrown]);
    answer({ result: result === undefined ? null : result });
  } catch (error) {
    answer({ error: (error && error.message) || String(error) });
  }
}

process.on("uncaughtException", (error) => fail(error));
process.on("unhandledRejection", (error) => fail(error));

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await serve(line);
  }
  process.exit(0);
}

main();
