import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { signToken, type TokenContent } from "#adapters/jose/sign-token.ts"
import type { ConfigInput } from "#bootstrap/config-schema.ts"
import { freePort } from "./free-port.ts"
import { roundRobinTcp } from "./round-robin-tcp.ts"
import { testRedis } from "./test-redis.ts"
import { until } from "./until.ts"

export const JWT_SECRET = "7f3d0c1b9a8e4652b1d07f3d0c1b9a8e"
export const API_KEY = "rc_4c1f8a7e2b6d4c1f8a7e2b6d4c1f8a7e"

const ROOT = new URL("../..", import.meta.url).pathname

/** The runtime that the gateway is tested on: the project `journeys` is run once for each. */
export const RUNTIME = process.env["ROOMCAST_TEST_RUNTIME"] === "deno" ? "deno" : "node"

export const COMMANDS = {
  node: [join(ROOT, "node_modules/node/bin/node"), []],
  deno: [join(ROOT, "node_modules/.bin/deno"), ["run", "-A", "--no-check"]],
} as const

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: the body of an HTTP answer, looked into by the tests
  readonly body: any
}

export interface Gateway {
  readonly url: string
  readonly process: ChildProcess
  /** What it wrote, both streams. */
  readonly output: () => string
  readonly call: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
  readonly push: (
    to: object,
    event: string,
    data: unknown,
    more?: object,
    headers?: Record<string, string>,
  ) => Promise<Answer>
  readonly metric: (name: string) => Promise<number>
  /** Resident memory, bytes. */
  readonly memory: () => Promise<number>
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
}

const HISTORY = { size: 50_000, ttl: "1h" }

/** Rooms as the tests name them: the prefix says what the room is. */
export const TEST_CONFIG: ConfigInput = {
  jwt: { secret: JWT_SECRET, clockTolerance: "0s" },
  apiKey: API_KEY,
  rooms: [
    { match: "open:*", join: "anyone", publish: "members", history: HISTORY },
    { match: "short:*", join: "anyone", publish: "members", history: { size: 50, ttl: "1h" } },
    { match: "brief:*", join: "anyone", publish: "members", history: { size: 50, ttl: "1s" } },
    { match: "plain:*", join: "anyone", publish: "members" },
    { match: "shown:*", join: "anyone", publish: "members", presence: true, history: HISTORY },
    { match: "token:*", join: "token", publish: "token", history: HISTORY },
    { match: "asked:*", join: "backend", publish: "backend", history: HISTORY },
    { match: "given:*", join: "nobody", publish: "nobody", history: HISTORY },
  ],
  recovery: { maxMessages: 50_000 },
  log: { level: "warning", format: "json" },
  limits: { connectionsPerUser: 50, connectsPerSecondPerAddress: 0, eventsPerSecond: 1_000 },
  drain: { time: "3s" },
}

/** Starts one node as a user does, in a process of its own, on a free port. `change` is merged into TEST_CONFIG. */
export const startNode = async (
  change: ConfigInput = {},
  environment: Record<string, string> = {},
): Promise<Gateway> => {
  const directory = mkdtempSync(join(tmpdir(), "roomcast-"))
  const file = join(directory, "config.json")
  const port = await freePort()
  const config: ConfigInput = { ...TEST_CONFIG, ...change, port, limits: { ...TEST_CONFIG.limits, ...change.limits } }
  writeFileSync(file, JSON.stringify(config))
  const [command, args] = COMMANDS[RUNTIME]
  const child = spawn(command, [...args, join(ROOT, "bootstrap/main.ts"), "serve", "--config", file], {
    cwd: directory,
    env: { PATH: process.env["PATH"], HOME: directory, NO_COLOR: "1", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let output = ""
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output = (output + chunk).slice(-200_000)))
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve))
  void exited.then(() => rmSync(directory, { recursive: true, force: true }))
  const url = `http://127.0.0.1:${port}`
  const call: Gateway["call"] = async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${API_KEY}`,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get("content-type") ?? "")
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }
  const metric: Gateway["metric"] = async (name) => {
    const { body } = await call("GET", "/metrics")
    const [plain = name] = name.split("{")
    if (!String(body).includes(`# TYPE ${plain} `)) throw new Error(`no metric ${plain}`)
    const lines = String(body)
      .split("\n")
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0)
  }
  await until(
    "the gateway to be ready",
    async () => {
      if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}:\n${output}`)
      return await fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    },
    30_000,
  )
  return {
    url,
    process: child,
    output: () => output,
    call,
    push: (to, event, data, more, headers) => call("POST", "/v1/messages", { to, event, data, ...more }, headers),
    metric,
    memory: () => metric("roomcast_process_resident_memory_bytes"),
    stop: (signal = "SIGTERM") => {
      if (child.exitCode === null) child.kill(signal)
      return exited
    },
  }
}

/** What the tests' gateway is: the project of the tests says it. */
const NODES = { memory: 1, redis: 1, cluster: 3 } as const
export const ENGINE: keyof typeof NODES =
  process.env["ROOMCAST_TEST_ENGINE"] === "cluster" || process.env["ROOMCAST_TEST_ENGINE"] === "redis"
    ? process.env["ROOMCAST_TEST_ENGINE"]
    : "memory"

/**
 * The gateway that the project of the tests asks for: a node on memory, a node on Redis, or three on Redis behind a
 * balancer that gives each connection to the next one, and each call of the API too.
 */
export const startGateway = async (
  change: ConfigInput = {},
  environment: Record<string, string> = {},
): Promise<Gateway> => {
  if (ENGINE === "memory") return startNode(change, environment)
  const redis = await testRedis()
  const shared = {
    engine: "redis",
    redis: { url: redis.url, prefix: `test-${randomBytes(6).toString("hex")}` },
  } as const
  const nodes = await Promise.all(
    Array.from({ length: NODES[ENGINE] }, () => startNode({ ...change, ...shared }, environment)),
  )
  const [first] = nodes
  if (first === undefined) throw new Error("no node was started")
  const proxy = await roundRobinTcp(nodes.map(({ url }) => Number(new URL(url).port)))
  let calls = 0
  const next = (): Gateway => nodes[calls++ % nodes.length] ?? first
  return {
    url: proxy.url,
    process: first.process,
    output: () => nodes.map(({ output }) => output()).join("\n"),
    call: (...args) => next().call(...args),
    push: (...args) => next().push(...args),
    metric: async (name) => (await Promise.all(nodes.map(({ metric }) => metric(name)))).reduce((a, b) => a + b, 0),
    memory: async () => Math.max(...(await Promise.all(nodes.map(({ memory }) => memory())))),
    stop: async (signal) => {
      const [code = null] = await Promise.all(nodes.map(({ stop }) => stop(signal)))
      proxy.close()
      await redis.stop()
      return code
    },
  }
}

export interface TokenChange extends Partial<Omit<TokenContent, "userId" | "issuedAt" | "expiresAt">> {
  readonly issuedAt?: number
  readonly expiresInSeconds?: number
}

export const token = (
  userId: string,
  { expiresInSeconds = 3_600, ...more }: TokenChange = {},
  secret = JWT_SECRET,
): Promise<string> => {
  const now = Math.floor(Date.now() / 1000)
  return Effect.runPromise(signToken({ userId, issuedAt: now, expiresAt: now + expiresInSeconds, ...more }, secret))
}
