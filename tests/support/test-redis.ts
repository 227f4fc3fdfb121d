import { request } from "node:http"
import { startRedis } from "./redis-server.ts"

export interface TestRedis {
  readonly url: string
  readonly stop: () => Promise<void>
}

const DOCKER_SOCKET = "/var/run/docker.sock"
const PING_MS = 2_000

/** Whether a Docker engine answers, at `DOCKER_HOST` or its usual socket. */
const dockerAnswers = (host: string | undefined): Promise<boolean> =>
  new Promise((resolve) => {
    const tcp = host === undefined ? null : /^tcp:\/\/([^:/]+):(\d+)/.exec(host)
    const where =
      tcp === null
        ? { socketPath: host?.replace(/^unix:\/\//, "") ?? DOCKER_SOCKET }
        : { host: tcp[1] ?? "", port: Number(tcp[2]) }
    const ping = request({ ...where, path: "/_ping", timeout: PING_MS }, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    ping.once("timeout", () => ping.destroy())
    ping.once("error", () => resolve(false))
    ping.end()
  })

const startContainer = async (): Promise<TestRedis> => {
  const { RedisContainer } = await import("@testcontainers/redis")
  const container = await new RedisContainer("redis:7-alpine").start()
  return {
    url: container.getConnectionUrl(),
    stop: async () => {
      await container.stop()
    },
  }
}

/**
 * A Redis for tests that do it no harm: `REDIS_URL`, else a container where a Docker engine answers, else a
 * `redis-server` of this machine. Tests that kill or restart theirs start their own.
 */
export const testRedis = async (env: NodeJS.ProcessEnv = process.env): Promise<TestRedis> => {
  const { DOCKER_HOST, REDIS_URL } = env
  if (REDIS_URL !== undefined && REDIS_URL !== "") return { url: REDIS_URL, stop: async () => {} }
  return (await dockerAnswers(DOCKER_HOST)) ? await startContainer() : await startRedis()
}
