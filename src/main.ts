#!/usr/bin/env node
import { isatty } from 'node:tty'
import { setFlagsFromString } from 'node:v8'
import { runCli } from './cli/run-cli.js'
import { ConfigError } from './config/config-error.js'
import { loadSettings } from './config/load.js'
import type { Settings } from './config/options.js'
import { serviceManager } from './service-manager.js'
import { StoreError } from './store/store-error.js'

/**
 * V8 lets garbage grow to three times what lives; under an overload (`npm run chaos -- overload`) that was half a
 * gigabyte. So it may be half of what lives, for some 1 µs a message.
 */
const HEAP_GROWING_PERCENT = 50

const readSettings = (): Settings => loadSettings(process.env, process.cwd())

/** Ends the process as if nobody had listened to the signal. */
function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

/** Runs the server until a signal, and returns the exit code. */
async function serve(): Promise<number> {
  const settings = readSettings()
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`)
  const { createLogger } = await import('./log/logger.js')
  const { createApp } = await import('./app.js')
  const log = await createLogger(settings)
  const wasOnTerminal = isatty(1)
  const app = createApp(settings, log, {
    print: (text) => process.stdout.write(text),
    manager: serviceManager(process.env, process.pid),
  })
  let stopped: Promise<void> | undefined
  const stop = (signal: NodeJS.Signals): void => {
    if (stopped !== undefined) {
      log.warn({ signal }, 'a second signal; ending at once')
      // An exit would wait for a thread that is in the middle of a call.
      endBy(signal)
      process.exit(130) // still here: as a container's first process, which the kernel spares
    }
    log.info({ signal }, 'stopping: finishing what was received')
    stopped = app.stop().then(() => {
      log.info('stopped')
      // Node 20 aborts when it exits and cannot put back the state of a terminal that has gone.
      if (signal === 'SIGHUP') endBy(signal)
      else process.exit(0)
    })
  }
  process.on('SIGTERM', stop).on('SIGINT', stop)
  process.on('SIGHUP', (signal) => {
    // The same signal tells that the terminal has been closed, which nobody can write to any more. The kernel
    // sends it, and a shell often does as well: the second one means no more than the first.
    if (!wasOnTerminal || isatty(1)) void app.reload()
    else if (stopped === undefined) stop(signal)
  })
  try {
    await app.start()
  } catch (error) {
    if (stopped === undefined) {
      await app.stop()
      throw error
    }
  }
  return 0
}

try {
  process.exitCode = await runCli(process.argv.slice(2), { serve, readSettings })
} catch (error) {
  const isExpected = error instanceof ConfigError || error instanceof StoreError
  process.stderr.write(
    `damselfly: ${isExpected ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  )
  process.exitCode = 1
}
