import { randomInt } from "node:crypto"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Below those that systems give to outgoing connections (RFC 6335 names 49152 and up, Linux begins at 32768). */
const FIRST = 10_000
const LAST = 29_999
const TRIES = 200

const CLAIMS = join(tmpdir(), "roomcast-test-ports")
const claimed = new Set<string>()

process.once("exit", () => {
  for (const file of claimed) rmSync(file, { force: true })
})

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

/** No other process of the tests that still runs has been given it. */
const claim = (port: number): boolean => {
  const file = join(CLAIMS, `${port}`)
  mkdirSync(CLAIMS, { recursive: true })
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(file, `${process.pid}`, { flag: "wx" })
      claimed.add(file)
      return true
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error
      if (claimed.has(file) || isRunning(Number(readFileSync(file, "utf8")))) return false
      rmSync(file, { force: true })
    }
  }
  return false
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

/**
 * A port that nobody listens at and that no other test is given as long as this process runs. One from `listen(0)` may be
 * given to another test before whoever it is for listens at it, seconds later: then that one's program would be asked.
 */
export const freePort = async (): Promise<number> => {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = randomInt(FIRST, LAST + 1)
    if (claim(port) && (await isFree(port))) return port
  }
  throw new Error(`none of ${TRIES} ports between ${FIRST} and ${LAST} is free`)
}
