/** JSON text without lone surrogates, which MySQL refuses: U+FFFD stands in for them. */
export function encodeJson(value: unknown): string {
  const text = JSON.stringify(value)
  if (!text.includes('\\ud')) return text
  // JSON.stringify writes \ud… for lone surrogates only; an escaped backslash before "ud" is none.
  return text.replace(/\\(?:\\|ud[89a-f][0-9a-f]{2})/g, (found) => (found === '\\\\' ? found : '\ufffd'))
}
