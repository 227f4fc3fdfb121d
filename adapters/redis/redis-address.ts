export interface ParsedAddress {
  readonly kind: "standalone" | "sentinel" | "cluster"
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  /** Standalone and Sentinel. */
  readonly db: number
  /** Sentinel: the name of the monitored master. */
  readonly master: string | undefined
}

export const DEFAULT_PORTS = { standalone: 6379, sentinel: 26379, cluster: 6379 } as const

/**
 * `redis://user:password@host:6379/0`; `redis+sentinel://host:26379,host2:26379/mymaster`; `redis+cluster://host,host2`;
 * with `rediss` in place of `redis` over TLS. Undefined where it is none of these.
 */
export const parseAddress = (url: string): ParsedAddress | undefined => {
  const match = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?#]+)(?:\/([^?#]*))?$/.exec(url)
  if (match === null) return undefined
  const [, secure, mode, credentials, hostList = "", path = ""] = match
  const kind = mode === "sentinel" || mode === "cluster" ? mode : "standalone"
  const hosts = hostList.split(",").map((text) => {
    const [, host = "", port] = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(text) ?? []
    return { host: host.replace(/^\[|\]$/g, ""), port: Number(port ?? DEFAULT_PORTS[kind]) }
  })
  if (hosts.some(({ host, port }) => host === "" || port < 1 || port > 65_535)) return undefined
  if (kind === "standalone" && hosts.length > 1) return undefined
  const [master, database] = kind === "sentinel" ? path.split("/") : [undefined, path]
  if (kind === "sentinel" && !master) return undefined
  if (kind === "cluster" && path !== "") return undefined
  if (database !== undefined && !/^\d{0,3}$/.test(database)) return undefined
  const [, username, password] = /^([^:]*):?(.*)$/.exec(credentials ?? "")?.map(decodeURIComponent) ?? []
  return {
    kind,
    hosts,
    tls: secure === "s",
    username: username === "" ? undefined : username,
    password: password === "" ? undefined : password,
    db: Number(database ?? 0),
    master,
  }
}
