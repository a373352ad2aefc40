import { readFileSync } from 'node:fs'

/** The version of this package, as `package.json` has it. */
export const version = readVersion(new URL('../../package.json', import.meta.url))

function readVersion(path: URL): string {
  const manifest: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return isManifest ? String(manifest.version) : ''
}
