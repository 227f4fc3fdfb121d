import { describe, expect, it } from "vitest"
import { Namesakes } from "#adapters/redis/namesakes.ts"
import type { NodeEntry } from "#application/ports/node-registry.ts"

const LEASE_MS = 1_000

const entry = (node: string, port: number): NodeEntry => ({
  node,
  version: "1",
  address: `http://127.0.0.1:${port}`,
  startedAt: 0,
  connections: 0,
  rooms: 0,
})

const watched = () => {
  const told: string[] = []
  const tell = ({ address }: NodeEntry) => void told.push(address)
  const namesakes = new Namesakes({ node: "a", lease: "a/own", leaseMs: LEASE_MS, tell })
  return { namesakes, told }
}

const own = ["a/own", entry("a", 1)] as const
const twin = ["a/twin", entry("a", 2)] as const

describe("another node under this node's name", () => {
  it("is told of once, when it has lived longer than a former run of this node can seem to", () => {
    const { namesakes, told } = watched()
    for (let ms = 0; ms <= 3 * LEASE_MS; ms += 500) namesakes.look(new Map([own, twin]), true, ms)
    expect(told).toEqual([])
    for (let ms = 3_500; ms < 10_000; ms += 500) namesakes.look(new Map([own, twin]), true, ms)
    expect(told).toEqual(["http://127.0.0.1:2"])
  })

  it("is neither this node, nor one of another name, nor a former run that was swept", () => {
    const { namesakes, told } = watched()
    namesakes.look(new Map([own, ["b/1", entry("b", 3)], twin]), true, 0)
    for (let ms = 1_500; ms < 20_000; ms += 500) namesakes.look(new Map([own, ["b/1", entry("b", 3)]]), true, ms)
    expect(told).toEqual([])
  })

  it("is waited for anew after a break, in which nobody swept", () => {
    const { namesakes, told } = watched()
    namesakes.look(new Map([own, twin]), true, 0)
    namesakes.look(new Map([own, twin]), false, 60_000)
    namesakes.look(new Map([own, twin]), true, 60_000 + 3 * LEASE_MS)
    expect(told).toEqual([])
    namesakes.look(new Map([own, twin]), true, 60_001 + 3 * LEASE_MS)
    expect(told).toEqual(["http://127.0.0.1:2"])
  })
})
