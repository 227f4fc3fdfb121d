import * as Data from "effect/Data"

/** What `INFO` says, by name. */
export type ServerInfo = Readonly<Record<string, string>>

/** `SET PXAT`, `XTRIM MINID` and `ZRANGE BYSCORE` came with 6.2, sharded publishing with 7.0. */
const OLDEST = { alone: [6, 2], cluster: [7, 0] } as const

const MAX_PROBLEMS = 20

/**
 * Why a server cannot be used; undefined: it can. The eviction policy is read from `INFO`, for managed services forbid
 * `CONFIG`; where they leave that out too, it is taken on trust.
 */
export const serverProblem = (info: ServerInfo, isCluster: boolean): string | undefined => {
  const { maxmemory_policy: policy, redis_version: version } = info
  if (version === undefined) return "it does not say who it is: the Redis user must be allowed INFO, in scripts too"
  const [oldestMajor, oldestMinor] = OLDEST[isCluster ? "cluster" : "alone"]
  const [major = 0, minor = 0] = version.split(".").map(Number)
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor))
    return `it is version ${version}; ${isCluster ? "as a cluster " : ""}Redis ${oldestMajor}.${oldestMinor} or newer is needed`
  if (policy !== undefined && policy !== "noeviction")
    return `its maxmemory-policy is ${policy}, by which it drops what clients are owed; allowed: noeviction`
  return undefined
}

/** No message is taken for a store that may lose it by its own settings. */
export class UnsuitableServer extends Data.TaggedError("UnsuitableServer")<{ readonly message: string }> {}

/** What was found of the servers that connections were made to. */
export class ServerCheck {
  private readonly found = new Set<string>()
  private readonly report: (problem: string) => void

  /** `report` is told of each problem once. */
  constructor(report: (problem: string) => void) {
    this.report = report
  }

  readonly onUnsuitable = (problem: string): void => {
    if (this.found.has(problem) || this.found.size >= MAX_PROBLEMS) return
    this.found.add(problem)
    this.report(problem)
  }

  /** For the start, when connections have been tried. A server that does not answer is none of these. */
  get refusal(): UnsuitableServer | undefined {
    const [problem] = this.found
    return problem === undefined
      ? undefined
      : new UnsuitableServer({ message: `redis.url: a Redis server there cannot be used: ${problem}` })
  }
}
