/** The category of what this layer logs. */
export const LOG = { category: ["bootstrap"] }
