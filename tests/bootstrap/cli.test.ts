import { createHash } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { decodeJwt, jwtVerify } from "jose"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { version } from "#bootstrap/version.ts"
import { runCli } from "#tests/support/run-cli.ts"
import { loaded } from "./load-from.ts"

let folder = ""
let configFile = ""
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "roomcast-test-"))
  configFile = join(folder, "roomcast.yaml")
  writeFileSync(configFile, "jwt: { secret: of-the-file, issuer: me, audience: them, maxLifetime: 2h }\nport: 9001\n")
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("roomcast", () => {
  it("lists its commands, with examples", async () => {
    const help = await runCli(["--help"])
    expect(help).toMatchObject({ code: 0, err: "" })
    for (const word of ["serve", "push", "tail", "token", "key", "config", "Examples:", "Exit codes:"])
      expect(help.out).toContain(word)
    expect((await runCli([])).out).toBe(help.out)
  })

  it.each(["serve", "push", "tail", "token", "key", "config"])(
    "%s --help shows its flags and examples",
    async (name) => {
      const help = await runCli([name, "--help"])
      expect(help).toMatchObject({ code: 0, err: "" })
      expect(help.out).toContain(`Usage: roomcast ${name}`)
      expect(help.out).toMatch(/Examples:\n {2}\S/)
      expect(help.out).toContain("Exit codes:")
      expect((await runCli(["help", name])).out).toBe(help.out)
    },
  )

  it("prints its version", async () => {
    expect(await runCli(["--version"])).toEqual({ code: 0, out: `${version}\n`, err: "" })
  })

  it.each([
    [["pusch"], 'roomcast: unknown command "pusch": did you mean push?\nroomcast --help lists the commands\n'],
    [["--verion"], 'roomcast: unknown flag "--verion"\nroomcast --help lists the commands\n'],
    [
      ["key", "--scops", "x"],
      "roomcast key: unknown flag --scops: did you mean --scopes?\nroomcast key --help shows how\n",
    ],
    [["key", "--id"], "roomcast key: --id needs a value\nroomcast key --help shows how\n"],
    [["key", "--json=1"], "roomcast key: --json takes no value\nroomcast key --help shows how\n"],
    [["key", "--id", "a", "--id", "b"], "roomcast key: --id is given twice\nroomcast key --help shows how\n"],
    [["serve", "now"], 'roomcast serve: unknown argument "now"\nroomcast serve --help shows how\n'],
    [
      ["config", "chek"],
      'roomcast config: say one of check, print, schema, found "chek"\nroomcast config --help shows how\n',
    ],
    [
      ["config", "check", "--set", "x"],
      'roomcast config: --set takes key=value, such as limits.eventsPerSecond=10, found "x"\nroomcast config --help shows how\n',
    ],
    [["push"], "roomcast push: say whom: a room, --user <id> or --all\nroomcast push --help shows how\n"],
    [
      ["push", "a", "b", "{", "--key", "k"],
      "roomcast push: data is JSON: text is written '\"{\"', an object '{\"key\":1}'\nroomcast push --help shows how\n",
    ],
    [
      ["tail", "--url", "ws:x"],
      'roomcast tail: --url takes an http or https URL, such as http://127.0.0.1:8137, found "ws:x"\nroomcast tail --help shows how\n',
    ],
    [["token"], "roomcast token: --sub is needed: the user's id\nroomcast token --help shows how\n"],
  ])("%j is wrong usage, told in one line", async (args, err) => {
    expect(await runCli(args)).toEqual({ code: 2, out: "", err })
  })

  it("push says where it could not reach the gateway", async () => {
    const result = await runCli(["push", "a", "b", "-", "--url", "http://127.0.0.1:1", "--key", "k"], { input: "[1]" })
    expect(result).toMatchObject({ code: 1, out: "" })
    expect(result.err).toMatch(/^roomcast push: http:\/\/127\.0\.0\.1:1 cannot be reached: .+\n$/)
  })
})

