import { afterAll, expect, it } from "vitest"
import { parseAddress } from "#adapters/redis/redis-address.ts"
import { redisClient } from "#adapters/redis/redis-client.ts"
import { RedisCommands } from "#adapters/redis/redis-commands.ts"

const address = parseAddress("redis://127.0.0.1:1")
if (address === undefined) throw new Error("no address")

const opened: (() => void)[] = []
afterAll(() => {
  for (const close of opened) close()
})

/** Commands over a connection that is up, whose answers the test gives. */
const commandsOver = (status = "ready") => {
  const client = redisClient(address)
  opened.push(client.disconnect.bind(client))
  const waiting: PromiseWithResolvers<unknown>[] = []
  const restarts: unknown[] = []
  const call = () => {
    const answer = Promise.withResolvers<unknown>()
    waiting.push(answer)
    return answer.promise
  }
  Object.assign(client, { status, call, disconnect: (again: unknown) => restarts.push(again) })
  const hits: string[] = []
  const commands = new RedisCommands(client, (limit) => hits.push(limit))
  return { commands, hits, restarts, waiting }
}

it("so many commands wait for an answer, more are refused at once and counted, and others are taken as soon as some are answered", async () => {
  const { commands, hits, waiting } = commandsOver()
  const asked = Array.from({ length: 20_000 }, () => commands.run("PING"))
  await expect(commands.run("PING")).rejects.toThrow("too many commands wait")
  expect([commands.pending, waiting.length, hits]).toEqual([20_000, 20_000, ["redis_commands"]])
  waiting[0]?.resolve("PONG")
  expect(await asked[0]).toBe("PONG")
  const next = commands.run("PING")
  for (const { resolve } of waiting) resolve("PONG")
  expect(await next).toBe("PONG")
  await Promise.all(asked)
  expect([commands.pending, hits]).toEqual([0, ["redis_commands"]])
})

it("nothing is sent, nor kept for later, while there is no connection", async () => {
  const { commands, waiting } = commandsOver("reconnecting")
  await expect(commands.run("PING")).rejects.toThrow("there is no connection")
  expect([waiting.length, commands.pending]).toEqual([0, 0])
})

it("a connection on which commands wait and none is answered is made again, one on which nothing waits is not", async () => {
  const { commands, restarts, waiting } = commandsOver()
  commands.answeredAt = 0
  commands.restartIfSilent(1_000)
  expect(restarts).toEqual([])
  const asked = commands.run("PING")
  commands.restartIfSilent(1_000)
  expect(restarts).toEqual([true])
  commands.restartIfSilent(60_000)
  expect(restarts).toEqual([true])
  waiting[0]?.resolve("PONG")
  await asked
})

it("a server that is no master any more is left", async () => {
  const { commands, restarts, waiting } = commandsOver()
  const asked = commands.run("SET", "a", "1")
  waiting[0]?.reject(new Error("READONLY You can't write against a read only replica."))
  await expect(asked).rejects.toThrow("READONLY")
  const other = commands.run("SET", "a", "1")
  waiting[1]?.reject(new Error("OOM command not allowed"))
  await expect(other).rejects.toThrow("OOM")
  expect(restarts).toEqual([true])
})
