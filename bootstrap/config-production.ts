import type { CrossFault } from "./config-checks.ts"
import type { ParsedConfig } from "./config-schema.ts"
import { weakness } from "./secret-strength.ts"

const MIN_JWT_SECRET_BYTES = 32
const MIN_API_KEY_BYTES = 24
const MIN_TOKEN_BYTES = 16

/** 24 bytes in base64, which is what is looked at. */
const MIN_SIGNING_SECRET = 32
const SIGNING_SECRET = `whsec_ and ${MIN_SIGNING_SECRET} characters or more of base64 (\`roomcast key --signing\` makes one)`

type Path = readonly (string | number)[]
type Secret = readonly [path: Path, secret: string | undefined, least: number, allowed?: string]

const signingSecret = (path: Path, secret: string | undefined): Secret => [
  path,
  secret?.slice("whsec_".length),
  MIN_SIGNING_SECRET,
  SIGNING_SECRET,
]

/** Every secret that is shown to somebody else as it is, with the least length that it may have. RFC 7518, 3.2. */
const secretsOf = (config: ParsedConfig): readonly Secret[] => [
  [["jwt", "secret"], config.jwt.secret, MIN_JWT_SECRET_BYTES],
  [["apiKey"], config.apiKey, MIN_API_KEY_BYTES],
  [["metrics", "token"], config.metrics.token, MIN_TOKEN_BYTES],
  ...config.keys.map(({ secret }, i) => signingSecret(["keys", i, "secret"], secret)),
  ...config.webhooks.endpoints.map(({ secret }, i) => signingSecret(["webhooks", "endpoints", i, "secret"], secret)),
]

/** Secrets that could be guessed. */
export const weakSecrets = (config: ParsedConfig): readonly CrossFault[] =>
  secretsOf(config).flatMap(([path, secret, least, allowed]) => {
    const why = secret === undefined ? undefined : weakness(secret, least)
    if (why === undefined) return []
    return [
      {
        path,
        found: `a weak secret: ${why}`,
        allowed: allowed ?? `${least} bytes or more of random text (\`openssl rand -base64 32\`)`,
      },
    ]
  })

/** What production does not make up. */
export const leftOut = (config: ParsedConfig): readonly CrossFault[] => [
  ...((config.jwt.secret ?? config.jwt.publicKey ?? config.jwt.jwksUrl) === undefined
    ? [
        {
          path: ["jwt"],
          found: "nothing that checks tokens",
          allowed: "in production one of jwt.secret (ROOMCAST_JWT_SECRET), jwt.publicKey, jwt.jwksUrl",
          given: ["jwt.secret", "jwt.publicKey", "jwt.jwksUrl"],
        },
      ]
    : []),
  ...(config.apiKey === undefined && config.keys.length === 0
    ? [
        {
          path: ["apiKey"],
          found: "nothing that opens the HTTP API",
          allowed: "in production apiKey (ROOMCAST_API_KEY) or keys (`roomcast key` makes one)",
          given: ["keys"],
        },
      ]
    : []),
]