describe("roomcast key", () => {
  it("makes a key that the printed entry lets in", async () => {
    const { code, out } = await runCli(["key", "--id", "shop", "--scopes", "publish,manage"])
    expect(code).toBe(0)
    const key = /rc_[\w-]{43}/.exec(out)?.[0] ?? ""
    const hash = `sha256:${createHash("sha256").update(key).digest("base64url")}`
    const entry = { id: "shop", hash, scopes: ["publish", "manage"] }
    const lines = out.split("\n")
    const yaml = lines.slice(lines.indexOf("  keys:"), lines.indexOf("  keys:") + 2).join("\n")
    expect(loaded({ file: yaml, production: false }).config.keys).toEqual([entry])
    const variable = /ROOMCAST_KEYS='(.*)'/.exec(out)?.[1] ?? ""
    expect(loaded({ env: { ROOMCAST_KEYS: variable } }).config.keys).toEqual([entry])
  })

  it("makes another one each time, as JSON where asked", async () => {
    const [first, second] = await Promise.all([runCli(["key", "--json"]), runCli(["key", "--json"])])
    expect(JSON.parse(first.out)).toMatchObject({ id: "backend", scopes: ["publish", "read"] })
    expect(JSON.parse(first.out).key).not.toBe(JSON.parse(second.out).key)
  })

  it("makes signing secrets that production takes", async () => {
    const { secret } = JSON.parse((await runCli(["key", "--signing", "--json"])).out)
    const file = `jwt: { jwksUrl: "https://i.example" }\nkeys: [{ id: a, secret: ${secret}, scopes: [read] }]`
    expect(loaded({ file, production: true }).config.keys[0]?.secret).toBe(secret)
  })
})

describe("roomcast token", () => {
  it("signs with the configured secret, issuer and audience", async () => {
    const args = [
      "--sub",
      "ann",
      "--rooms",
      "a:*",
      "--rooms",
      "b",
      "--publish",
      "a:*",
      "--info",
      '{"n":1}',
      "--expires",
      "90m",
    ]
    const { code, out } = await runCli(["token", "--config", configFile, ...args])
    expect(code).toBe(0)
    const secret = new TextEncoder().encode("of-the-file")
    const { payload } = await jwtVerify(out.trim(), secret, { issuer: "me", audience: "them", algorithms: ["HS256"] })
    expect(payload).toMatchObject({ sub: "ann", rooms: ["a:*", "b"], publish: ["a:*"], info: { n: 1 } })
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(5_400)
  })

  it("does not ask for what only the gateway needs in production", async () => {
    const env = { NODE_ENV: "production", ROOMCAST_JWT_SECRET: "short" }
    const { code, out } = await runCli(["token", "--sub", "ann"], { env })
    expect(code).toBe(0)
    expect(decodeJwt(out.trim()).sub).toBe("ann")
  })

  it("signs nothing with a made-up secret, and nothing that lives too long", async () => {
    expect(await runCli(["token", "--sub", "ann"])).toMatchObject({ code: 1, out: "" })
    const tooLong = await runCli(["token", "--config", configFile, "--sub", "ann", "--expires", "3h"])
    expect(tooLong).toMatchObject({ code: 2, out: "" })
    expect(tooLong.err).toContain("--expires takes 1s to 2h (jwt.maxLifetime)")
  })
})

describe("roomcast config", () => {
  it("check lists every mistake and fails, without a secret", async () => {
    const env = { ROOMCAST_PORT: "many", ROOMCAST_JWT_SECRET: "hunter2", ROOMCAST_API_KY: "hunter2" }
    const result = await runCli(["config", "check", "--production", "--set", "log.level=loud"], { env })
    expect(result).toMatchObject({ code: 1, out: "" })
    expect(result.err).toContain("roomcast: 5 mistakes in the configuration\n")
    for (const key of ["port", "jwt.secret", "apiKey", "ROOMCAST_API_KY", "log.level"])
      expect(result.err).toContain(`\n  ${key}  (`)
    expect(result.err).toContain('    found:   "many"\n    allowed: a whole number, 0-65,535\n')
    expect(result.err).not.toContain("hunter2")
  })

  it("check says that a configuration is right, and warns beside it", async () => {
    const result = await runCli(["config", "check", "--config", configFile])
    expect(result).toMatchObject({ code: 0, out: "the configuration is right\n" })
    expect(result.err).toBe("warning: jwt.secret is a weak secret: it has 11 bytes; production refuses it\n")
  })

  it("print shows what is in force, flags over the environment over the file", async () => {
    const env = { ROOMCAST_HOST: "10.0.0.1", ROOMCAST_LOG_LEVEL: "debug" }
    const { out } = await runCli(["config", "print", "--config", configFile, "--log-level", "error"], { env })
    expect(out).toContain("\nport: 9001\nhost: 10.0.0.1\n")
    expect(out).toContain("  level: error\n")
    expect(out).not.toContain("of-the-file")
  })

  it("schema prints the JSON Schema", async () => {
    expect(JSON.parse((await runCli(["config", "schema"])).out)).toMatchObject({ title: "Roomcast", type: "object" })
  })
})
