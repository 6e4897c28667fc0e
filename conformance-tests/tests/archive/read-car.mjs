// Reads an archive with the CAR reader of the IPLD project, hashes every block with Node's own
// crypto, and says what the manifest links. Nothing of Kiln takes part.
//
// node read-car.mjs FILE.car      beside a folder node_modules with @ipld/car and @ipld/dag-cbor

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { CarBlockIterator } from '@ipld/car'
import { decode } from '@ipld/dag-cbor'

const iterator = await CarBlockIterator.fromIterable(createReadStream(process.argv[2]))
const roots = (await iterator.getRoots()).map(String)
const blocks = new Map()
for await (const { cid, bytes } of iterator) {
  const digest = createHash('sha256').update(bytes).digest()
  if (cid.multihash.code !== 0x12 || Buffer.compare(digest, cid.multihash.digest) !== 0) {
    throw new Error(`the bytes of ${cid} do not hash to it`)
  }
  if (blocks.has(String(cid))) throw new Error(`${cid} is there twice`)
  blocks.set(String(cid), bytes)
}
const manifest = decode(blocks.get(roots[0]))
const dsus = manifest.dsus.map(({ anchor, values, bricks }) => ({
  anchor,
  versions: values.length,
  links: bricks.flatMap(({ links }) => links.map(String)),
}))
const linked = new Set([roots[0], ...dsus.flatMap(({ links }) => links)])
console.log(JSON.stringify({
  roots,
  blocks: blocks.size,
  format: manifest.format,
  version: manifest.version,
  versions: dsus.map(({ versions }) => versions),
  missing: [...linked].filter((cid) => !blocks.has(cid)),
  unlinked: [...blocks.keys()].filter((cid) => !linked.has(cid)),
}))
