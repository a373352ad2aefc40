import { StoreError } from '../store-error.js'

/** Why a file cannot be used, whoever repairs the disk. */
export type FileFault =
  | { readonly kind: 'no-database' | 'damaged'; readonly found: string }
  | { readonly kind: 'empty' | 'headless' | 'foreign' }
  | { readonly kind: 'newer'; readonly version: number; readonly known: number }

const RESTORE =
  'restore a copy of it (without a -wal file that is not of that copy), or move it away to begin anew without them'
const MOVE = 'name another path, or move that file away'

/** What is the matter with the file at `path`, and what to do about it. */
function describe(fault: FileFault, path: string): readonly [what: string, cure: string] {
  switch (fault.kind) {
    case 'no-database':
      return [`is no SQLite database (${fault.found})`, RESTORE]
    case 'damaged':
      return [`is damaged (${fault.found})`, RESTORE]
    case 'empty':
      return ['is empty, and was not left so by Damselfly', RESTORE]
    case 'headless':
      return [`is missing, but what belongs to it, ${path}-wal, is there`, RESTORE]
    case 'foreign':
      return ['has tables of another application', MOVE]
    case 'newer':
      return [
        `was written by a newer version of Damselfly (format ${fault.version}; this one knows ${fault.known})`,
        'start that version, or restore an older copy',
      ]
  }
}

/** The error for a file that `holds` something and has that fault. */
export function fileFault(path: string, holds: string, fault: FileFault): StoreError {
  const [what, cure] = describe(fault, path)
  return new StoreError('STORE_REJECTED', `${path} ${what}; it is to hold ${holds}: ${cure}`)
}

/** What to do where a file that was in order at the start is damaged under a running server. */
export const DAMAGED_ADVICE =
  'the file is damaged; stop the server, restore a copy (without the -wal file of this one), or move it away'
