import { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import { expect, it } from "vitest"
import { addressKey, clientAddress } from "#adapters/socketio/client-address.ts"

const request = (peer: string, forwarded?: string): IncomingMessage => {
  const made = new IncomingMessage(Object.defineProperty(new Socket(), "remoteAddress", { value: peer }))
  if (forwarded !== undefined) made.headers["x-forwarded-for"] = forwarded
  return made
}

const addressBehind = (peer: string, forwarded?: string) => {
  const untrusted: string[] = []
  const addressOf = clientAddress(["10.0.0.0/8", "2001:db8::1"], (told) => untrusted.push(told))
  return { address: addressOf(request(peer, forwarded)), untrusted, again: () => addressOf(request(peer, forwarded)) }
}

it.each([
  ["no header", "10.0.0.1", undefined, "10.0.0.1"],
  ["one proxy", "10.0.0.1", "192.0.2.7", "192.0.2.7"],
  ["several proxies", "10.0.0.1", "192.0.2.7, 10.0.0.9,10.0.0.8", "192.0.2.7"],
  ["what a client made up before them", "10.0.0.1", "203.0.113.9, 192.0.2.7, 10.0.0.9", "192.0.2.7"],
  ["proxies only", "10.0.0.1", "10.0.0.9, 10.0.0.8", "10.0.0.1"],
  ["a hop that is no address", "10.0.0.1", "192.0.2.7, unknown, 10.0.0.9", "10.0.0.1"],
  ["IPv4 addresses written as IPv6", "::ffff:10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"],
  ["a proxy of IPv6", "2001:db8::1", "2001:db8:5::7", "2001:db8:5::7"],
  ["a header of any length, of which the end counts", "10.0.0.1", `${"1.1.1.1,".repeat(10_000)}192.0.2.7`, "192.0.2.7"],
])("a trusted proxy is believed who its client is: %s", (_, peer, forwarded, expected) => {
  const { address, untrusted } = addressBehind(peer, forwarded)
  expect(address).toBe(expected)
  expect(untrusted).toEqual([])
})

it("anybody else is not believed, which is told once", () => {
  const { address, again, untrusted } = addressBehind("192.0.2.1", "203.0.113.9")
  expect([address, again()]).toEqual(["192.0.2.1", "192.0.2.1"])
  expect(untrusted).toEqual(["192.0.2.1"])
})

it("connects are counted by an IPv4 address, or by the /64 of an IPv6 address, however it is written", () => {
  expect(addressKey("192.0.2.7")).toBe("192.0.2.7")
  const keys = ["2001:db8:1:2::7", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"].map(addressKey)
  expect(new Set(keys)).toEqual(new Set(["2001:db8:1:2"]))
  expect(addressKey("2001:db8:1:3::7")).not.toBe(keys[0])
  expect(addressKey("2001:db8::7")).toBe("2001:db8:0:0")
  expect(addressKey("::1")).toBe("0:0:0:0")
})
