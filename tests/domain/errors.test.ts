import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Code, Declined, ERRORS, errorBody, Refusal } from "#domain/errors.ts"

const CODES = Object.keys(ERRORS) as readonly Code[]

describe("the table of errors", () => {
  it("has for each stable code a status of HTTP and a title that says it in words", () => {
    for (const code of CODES) {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
      expect(ERRORS[code].status, code).toBeGreaterThanOrEqual(400)
      expect(ERRORS[code].status, code).toBeLessThan(600)
      expect(ERRORS[code].title, code).toMatch(/^[A-Z][^.]+$/)
    }
    expect(new Set(CODES.map((code) => ERRORS[code].title)).size).toBe(CODES.length)
  })

  it("calls temporary exactly what the same request can overcome later", () => {
    for (const code of CODES) {
      const { status, temporary } = ERRORS[code]
      if (temporary) expect([408, 429, 503], code).toContain(status)
      if (status === 503 || status === 408) expect(temporary, code).toBe(true)
    }
  })
})

describe("a refusal", () => {
  it("is given to the client by its code and message, and by nothing that it does not have", () => {
    for (const code of CODES) expect(errorBody(new Refusal(code, "why"))).toStrictEqual({ code, message: "why" })
    const faults = [{ pointer: "/to", detail: "names nobody" }]
    expect(errorBody(new Refusal("invalid_request", "why", { faults }))).toStrictEqual({
      code: "invalid_request",
      message: "why",
      details: faults,
    })
    expect(errorBody(new Refusal("rate_limited", "why", { retryAfterMs: 0 }))).toStrictEqual({
      code: "rate_limited",
      message: "why",
      retryAfterMs: 0,
    })
  })

  it("is no Error and takes no stack, for a client can provoke it at will", () => {
    expect(new Refusal("not_allowed", "why")).not.toBeInstanceOf(Error)
    expect("stack" in new Refusal("not_allowed", "why")).toBe(false)
  })
})

describe("a refusal in the backend's own words", () => {
  it("keeps its code, message and details, even one that says declined", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.jsonValue(), (code, message, details) => {
        expect(errorBody(new Declined(code, message, details))).toStrictEqual({ code, message, details })
      }),
    )
    expect(errorBody(new Declined("declined", "no"))).toStrictEqual({ code: "declined", message: "no" })
    expect(errorBody(new Declined("x", "no", null))).toStrictEqual({ code: "x", message: "no", details: null })
  })
})
