import { describe, expect, it } from "vitest"
import { parseAddress } from "#adapters/redis/redis-address.ts"

const PLAIN = { kind: "standalone", tls: false, username: undefined, password: undefined, db: 0, master: undefined }

describe("the address of Redis", () => {
  it.each([
    ["redis://localhost", { ...PLAIN, hosts: [{ host: "localhost", port: 6379 }] }],
    [
      "rediss://ann:p%40s:s@redis.example:6380/2",
      {
        ...PLAIN,
        tls: true,
        username: "ann",
        password: "p@s:s",
        db: 2,
        hosts: [{ host: "redis.example", port: 6380 }],
      },
    ],
    ["redis://:secret@[::1]:7000", { ...PLAIN, password: "secret", hosts: [{ host: "::1", port: 7000 }] }],
    [
      "redis+sentinel://a,b:26380/mymaster/1",
      {
        ...PLAIN,
        kind: "sentinel",
        master: "mymaster",
        db: 1,
        hosts: [
          { host: "a", port: 26379 },
          { host: "b", port: 26380 },
        ],
      },
    ],
    [
      "rediss+cluster://a:7001,b:7002",
      {
        ...PLAIN,
        kind: "cluster",
        tls: true,
        hosts: [
          { host: "a", port: 7001 },
          { host: "b", port: 7002 },
        ],
      },
    ],
  ])("is read: %s", (url, parsed) => {
    expect(parseAddress(url)).toEqual(parsed)
  })

  it.each([
    "",
    "localhost:6379",
    "http://localhost",
    "redis://",
    "redis://a,b",
    "redis://a:0",
    "redis://a:99999",
    "redis://a/x",
    "redis+sentinel://a",
    "redis+cluster://a/1",
    "redis+other://a",
  ])("is none: %s", (url) => {
    expect(parseAddress(url)).toBeUndefined()
  })
})
