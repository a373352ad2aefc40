import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'
import pretty from 'pino-pretty'

export type { Logger } from 'pino'

/** What the log needs of the settings. */
export interface LogSettings {
  readonly LOG_LEVEL: string
  readonly LOG_FORMAT: 'pretty' | 'json' | undefined
}

/** Characters that wait for a full disk to have room again; lines beyond are dropped. */
const MAX_UNWRITTEN = 1_048_576

/**
 * The process's log on standard output: JSON lines, or text for people where it is a terminal. Written
 * synchronously, so that the last line before an end is there.
 */
export function createLogger(settings: LogSettings): Logger {
  const format = settings.LOG_FORMAT ?? (process.stdout.isTTY ? 'pretty' : 'json')
  const options: LoggerOptions = {
    level: settings.LOG_LEVEL,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
  }
  return pino(options, destination(format))
}

function destination(format: 'pretty' | 'json'): DestinationStream {
  if (format === 'json') {
    const output = pino.destination({ fd: 1, sync: true, maxLength: MAX_UNWRITTEN })
    // A terminal that has gone, or a full disk, is no reason to end.
    output.on('error', () => undefined)
    return output
  }
  return pretty({
    destination: 1,
    sync: true,
    translateTime: 'SYS:yyyy-mm-dd HH:MM:ss.l',
    ignore: 'hostname,pid',
  })
}
