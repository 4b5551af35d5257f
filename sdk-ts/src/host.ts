/**
 * Whether this is a page. Elsewhere nothing is stored, and nothing is remembered between calls.
 *
 * The build for browsers replaces it by `true`: what only servers need is then left out.
 */
export const inBrowser: boolean = typeof document !== "undefined"
