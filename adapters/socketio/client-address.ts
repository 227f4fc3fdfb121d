import type { IncomingMessage } from "node:http"
import { BlockList, isIP, isIPv6 } from "node:net"

const plain = (address: string): string =>
  address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address

const family = (address: string): "ipv4" | "ipv6" => (isIPv6(address) ? "ipv6" : "ipv4")

/**
 * The client's address: the peer's, or where the peer is a trusted proxy the nearest address of `X-Forwarded-For` that
 * is not one itself. The header from anybody else is not believed; `onUntrusted` is told once.
 */
export const clientAddress = (
  trustedProxies: readonly string[],
  onUntrusted: (peer: string) => void,
): ((request: IncomingMessage) => string) => {
  const trusted = new BlockList()
  for (const range of trustedProxies) {
    const [address = "", prefix] = range.split("/")
    if (prefix === undefined) trusted.addAddress(address, family(address))
    else trusted.addSubnet(address, Number(prefix), family(address))
  }
  const isTrusted = (address: string): boolean => isIP(address) !== 0 && trusted.check(address, family(address))
  let told = false
  return (request) => {
    const peer = plain(request.socket.remoteAddress ?? "")
    const header = request.headers["x-forwarded-for"]
    if (header === undefined) return peer
    if (!isTrusted(peer)) {
      if (!told) {
        told = true
        onUntrusted(peer)
      }
      return peer
    }
    const hops = String(header)
      .slice(-2_000)
      .split(",")
      .map((hop) => plain(hop.trim()))
    for (const hop of hops.reverse()) {
      if (isIP(hop) === 0) return peer
      if (!isTrusted(hop)) return hop
    }
    return peer
  }
}

/** What connects are counted by: an IPv4 address, or the /64 that one IPv6 customer has. */
export const addressKey = (address: string): string => {
  if (!isIPv6(address)) return address
  const [head = "", tail = ""] = address.split("::")
  const front = head === "" ? [] : head.split(":")
  const back = tail === "" ? [] : tail.split(":")
  const missing = address.includes("::") ? 8 - front.length - back.length : 0
  return [...front, ...Array.from({ length: missing }, () => "0"), ...back].slice(0, 4).join(":")
}
