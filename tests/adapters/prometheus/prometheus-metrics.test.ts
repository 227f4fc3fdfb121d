import { spawn } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import * as Context from "effect/Context"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { afterEach, describe, expect, it } from "vitest"
import { prometheusMetrics } from "#adapters/prometheus/prometheus-metrics.ts"
import { PrometheusText } from "#adapters/prometheus/prometheus-text.ts"
import { type Gauge, Metrics } from "#application/ports/metrics.ts"
import { CLOSINGS } from "#domain/closing.ts"
import { ERRORS } from "#domain/errors.ts"

const GAUGES: Record<Gauge, number> = {
  connections: 1,
  rooms: 2,
  log_messages: 3,
  log_bytes: 4,
  log_rooms: 5,
  sessions: 6,
  idempotency_records: 7,
  revocations: 8,
  rate_limit_keys: 9,
  address_limit_keys: 10,
  webhook_queue: 11,
  webhook_in_flight: 12,
  outgoing_buffer_bytes: 13,
  connections_departing: 14,
  connections_unwritten: 15,
  redis_channels: 16,
  redis_commands_in_flight: 17,
  node_commands: 18,
  peer_changes_waiting: 19,
  requests_passed_on: 20,
  relays: 21,
}
const gauges = Object.keys(GAUGES) as Gauge[]

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const start = async () => {
  const runtime = ManagedRuntime.make(prometheusMetrics({ version: "1.2.3", node: "n1" }))
  closing.push(() => runtime.dispose())
  const context = await runtime.context()
  const { render } = Context.get(context, PrometheusText)
  /** Every sample line, by its name and labels as they are written. */
  const samples = async (): Promise<Map<string, number>> => {
    const lines = (await render()).body.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]))
  }
  return { metrics: Context.get(context, Metrics), render, samples }
}

/** Everything that can be counted, once. */
const countAll = (metrics: Metrics["Service"]): void => {
  metrics.connectionOpened("recovered")
  metrics.connectionClosed("slow_consumer")
  metrics.connectionRefused("unauthorized")
  metrics.messageReceived("backend")
  metrics.messageDelivered(3, 100)
  metrics.publishToSocket(0.002)
  metrics.clientEvent("gateway", "ok", 0.01)
  metrics.errorAnswered("rate_limited", "socketio")
  metrics.backendCall("room.join", "answered", 0.1)
  metrics.httpRequest("POST", "/v1/messages", 202, 0.003)
  metrics.limitHit("events_per_second")
  metrics.replayed(17)
  metrics.peerMessage("emit", "refused")
  for (const gauge of gauges) metrics.observe(gauge, () => GAUGES[gauge])
}

const promtool = (text: string): Promise<{ readonly code: number | null; readonly said: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn("promtool", ["check", "metrics"])
    let said = ""
    child.stdout.on("data", (chunk) => {
      said += String(chunk)
    })
    child.stderr.on("data", (chunk) => {
      said += String(chunk)
    })
    child.on("error", (cause) =>
      reject(new Error("promtool did not run: install Debian's prometheus package", { cause })),
    )
    child.on("close", (code) => resolve({ code, said }))
    child.stdin.end(text)
  })

