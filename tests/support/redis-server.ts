import { type RedisProcess, startProcess } from "./redis-process.ts"

export interface RedisServer extends RedisProcess {
  readonly url: string
}

/** A `redis-server` alone, that writes no file but where its arguments say so. */
export const startRedis = async (args: readonly string[] = ["--save", ""]): Promise<RedisServer> => {
  const started = await startProcess({
    args: (port, directory) => ["--bind", "127.0.0.1", "--port", `${port}`, "--dir", directory, ...args],
  })
  return { ...started, url: `redis://127.0.0.1:${started.port}` }
}
