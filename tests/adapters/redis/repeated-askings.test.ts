import { expect, it } from "vitest"
import { MAX_UNANSWERED, RepeatedAskings } from "#adapters/redis/repeated-askings.ts"

const fails = () => Promise.reject(new Error("no answer"))

/** Under what it is asked now. */
const idOf = async (askings: RepeatedAskings, about: string): Promise<string> => {
  let id = ""
  await expect(
    askings.ask(about, (asking) => {
      id = asking
      return fails()
    }),
  ).rejects.toThrow("no answer")
  return id
}

it("asks again under the same id until there is an answer, and about something else under another", async () => {
  const askings = new RepeatedAskings(() => {})
  const id = await idOf(askings, "a")
  expect(await idOf(askings, "a")).toBe(id)
  expect(await idOf(askings, "b")).not.toBe(id)
  expect(await askings.ask("a", async (asking) => asking)).toBe(id)
  expect(await idOf(askings, "a")).not.toBe(id)
})

it("forgets the oldest of too many that had no answer, and says so", async () => {
  const hits: string[] = []
  const askings = new RepeatedAskings((limit) => hits.push(limit))
  const [first, second] = [await idOf(askings, "0"), await idOf(askings, "1")]
  for (let i = 2; i < MAX_UNANSWERED; i++) await idOf(askings, `${i}`)
  expect(hits).toEqual([])
  await idOf(askings, "one more")
  expect(hits).toEqual(["directory_askings"])
  expect(await idOf(askings, "1")).toBe(second)
  expect(await askings.ask("0", async (asking) => asking)).not.toBe(first)
})