describe("what /metrics shows", () => {
  it("satisfies promtool, which has nothing to say", async () => {
    const { metrics, render } = await start()
    countAll(metrics)
    expect(await promtool((await render()).body)).toEqual({ code: 0, said: "" })
    const bad = await promtool("# TYPE bad_total gauge\nbad_total 1\n")
    expect(bad.said, "promtool finds what is wrong").toContain("bad_total")
  })

  it("says that it is Prometheus's text format", async () => {
    const { render } = await start()
    expect((await render()).contentType).toBe("text/plain; version=0.0.4; charset=utf-8")
  })

  it("counts what happened", async () => {
    const { metrics, samples } = await start()
    countAll(metrics)
    countAll(metrics)
    const all = await samples()
    for (const [sample, value] of [
      ['connections_opened_total{outcome="recovered"}', 2],
      ['connections_closed_total{reason="slow_consumer"}', 2],
      ['connections_refused_total{code="unauthorized"}', 2],
      ['messages_received_total{from="backend"}', 2],
      ["messages_delivered_total", 6],
      ["messages_delivered_bytes_total", 600],
      ["publish_to_socket_seconds_count", 2],
      ["publish_to_socket_seconds_sum", 0.004],
      ['publish_to_socket_seconds_bucket{le="0.0025"}', 2],
      ['publish_to_socket_seconds_bucket{le="0.001"}', 0],
      ['client_events_total{kind="gateway",outcome="ok"}', 2],
      ['client_event_seconds_count{kind="gateway"}', 2],
      ['errors_answered_total{code="rate_limited",edge="socketio"}', 2],
      ['backend_calls_total{kind="room.join",outcome="answered"}', 2],
      ['backend_call_seconds_sum{kind="room.join"}', 0.2],
      ['http_requests_total{method="POST",route="/v1/messages",status="202"}', 2],
      ['http_request_seconds_count{method="POST",route="/v1/messages"}', 2],
      ['limit_hits_total{limit="events_per_second"}', 2],
      ['peer_messages_total{kind="emit",outcome="refused"}', 2],
      ["replayed_messages_sum", 34],
      ["replayed_messages_count", 2],
    ] as const)
      expect(all.get(`roomcast_${sample}`), sample).toBe(value)
    for (const gauge of gauges) expect(all.get(`roomcast_${gauge}`), gauge).toBe(2 * GAUGES[gauge])
  })

  it("shows zero for connections and messages before the first", async () => {
    const all = await (await start()).samples()
    expect(all.get('roomcast_connections_opened_total{outcome="fresh"}')).toBe(0)
    expect(all.get('roomcast_messages_received_total{from="client"}')).toBe(0)
    expect(all.get("roomcast_messages_delivered_total")).toBe(0)
  })

  it("reads a gauge at each scrape, adds up all that observe it, and shows none that nobody observes", async () => {
    const { metrics, samples } = await start()
    expect((await samples()).has("roomcast_sessions")).toBe(false)
    let size = 5
    metrics.observe("sessions", () => size)
    expect((await samples()).get("roomcast_sessions")).toBe(5)
    size = 6
    expect((await samples()).get("roomcast_sessions")).toBe(6)
    metrics.observe("sessions", () => 70)
    expect((await samples()).get("roomcast_sessions")).toBe(76)
  })

  it("is about this gateway only: two of them in one process do not mix", async () => {
    const [one, two] = [await start(), await start()]
    one.metrics.messageDelivered(1, 1)
    expect((await one.samples()).get("roomcast_messages_delivered_total")).toBe(1)
    expect((await two.samples()).get("roomcast_messages_delivered_total")).toBe(0)
  })
})

describe("the process's own metrics", () => {
  it("tell version and runtime, CPU, memory and start", async () => {
    const all = await (await start()).samples()
    const { deno, node } = process.versions
    const runtime = deno === undefined ? `node ${node}` : `deno ${deno}`
    expect(all.get(`roomcast_build_info{version="1.2.3",runtime="${runtime}",node="n1"}`)).toBe(1)
    expect(all.get('roomcast_process_cpu_seconds_total{mode="user"}')).toBeGreaterThan(0)
    expect(all.get('roomcast_process_cpu_seconds_total{mode="system"}')).toBeGreaterThanOrEqual(0)
    expect(all.get("roomcast_process_resident_memory_bytes")).toBeGreaterThan(10_000_000)
    expect(all.get("roomcast_process_heap_used_bytes")).toBeGreaterThan(1_000_000)
    expect(all.get("roomcast_process_heap_size_bytes")).toBeGreaterThan(1_000_000)
    expect(all.get("roomcast_process_external_memory_bytes")).toBeGreaterThan(0)
    const started = all.get("roomcast_process_start_time_seconds") ?? 0
    expect(Math.abs(Date.now() / 1000 - process.uptime() - started)).toBeLessThan(60)
  })

  it("show that the event loop was blocked", async () => {
    const { samples } = await start()
    const slow = async () => {
      const all = await samples()
      const count = all.get("roomcast_event_loop_lag_seconds_count") ?? 0
      return count - (all.get('roomcast_event_loop_lag_seconds_bucket{le="0.25"}') ?? 0)
    }
    await expect.poll(async () => (await samples()).get("roomcast_event_loop_lag_seconds_count")).toBeGreaterThan(0)
    const before = await slow()
    const end = performance.now() + 500
    while (performance.now() < end);
    await expect.poll(slow, { timeout: 5_000 }).toBeGreaterThan(before)
  })
})

