import { stat } from 'node:fs/promises'
import { errorCode } from './replace-file.js'

/** A watch on some files. */
export interface FileWatch {
  /** Resolves when the first look is over: what changes from then on is reported. */
  readonly begun: Promise<void>
  stop(): void
}

/**
 * A change is reported after two looks that see the same, so after half a second at the most. Looking costs
 * less than a thousandth of a core, and sees what a notification misses: a file mounted into a container, a
 * network file system, a symbolic link that is turned over.
 */
const LOOK_EVERY_MS = 250

/**
 * Calls `changed` when one of the files has been written, replaced, made or removed. A file that is being
 * written is left alone until it rests: `mosquitto_passwd` and editors write in several steps.
 */
export function watchFiles(
  paths: readonly string[],
  changed: () => void,
  lookEveryMs: number = LOOK_EVERY_MS,
): FileWatch {
  let reported: string | undefined
  let before: string | undefined
  let isStopped = false

  const look = async (): Promise<void> => {
    const seen = (await Promise.all(paths.map(signatureOf))).join('\n')
    if (isStopped) return
    reported ??= seen
    if (seen !== reported && seen === before) {
      reported = seen
      changed()
    }
    before = seen
    timer = setTimeout(() => void look(), lookEveryMs)
  }

  let timer: NodeJS.Timeout | undefined
  return {
    begun: look(),
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

/** Equal for as long as the file is not touched; where it cannot be seen, the reason. */
async function signatureOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}
