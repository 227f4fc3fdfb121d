import type { NetworkInterfaceInfo } from "node:os"
import { describe, expect, it } from "vitest"
import { advertisedAddress } from "#bootstrap/advertise.ts"
import { loaded, mistakenKeys, STRONG_KEY, STRONG_SECRET } from "./load-from.ts"

const ipv4 = (address: string, internal = false): NetworkInterfaceInfo => ({
  address,
  internal,
  family: "IPv4",
  netmask: "255.255.255.0",
  mac: "00:00:00:00:00:00",
  cidr: null,
})
const ipv6 = (address: string): NetworkInterfaceInfo => ({ ...ipv4(address), family: "IPv6", netmask: "", scopeid: 0 })
const POD = { lo: [ipv4("127.0.0.1", true)], eth0: [ipv6("fe80::1"), ipv6("2001:db8::7"), ipv4("10.1.2.3")] }

const production = (env: Record<string, string> = {}) =>
  loaded({ production: true, env: { ROOMCAST_JWT_SECRET: STRONG_SECRET, ROOMCAST_API_KEY: STRONG_KEY, ...env } }).config

describe("where the other nodes reach this one", () => {
  it("is what is configured, as it is", () => {
    const config = production({ ROOMCAST_ADVERTISE: "http://gateway-0.gateway:8137" })
    expect(advertisedAddress(config, 9, POD)).toBe("http://gateway-0.gateway:8137")
    expect(advertisedAddress({ ...config, advertise: "http://[2001:db8::7]:80/" }, 9, POD)).toBe(
      "http://[2001:db8::7]:80",
    )
  })

  it("is the machine's first address, IPv4 before IPv6, for a node in production that listens at all of them", () => {
    expect(advertisedAddress(production(), 8137, POD)).toBe("http://10.1.2.3:8137")
    expect(advertisedAddress(production({ ROOMCAST_HOST: "::" }), 8137, POD)).toBe("http://10.1.2.3:8137")
    const sixOnly = { lo: POD.lo, eth0: [ipv6("fe80::1"), ipv6("2001:db8::7")] }
    expect(advertisedAddress(production(), 8137, sixOnly)).toBe("http://[2001:db8::7]:8137")
    expect(advertisedAddress(production(), 8137, { lo: POD.lo, eth0: [ipv4("169.254.1.1")] })).toBe(
      "http://127.0.0.1:8137",
    )
  })

  it("is the address that it listens at, where that is one", () => {
    expect(advertisedAddress(production({ ROOMCAST_HOST: "10.9.9.9" }), 80, POD)).toBe("http://10.9.9.9:80")
    expect(advertisedAddress(production({ ROOMCAST_HOST: "::1" }), 80, POD)).toBe("http://[::1]:80")
  })

  it("is this machine in development", () => {
    expect(advertisedAddress(loaded().config, 8137, POD)).toBe("http://127.0.0.1:8137")
    expect(advertisedAddress(loaded({ env: { ROOMCAST_HOST: "0.0.0.0" } }).config, 8137, POD)).toBe(
      "http://127.0.0.1:8137",
    )
  })

  it("is an http URL of a host alone, else a mistake", () => {
    for (const advertise of ["gateway:8137", "https://gateway", "http://gateway/path", "http://a:b@gateway", "http://"])
      expect([advertise, mistakenKeys({ env: { ROOMCAST_ADVERTISE: advertise } })]).toEqual([advertise, ["advertise"]])
  })
})
