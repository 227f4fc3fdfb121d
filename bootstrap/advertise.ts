import { type NetworkInterfaceInfo, networkInterfaces } from "node:os"
import type { Config } from "./config.ts"

const WILDCARDS = new Set(["0.0.0.0", "::"])

const isLinkLocal = ({ address, family }: NetworkInterfaceInfo): boolean =>
  family === "IPv4" ? address.startsWith("169.254.") : /^fe[89ab]/i.test(address)

/** What other machines reach this one at; IPv4 first. Undefined: it has no network. */
const ownAddress = (interfaces: ReturnType<typeof networkInterfaces>): string | undefined => {
  const outer = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter((info) => !info.internal && !isLinkLocal(info))
  return (outer.find(({ family }) => family === "IPv4") ?? outer[0])?.address
}

/**
 * Where the other nodes reach this one, `http://host:port`, once it listens at `port`. A node that listens at every address
 * says its first one: right in a container, a guess on a machine with several networks, for which there is `advertise`.
 * In development the nodes are on one machine.
 */
export const advertisedAddress = (
  { advertise, host, production }: Pick<Config, "advertise" | "host" | "production">,
  port: number,
  interfaces = networkInterfaces(),
): string => {
  if (advertise !== undefined) return advertise.replace(/\/$/, "")
  const reached = WILDCARDS.has(host) ? ((production ? ownAddress(interfaces) : undefined) ?? "127.0.0.1") : host
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`
}
