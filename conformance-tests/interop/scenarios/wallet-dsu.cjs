// A wallet: opened by user name and password, it holds a constant DSU that
// mounts a writable one, which in turn mounts the application's code.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { bytesOf, text } = require("../content.cjs");

const DOMAIN = "vault";
const CODE = { "/index.html": text("<h1>wallet</h1>"), "/lib/app.bin": bytesOf("wallet code", 30_000) };
const PRIVATE = { "/notes/one.txt": text("only the owner reads this"), "/keys.bin": bytesOf("wallet keys", 64) };

const walletSsi = (sdk, credentials) => sdk.keyssi.createTemplateWalletSSI(DOMAIN, credentials);

const steps = {
  async write(sdk, { credentials }) {
    const code = await sdk.createSeed(DOMAIN);
    await sdk.change(code, async () => {
      for (const [file, content] of Object.entries(CODE)) {
        await sdk.write(code, file, content);
      }
    });
    const dsuTypeSSI = await sdk.identifier(code);
    const wallet = await sdk.call("createDSUForExistingSSI", (done) =>
      sdk.resolver.createDSUForExistingSSI(walletSsi(sdk, credentials), { dsuTypeSSI }, done),
    );
    const writable = wallet.getWritableDSU();
    await sdk.change(writable, async () => {
      for (const [file, content] of Object.entries(PRIVATE)) {
        await sdk.write(writable, file, content);
      }
    });
    return sdk.identifier(wallet);
  },

  async read(sdk, { credentials, identifier, more }) {
    assert.equal(walletSsi(sdk, credentials).getIdentifier(), identifier);
    const wallet = await sdk.load(identifier);
    const writable = wallet.getWritableDSU();
    const files = { ...PRIVATE, ...more };
    await sdk.expectFiles(writable, files);
    for (const [file, content] of Object.entries(CODE)) {
      await sdk.expectFiles(writable, { [`/code${file}`]: content });
      await sdk.expectFiles(wallet, { [`/writableDSU/code${file}`]: content });
    }
    for (const [file, content] of Object.entries(files)) {
      await sdk.expectFiles(wallet, { [`/writableDSU${file}`]: content });
    }
  },

  async addNote(sdk, { credentials }) {
    const wallet = await sdk.load(walletSsi(sdk, credentials).getIdentifier());
    const writable = wallet.getWritableDSU();
    await sdk.change(writable, () => sdk.write(writable, "/notes/two.txt", text("added by a later session")));
  },
};

async function play(stage) {
  const credentials = [`user-${crypto.randomUUID()}`, "correct horse battery staple"];
  const identifier = await stage.run("write", { credentials });
  await stage.run("read", { credentials, identifier, more: {} });
  await stage.run("addNote", { credentials });
  const more = { "/notes/two.txt": text("added by a later session") };
  await stage.run("read", { credentials, identifier, more });
}

module.exports = { play, steps };
