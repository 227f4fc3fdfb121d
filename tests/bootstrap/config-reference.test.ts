import { readFileSync } from "node:fs"
import { expect, it } from "vitest"
import { parse } from "yaml"
import { KEYS } from "#bootstrap/config-keys.ts"
import { configReference } from "#bootstrap/config-reference.ts"
import { configJsonSchema, formatDuration, showConfig } from "#bootstrap/show-config.ts"
import { loaded, mistakesIn, STRONG_KEY, STRONG_SECRET } from "./load-from.ts"

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

it("docs/configuration.md and docs/roomcast.schema.json are what `npm run docs:config` writes", () => {
  expect(read("docs/configuration.md")).toBe(configReference())
  expect(JSON.parse(read("docs/roomcast.schema.json"))).toEqual(JSON.parse(configJsonSchema()))
})

it("the reference names every key and variable", () => {
  const page = configReference()
  for (const { env, path } of KEYS.filter(({ facts }) => facts !== undefined)) {
    expect(page).toContain(`| \`${path}\` `)
    expect(page).toContain(`| \`${env}\` `)
  }
})

it("the example file is right in production, with a secret beside it", () => {
  const file = read("examples/roomcast.yaml")
  const { config, warnings } = loaded({ file, env: { ROOMCAST_JWT_SECRET: STRONG_SECRET }, production: true })
  expect(config.rooms.map(({ match }) => match)).toEqual(["news:*", "chat:*", "board:*"])
  expect(warnings).toEqual([])
})

it(".env.example names variables that exist, and sets none", () => {
  const lines = read(".env.example")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
  const known = ["NODE_ENV", "ROOMCAST_CONFIG", ...KEYS.map(({ env }) => env)]
  expect(lines.length).toBeGreaterThan(10)
  for (const line of lines) expect(known.map((name) => `${name}=`)).toContain(line)
})

it("prints a configuration that is one, with its secrets hidden", () => {
  const file = `
jwt: { secret: ${STRONG_SECRET}, maxLifetime: 36h }
apiKey: ${STRONG_KEY}
keys: [{ id: a, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, scopes: [read] }]
webhooks: { endpoints: [{ url: "https://b.example/hook?token=hunter2", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }] }
metrics: { token: ${STRONG_KEY}x }
presence: { grace: 1500 }`
  const shown = showConfig(loaded({ file, production: true }))
  expect(shown).not.toMatch(new RegExp(`${STRONG_SECRET}|${STRONG_KEY}|MfKQ|hunter2`))
  expect(parse(shown)).toMatchObject({
    port: 8137,
    host: "0.0.0.0",
    jwt: { secret: "(hidden)", maxLifetime: "36h" },
    presence: { grace: "1500ms" },
    webhooks: { endpoints: [{ url: "https://b.example/hook?(hidden)", secret: "(hidden)", events: ["*"] }] },
  })
  const again = mistakesIn({ file: shown }).map(({ key }) => key)
  expect(again).toEqual(["keys[0].secret", "webhooks.endpoints[0].secret", "apiKey"])
})

it("writes durations in their largest whole unit", () => {
  expect([0, 500, 1_000, 90_000, 3_600_000, 86_400_000, 604_800_000].map(formatDuration)).toEqual([
    "0ms",
    "500ms",
    "1s",
    "90s",
    "1h",
    "1d",
    "7d",
  ])
})
