// Files of the sizes at which something changes: empty, one brick, the border
// between bricks, several bricks, and content stored in clear.
"use strict";

const fs = require("node:fs");
const { Readable } = require("node:stream");
const { bytesOf, assertBytes } = require("../content.cjs");

/** [path, bytes, write options]; the reason for each size stands beside it. */
const FILES = [
  ["/empty.bin", 0, {}], // one brick that holds an empty chunk
  ["/one.bin", 1, {}], // the smallest content
  ["/block-15.bin", 15, {}], // around the cipher's block
  ["/block-16.bin", 16, {}],
  ["/block-17.bin", 17, {}],
  ["/4095.bin", 4095, {}], // around the size from which a node may store values apart
  ["/4096.bin", 4096, {}],
  ["/4097.bin", 4097, {}],
  ["/border-below.bin", 99_999, { bufferSize: 100_000 }], // around the border between bricks
  ["/border.bin", 100_000, { bufferSize: 100_000 }],
  ["/border-above.bin", 100_001, { bufferSize: 100_000 }],
  ["/many.bin", 1000, { bufferSize: 10 }], // 100 bricks of 10 bytes
  ["/clear.bin", 50_000, { encrypt: false }], // stored as it is
  ["/clear-many.bin", 50_000, { encrypt: false, bufferSize: 8192 }],
];

const contentOf = (file, length) => bytesOf(`file-sizes ${file}`, length);
const STREAMED = "/streamed.bin";
const APPENDED = "/appended.bin";
const FROM_DISK = "/from-disk.bin";

const EXPECTED = {
  ...Object.fromEntries(FILES.map(([file, length]) => [file, contentOf(file, length)])),
  [STREAMED]: contentOf(STREAMED, 300_000),
  [APPENDED]: Buffer.concat([contentOf("first part", 1000), contentOf("second part", 2000)]),
  [FROM_DISK]: contentOf(FROM_DISK, 40_000),
};

const steps = {
  async write(sdk) {
    const dsu = await sdk.createSeed("default");
    await sdk.change(dsu, async () => {
      for (const [file, length, options] of FILES) {
        await sdk.write(dsu, file, contentOf(file, length), options);
      }
      await sdk.write(dsu, STREAMED, Readable.from([EXPECTED[STREAMED].subarray(0, 100_000), EXPECTED[STREAMED].subarray(100_000)]));
      await sdk.write(dsu, APPENDED, contentOf("first part", 1000));
      await sdk.on(dsu, "appendToFile", APPENDED, contentOf("second part", 2000), {});
      fs.writeFileSync("from-disk.bin", EXPECTED[FROM_DISK]);
      await sdk.on(dsu, "addFile", "from-disk.bin", FROM_DISK, {});
    });
    await sdk.expectFiles(dsu, EXPECTED);
    return sdk.identifier(dsu);
  },

  async read(sdk, identifier) {
    const dsu = await sdk.load(identifier);
    await sdk.expectFiles(dsu, EXPECTED);
    await sdk.expectListing(dsu, Object.keys(EXPECTED).map((file) => file.slice(1)));

    const stream = await sdk.on(dsu, "createReadStream", STREAMED, {});
    const chunks = [];
    for await (const chunk of stream) {
      chunks.push(chunk);
    }
    assertBytes(Buffer.concat(chunks), EXPECTED[STREAMED], `${STREAMED} as a stream`);
  },
};

async function play(stage) {
  const identifier = await stage.run("write");
  await stage.run("read", identifier);
}

module.exports = { play, steps };
