import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'

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
export async function createLogger(settings: LogSettings): Promise<Logger> {
  const format = settings.LOG_FORMAT ?? (process.stdout.isTTY ? 'pretty' : 'json')
  const options: LoggerOptions = {
    level: settings.LOG_LEVEL,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
  }
  return pino(options, await destination(format))
}

async function destination(format: 'pretty' | 'json'): Promise<DestinationStream> {
  if (format === 'json') {
    const output = pino.destination({ fd: 1, sync: true, maxLength: MAX_UNWRITTEN })
    // A terminal that has gone, or a full disk, is no reason to end.
    output.on('error', () => undefined)
    return output
  }
  const { default: pretty } = await import('pino-pretty') // loads only where it is used
  return pretty({
    destination: 1,
    sync: true,
    translateTime: 'SYS:yyyy-mm-dd HH:MM:ss.l',
    ignore: 'hostname,pid',
  })
}