describe("labels stay bounded, whatever is counted", () => {
  const values = async (text: string, label: string): Promise<Set<string>> =>
    new Set([...text.matchAll(new RegExp(`[{,]${label}="([^"]*)"`, "g"))].map((match) => match[1] ?? ""))

  it("unknown codes, reasons, outcomes, kinds, methods and statuses are all one", async () => {
    const { metrics, render } = await start()
    for (let i = 0; i < 1_000; i++) {
      metrics.connectionClosed(`reason ${i}`)
      metrics.connectionRefused(`code_${i}`)
      metrics.errorAnswered(`code_${i}`, "http")
      metrics.clientEvent("application", `code_${i}`, 0)
      metrics.backendCall(`kind_${i}`, `Outcome ${i}`, 0)
      metrics.httpRequest(`METHOD${i}`, "/livez", 1000 + i, 0)
      metrics.limitHit(`user ${i}`)
    }
    const { body } = await render()
    for (const label of ["reason", "code", "outcome", "kind", "method", "status", "limit"])
      expect(
        [...(await values(body, label))].filter(
          (value) => !/^(fresh|recovered|not_recovered|application)$/.test(value),
        ),
        label,
      ).toEqual(["other"])
    expect(body).toContain('roomcast_connections_closed_total{reason="other"} 1000')
  })

  it("at most 64 routes and limits are told apart, and a path that is no route's pattern is none", async () => {
    const { metrics, render } = await start()
    for (let i = 0; i < 1_000; i++) {
      metrics.httpRequest("GET", `/v1/route/${i}`, 200, 0)
      metrics.limitHit(`limit_${i}`)
      metrics.backendCall("room.join", `outcome_${i}`, 0)
    }
    const { body } = await render()
    expect((await values(body, "route")).size).toBe(65)
    expect((await values(body, "limit")).size).toBe(65)
    expect((await values(body, "outcome")).size).toBe(33 + 3)
    const other = await start()
    for (const route of ["/a b", '/"', "/\n", "none", `/${"x".repeat(101)}`])
      other.metrics.httpRequest("GET", route, 200, 0)
    expect(await values((await other.render()).body, "route")).toEqual(new Set(["other"]))
  })

  it("every code, every closing and every word of the transport is told apart", async () => {
    const { metrics, samples } = await start()
    const words = [
      ...Object.keys(ERRORS),
      ...Object.values(CLOSINGS).map((each) => each.code),
      "transport close",
      "transport error",
      "ping timeout",
      "client namespace disconnect",
      "server namespace disconnect",
      "server shutting down",
      "forced close",
      "forced server close",
      "parse error",
    ]
    for (const word of words) metrics.connectionClosed(word)
    const all = await samples()
    for (const word of words)
      expect(all.get(`roomcast_connections_closed_total{reason="${word}"}`), word).toBeGreaterThan(0)
    expect(all.has('roomcast_connections_closed_total{reason="other"}')).toBe(false)
  })
})

describe("docs/metrics.md", () => {
  it("has each metric that is exported, with its type and labels, and no other", async () => {
    const page = await readFile(new URL("../../../docs/metrics.md", import.meta.url), "utf8")
    const documented = [...page.matchAll(/^\| `(roomcast_\w+)` \| (\w+) \| (.*?) ?\| /gm)].map(
      ([, name, type, labels]) => `${name} ${type} ${(labels ?? "").replaceAll("`", "").replaceAll(", ", " ")}`.trim(),
    )
    const { metrics, render } = await start()
    countAll(metrics)
    const { body } = await render()
    const exported = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => {
      const sample = new RegExp(`^${name}(?:_sum)?(?:\\{(.*)\\})? [^ ]+$`, "m").exec(body)
      const labels = [...(sample?.[1] ?? "").matchAll(/(\w+)="/g)].map((match) => match[1])
      return `${name} ${type} ${labels.join(" ")}`.trim()
    })
    expect(exported.length).toBeGreaterThan(30)
    expect(documented.sort()).toEqual(exported.sort())
  })

  it("has each limit that is counted, and no other", async () => {
    const root = new URL("../../../", import.meta.url)
    const page = await readFile(new URL("docs/metrics.md", root), "utf8")
    const table = page.slice(page.indexOf("\n## Limits"), page.indexOf("\n## Alerts"))
    const documented = [...table.matchAll(/^\| (`[^|]+`) \|/gm)]
      .flatMap(([, cell = ""]) => cell.replaceAll("`", "").split(", "))
      .filter((limit) => limit !== "limit")
    const counted = new Set<string>()
    for (const layer of ["adapters", "application", "bootstrap"])
      for (const name of await readdir(new URL(layer, root), { recursive: true })) {
        if (!name.endsWith(".ts")) continue
        const code = await readFile(new URL(`${layer}/${name}`, root), "utf8")
        for (const [, limit = ""] of code.matchAll(/(?:limitHit\(|this\.full\(|limit: )"(\w+)"/g)) counted.add(limit)
      }
    expect(counted.size).toBeGreaterThan(30)
    expect(documented.toSorted()).toEqual([...counted].toSorted())
  })
})
