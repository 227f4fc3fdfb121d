import { expect, it } from "vitest"
import { withHandler } from "./handler-fixture.ts"

const TRAPS =
  "new Proxy({}, { get() { throw 1 }, has() { throw 1 }, ownKeys() { throw 1 }, getPrototypeOf() { throw 1 } })"

it.each([
  ["a Proxy that cannot be looked at", `throw ${TRAPS}`],
  ["a promise rejected with one", `return Promise.reject(${TRAPS})`],
  ["nothing", "throw undefined"],
])("a handler that throws %s is answered handler_failed, and logged", (_, source) =>
  withHandler(`handle() { ${source} }`, async (handlers) => {
    expect(await handlers.run("it")).toMatchObject({ error: { code: "handler_failed" } })
    expect(handlers.logs.entries).toContainEqual(expect.objectContaining({ message: "a handler failed" }))
  }),
)
