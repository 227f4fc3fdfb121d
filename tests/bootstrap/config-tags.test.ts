import { expect, it } from "vitest"
import { mistakesIn } from "./load-from.ts"

it("refuses a YAML tag that nobody resolves, whose text would else be the secret", () => {
  const mistakes = mistakesIn({ file: "jwt: { secret: !env JWT_SECRET }" })
  expect(mistakes).toMatchObject([{ key: "roomcast.yaml", found: "line 1, column 16: tag resolve failed" }])
  expect(mistakesIn({ file: 'port: !!int "8137"' })).toEqual([])
})
