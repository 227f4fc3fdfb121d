import { type RedisProcess, startProcess } from "./redis-process.ts"
import type { TlsFiles } from "./tls-files.ts"

export interface RedisServer extends RedisProcess {
  readonly url: string
}

/** A `redis-server` alone, that writes no file but where its arguments say so. */
export const startRedis = async (args: readonly string[] = ["--save", ""], tls?: TlsFiles): Promise<RedisServer> => {
  const started = await startProcess({
    args: (port, directory) => [
      ...["--bind", "127.0.0.1", "--dir", directory, ...(tls?.args(port) ?? ["--port", `${port}`])],
      ...args,
    ],
    ...(tls !== undefined && { connect: { tls: { ca: tls.ca } } }),
  })
  return { ...started, url: `redis${tls === undefined ? "" : "s"}://127.0.0.1:${started.port}` }
}
