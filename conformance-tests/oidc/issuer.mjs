// An OpenID Connect issuer on loopback for `tests/oidc`: oidc-provider, and by its side a signer of
// tokens that no issuer would give out.
//
//   node issuer.mjs NODE_MODULES
//
// One JSON object per line on stdin, one answer per line on stdout. The first answer comes unasked
// and holds the issuer. See `commands`.

import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import path from 'node:path'
import readline from 'node:readline'
import { pathToFileURL } from 'node:url'

const modules = path.resolve(process.argv[2])
const load = (file) => import(pathToFileURL(path.join(modules, file)))
// Stdout is for answers.
console.info = console.warn
const { default: Provider } = await load('oidc-provider/lib/index.js')
const { importJWK, SignJWT } = await load('jose/dist/webapi/index.js')

const RESOURCE = 'urn:kiln:node'
const CLIENT = { id: 'lab-7', secret: 'known-to-everybody' }

let answer = (request, response) => response.writeHead(503).end()
let looks = 0
const server = createServer((request, response) => {
  if (request.url === '/jwks') looks += 1
  answer(request, response)
})
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const issuer = `http://127.0.0.1:${server.address().port}`

let generation = 0
let keys = []
let algorithm = 'RS256'

// New keys of all kinds under new names, and a provider that knows nothing else.
function rotate() {
  generation += 1
  const kinds = [
    ['RS256', 'rsa', { modulusLength: 2048 }],
    ['ES256', 'ec', { namedCurve: 'P-256' }],
    ['EdDSA', 'ed25519', {}],
  ]
  keys = kinds.map(([alg, kind, options]) => {
    const { privateKey } = generateKeyPairSync(kind, options)
    return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${generation}` }
  })
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: 'RS256',
    }],
    scopes: ['anchor'],
    ttl: { ClientCredentials: 600 },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
    extraTokenClaims: () => ({ groups: ['readers', 'writers'] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'anchor',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
  })
  answer = provider.callback()
}

const now = () => Math.floor(Date.now() / 1000)
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

// A token with these changes to a good one. `null` takes a claim or a header away.
async function sign({ header = {}, claims = {}, key = 'own' }) {
  const own = keys.find((it) => it.alg === 'RS256')
  const good = { iss: issuer, aud: RESOURCE, sub: 'somebody', iat: now(), exp: now() + 600, groups: ['writers'] }
  const whole = (base, changes) => Object.fromEntries(
    Object.entries({ ...base, ...changes }).filter(([, value]) => value !== null))
  const payload = whole(good, claims)
  const head = whole({ alg: 'RS256', typ: 'at+jwt', kid: own.kid }, header)
  if (key === 'none') return `${encode(head)}.${encode(payload)}.`
  if (key === 'public-as-secret') {
    const pem = createPublicKey({ key: own, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    return new SignJWT(payload).setProtectedHeader(head).sign(new TextEncoder().encode(pem))
  }
  const stranger = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const signer = key === 'stranger' ? stranger() : await importJWK(own, 'RS256')
  const crit = head.crit && Object.fromEntries(head.crit.map((name) => [name, true]))
  return new SignJWT(payload).setProtectedHeader(head).sign(signer, { crit })
}

const commands = {
  // A token as clients get it: from the token endpoint, with the client's credentials.
  async token({ signed_with = 'RS256', resource = RESOURCE }) {
    algorithm = signed_with
    const response = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'anchor', resource }),
    })
    const body = await response.json()
    if (!response.ok) throw new Error(JSON.stringify(body))
    return body.access_token
  },
  sign,
  now: () => now(),
  rotate: () => rotate(),
  // How often the keys were read.
  looks: () => looks,
}

rotate()
console.log(JSON.stringify({ issuer }))
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { call, ...options } = JSON.parse(line)
  try {
    console.log(JSON.stringify({ result: (await commands[call](options)) ?? null }))
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }))
  }
}
process.exit(0)
