import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Refusal } from "#domain/errors.ts"
import { encodePayload, MAX_DEPTH, payloadFault } from "#domain/payload.ts"
import { anyText } from "./made.ts"

const ANY_SIZE = Number.MAX_SAFE_INTEGER

const encoded = (data: unknown, limit = ANY_SIZE): string => {
  const text = encodePayload(data, limit)
  if (text instanceof Refusal) throw new Error(`${text._tag}: ${text.message}`)
  return text
}

const refused = (data: unknown, limit = ANY_SIZE): Refusal => {
  const text = encodePayload(data, limit)
  if (!(text instanceof Refusal)) throw new Error(`not refused: ${text}`)
  return text
}

const nested = (levels: number, wrap: (inside: unknown) => unknown): unknown => {
  let data: unknown = 1
  for (let i = 0; i < levels; i++) data = wrap(data)
  return data
}

const inArray = (inside: unknown): unknown => [inside]
const inObject = (inside: unknown): unknown => ({ a: inside })

describe("data", () => {
  it("of any JSON comes out as it went in", () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        fc.pre(!json.includes("__proto__") && !json.includes("constructor"))
        expect(encoded(JSON.parse(json))).toBe(JSON.stringify(JSON.parse(json)))
      }),
      { numRuns: 1_000 },
    )
    for (const data of [null, true, 0, "", [], {}, { a: [null, { b: "é\u2028\ud800" }] }])
      expect(JSON.parse(encoded(data))).toEqual(data)
  })

  it("is encoded or refused, whatever it is: nothing makes it throw", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withTypedArray: true }),
        (data) => {
          const text = encodePayload(data, 1_000)
          if (text instanceof Refusal) expect(text.message).not.toBe("")
          else expect(JSON.stringify(JSON.parse(text))).toBe(text)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it("is nested at most 64 levels deep, in arrays and in objects, and hostile depth ends no stack", () => {
    for (const wrap of [inArray, inObject]) {
      expect(encoded(nested(MAX_DEPTH, wrap))).toContain("1")
      expect(refused(nested(MAX_DEPTH + 1, wrap))._tag).toBe("event_too_deep")
      expect(refused(nested(100_000, wrap))._tag).toBe("event_too_deep")
    }
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    expect(refused(cyclic)._tag).toBe("event_too_deep")
  })

  it("holds no key that a receiver could take for a prototype, wherever it stands", () => {
    const hostile = [
      ['{"__proto__":{"admin":true}}', "/data/__proto__"],
      ['{"a":[{"__proto__":1}]}', "/data/a/0/__proto__"],
      ['{"constructor":{"prototype":{"admin":true}}}', "/data/constructor"],
    ] as const
    for (const [json, pointer] of hostile) {
      const refusal = refused(JSON.parse(json))
      expect([refusal._tag, refusal.faults?.[0]?.pointer]).toEqual(["invalid_request", pointer])
    }
    for (const harmless of ['{"constructor":"Ford"}', '{"constructor":{"name":"Ford"}}', '{"prototype":1,"proto":2}'])
      expect(encoded(JSON.parse(harmless))).toBe(harmless)
  })

  it("holds nothing binary and nothing else that JSON has no word for", () => {
    class Point {
      readonly x = 1
    }
    for (const data of [new Uint8Array(2), new ArrayBuffer(2), Buffer.from("a"), new Date(0), new Map(), new Point()])
      for (const placed of [data, [data], { a: data }]) expect(refused(placed)._tag).toBe("binary_not_supported")
    for (const data of [undefined, () => 1, Symbol("s"), 1n, Number.NaN, Number.POSITIVE_INFINITY])
      for (const [placed, pointer] of [
        [data, "/data"],
        [[0, data], "/data/1"],
        [{ a: data }, "/data/a"],
      ] as const) {
        const refusal = refused(placed)
        expect([refusal._tag, refusal.faults?.[0]?.pointer]).toEqual(["invalid_request", pointer])
      }
    expect(refused(Object.assign([1], { length: 2 })).faults?.[0]?.pointer).toBe("/data/1")
  })

  it("names a fault by a JSON Pointer, its keys escaped and cut", () => {
    expect(refused({ "a/b~c": 1n }).faults?.[0]?.pointer).toBe("/data/a~1b~0c")
    expect(refused({ ["x".repeat(5_000)]: 1n }).faults?.[0]?.pointer).toBe(`/data/${"x".repeat(100)}`)
    expect(payloadFault({ a: 1n }, "/details")?.faults?.[0]?.pointer).toBe("/details/a")
  })

  it("is of any size where the limit is 0", () => {
    expect(encoded("x".repeat(200_000), 0)).toHaveLength(200_002)
  })

  it("is measured in bytes of UTF-8, to the byte", () => {
    fc.assert(
      fc.property(anyText(80), fc.integer({ min: -2, max: 2 }), (data, more) => {
        const bytes = new TextEncoder().encode(JSON.stringify(data)).length
        const limit = bytes + more
        fc.pre(limit > 0)
        if (more >= 0) expect(encoded(data, limit)).toBe(JSON.stringify(data))
        else {
          const refusal = refused(data, limit)
          expect(refusal._tag).toBe("payload_too_large")
          expect(refusal.message).toBe(`data has at most ${limit} bytes as JSON, found ${bytes}`)
        }
      }),
      { numRuns: 1_000 },
    )
  })
})

describe("data without a fault", () => {
  const least = (work: () => unknown): number => {
    let ms = Number.POSITIVE_INFINITY
    for (let i = 0; i < 15; i++) {
      const began = performance.now()
      work()
      ms = Math.min(ms, performance.now() - began)
    }
    return ms
  }

  it("of 50,000 numbers is looked through in less time than it took to parse: no pointer is made for each", () => {
    const json = JSON.stringify(Array.from({ length: 50_000 }, () => 1))
    const data: unknown = JSON.parse(json)
    expect(payloadFault(data, "/data")).toBeUndefined()
    expect(least(() => payloadFault(data, "/data")) / least(() => JSON.parse(json))).toBeLessThan(2)
  })
})
